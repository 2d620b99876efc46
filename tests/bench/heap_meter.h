// max_bytes_used and allocs_per_iter of Google Benchmark, from jemalloc itself.
//
// Counted is every allocation of the process, by its usable size: malloc and new, and what a Memory takes from arenas
// of its own. jemalloc calls a hook after each allocation and before each free (mallctl experimental.hooks, in 5.2 and
// 5.3), so the peak is exact to the byte, where stats.allocated can only be asked now and then and thread.peak is told
// every 64 KiB. While no meter runs there is no hook and no cost. Mapped files are no heap: they show in the need and
// the faults.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace weighbridge::bench {

struct HeapUse {
  int64_t allocations = 0;
  int64_t allocated_bytes = 0;  // of all allocations together
  int64_t peak_bytes = 0;       // above what was allocated at the start
  int64_t net_bytes = 0;        // at the end, above the start
};

class HeapMeter {
 public:
  virtual ~HeapMeter() = default;
  virtual void start() = 0;
  virtual HeapUse stop() = 0;
};

// One a process. nullptr with the reason where the allocator has no hooks.
std::unique_ptr<HeapMeter> make_heap_meter(std::string& reason);

// Hands the meter to Google Benchmark, which runs each case once more for it, apart from what is timed. It asks for
// that with every repetition: a case that says where its figures are kept is metered once, and they are given again.
class MeteredRuns : public benchmark::MemoryManager {
 public:
  explicit MeteredRuns(HeapMeter& meter) : meter_(meter) {}
  void Start() override;
  // Google Benchmark up to 1.7 calls the first, later ones the second.
  void Stop(Result* result);
  void Stop(Result& result);

  // A case is running for the meter and for nobody's clock.
  static bool running();
  // Called while running; true where the case has to do its work for the meter. `kept` must outlive the run.
  static bool wants_work(std::optional<HeapUse>& kept);

 private:
  HeapMeter& meter_;
};

// As Google Benchmark has it.
benchmark::MemoryManager::Result result_of(const HeapUse& use);

}  // namespace weighbridge::bench
