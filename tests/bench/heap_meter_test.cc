#include "tests/bench/heap_meter.h"

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/bench/ground.h"
#include "tests/support/catch.h"

namespace weighbridge::bench {
namespace {

constexpr int64_t kKiB = 1024, kMiB = 1024 * kKiB;

// Opaque to the compiler, which may leave out a malloc that is freed unseen.
void* volatile escaped;

void* get(size_t bytes) {
  escaped = std::malloc(bytes);
  return escaped;
}

TEST_CASE("the heap's peak is exact to the byte, between any two looks") {
  std::string reason;
  const auto meter = make_heap_meter(reason);
  if (!meter) {
    std::printf("not tried: %s\n", reason.c_str());
    return;
  }
  void* before = get(64 * kKiB);
  meter->start();
  void* kept = get(1 * kMiB);   // a size class of jemalloc's own, as all of these
  void* brief = get(8 * kMiB);  // the peak, gone before anybody could look
  std::free(brief);
  void* small = get(48);
  std::free(before);  // 64 KiB that were there before
  kept = std::realloc(kept, 2 * kMiB);
  const HeapUse use = meter->stop();
  std::free(kept);
  std::free(small);
  CHECK(use.peak_bytes == 9 * kMiB);
  CHECK(use.net_bytes == 2 * kMiB + 48 - 64 * kKiB);
  CHECK(use.allocations >= 3);
}

TEST_CASE("the heap's peak holds what a Memory takes from arenas of its own, and what other threads take") {
  std::string reason;
  const auto meter = make_heap_meter(reason);
  if (!meter) {
    std::printf("not tried: %s\n", reason.c_str());
    return;
  }
  Memory& memory = Ground::get().memory();
  meter->start();
  void* weights = memory.allocate(Purpose::weights, 4 * kMiB);
  void* staging = memory.allocate(Purpose::staging, 16 * kKiB);
  memory.release(Purpose::staging, staging, 16 * kKiB);
  memory.release(Purpose::weights, weights, 4 * kMiB);
  const HeapUse alone = meter->stop();
  CHECK(alone.peak_bytes == 4 * kMiB + 16 * kKiB);
  CHECK(alone.net_bytes == 0);
  CHECK(alone.allocations == 2);
  CHECK(alone.allocated_bytes == 4 * kMiB + 16 * kKiB);

  std::vector<void*> taken(4);
  meter->start();
  {
    std::vector<std::jthread> threads;
    for (void*& each : taken) threads.emplace_back([&each] { each = get(1 * kMiB); });
  }
  for (void* each : taken) std::free(each);
  const HeapUse threaded = meter->stop();
  CHECK(threaded.peak_bytes >= 4 * kMiB);
  CHECK(threaded.peak_bytes < 4 * kMiB + 64 * kKiB);  // the threads' own
}

}  // namespace
}  // namespace weighbridge::bench
