#include "tests/bench/heap_meter.h"

namespace weighbridge::bench {
namespace {

bool metered = false;
std::optional<HeapUse>* kept_in = nullptr;

}  // namespace

benchmark::MemoryManager::Result result_of(const HeapUse& use) {
  benchmark::MemoryManager::Result result;
  result.num_allocs = use.allocations;
  result.max_bytes_used = use.peak_bytes;
  result.total_allocated_bytes = use.allocated_bytes;
  result.net_heap_growth = use.net_bytes;
  return result;
}

void MeteredRuns::Start() {
  metered = true;
  kept_in = nullptr;
  meter_.start();
}

void MeteredRuns::Stop(Result& result) {
  HeapUse use = meter_.stop();
  metered = false;
  if (kept_in != nullptr && *kept_in) use = **kept_in;
  if (kept_in != nullptr) *kept_in = use;
  result = result_of(use);
}

void MeteredRuns::Stop(Result* result) {
  Stop(*result);
}

bool MeteredRuns::running() {
  return metered;
}

bool MeteredRuns::wants_work(std::optional<HeapUse>& kept) {
  kept_in = &kept;
  return !kept.has_value();
}

}  // namespace weighbridge::bench
