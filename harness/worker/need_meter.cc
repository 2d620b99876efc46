#include "harness/worker/need_meter.h"

#include <algorithm>

#include "harness/probe/clocks.h"

namespace weighbridge {
namespace {

constexpr size_t kReadAtOnceBytes = 64u << 10;
constexpr size_t kGatherBytes = 256u << 10;

void raise_to(std::atomic<uint64_t>& peak, uint64_t value) {
  // One writer at a time (NeedMeter::busy_), so a plain compare and store is enough.
  if (value > peak.load(std::memory_order_relaxed)) peak.store(value, std::memory_order_relaxed);
}

}  // namespace

NeedMeter::NeedMeter(SharedPage& page) : page_(page), status_(0) {}

void NeedMeter::before_release(size_t bytes) {
  if (!watches_.load(std::memory_order_relaxed)) return;
  if (bytes < kReadAtOnceBytes && unread_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes < kGatherBytes) {
    return;
  }
  read();
}

void NeedMeter::read() {
  // A spin lock: the caller may hold an allocator lock, and the section is one small read of procfs.
  while (busy_.test_and_set(std::memory_order_acquire)) {
  }
  unread_bytes_.store(0, std::memory_order_relaxed);
  const uint32_t phase_index = page_.phase.load(std::memory_order_relaxed);
  auto status = status_.read();
  if (status) {
    most_shmem_ = std::max(most_shmem_, status->shmem);
    status->swap = status_.swapped(*status, most_shmem_);
  }
  if (status && phase_index < kPhases) {
    PhasePage& phase = page_.phases[phase_index];
    const uint64_t weights = page_.weights.load(std::memory_order_relaxed);
    const uint64_t staging = page_.staging.load(std::memory_order_relaxed);
    const uint64_t need = status->need();
    const uint32_t slot = phase.need_peak_slot.load(std::memory_order_relaxed);
    if (slot == 2 || need > phase.need_peak[slot].need()) {
      const uint32_t other = slot == 0 ? 1 : 0;
      phase.need_peak[other] = {status->anon,    status->shmem, status->file, status->swap,
                                status->hugetlb, weights,       staging,      monotonic_ns()};
      phase.need_peak_slot.store(other, std::memory_order_release);
    }
    raise_to(phase.file_peak, status->file);
    raise_to(phase.swap_peak, status->swap);
    raise_to(phase.overhead_peak, need > weights + staging ? need - weights - staging : 0);
  }
  busy_.clear(std::memory_order_release);
}

}  // namespace weighbridge
