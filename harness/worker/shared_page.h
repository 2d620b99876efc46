// What the worker and its parent see at the same time: a memfd that both map.
//
// The worker writes its live counters and peaks here as it goes; a kill cannot take them back, so whatever the worker
// had reached is still known afterwards. The parent only reads. Written by one side alone, every field is either a
// lock-free atomic or one of two slots, of which an atomic index names the complete one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "harness/alloc/allocator.h"
#include "harness/probe/descriptor.h"
#include "strategies/plan.h"

namespace weighbridge {

// One reading of the worker's own /proc/self/status.
struct NeedReading {
  uint64_t anon, shmem, file, swap, hugetlb;
  uint64_t weights, staging;  // allocated through Memory at that instant
  uint64_t wall_ns;           // CLOCK_MONOTONIC
  uint64_t need() const { return anon + shmem + swap + hugetlb; }
};

struct PhasePage {
  std::atomic<uint64_t> begin_wall_ns, end_wall_ns;  // CLOCK_MONOTONIC
  std::atomic<uint64_t> begin_cpu_ns, end_cpu_ns;    // CLOCK_PROCESS_CPUTIME_ID
  std::array<NeedReading, 2> need_peak;
  std::atomic<uint32_t> need_peak_slot;  // 0 or 1: the complete slot; 2: no reading yet (set at the phase's start)
  std::atomic<uint64_t> file_peak, swap_peak;
  std::atomic<uint64_t> weights_peak, staging_peak;  // allocated through Memory
  std::atomic<uint64_t> overhead_peak;               // largest need - weights - staging of any reading
  std::array<ArenaFigures, 3> arenas;                // weights, staging, overhead; at the phase's end
};

// What a load has to say of itself (Observer::remark); texts end with a zero.
struct PageRemark {
  std::array<char, 32> id;
  std::array<char, 256> text;
  uint64_t bytes;
};

struct SharedPage {
  // These three stand first, in places that no build changes: a worker of another build must still be able to say so.
  std::atomic<uint64_t> layout;  // kLayout of the parent's build
  std::atomic<uint32_t> failed;  // 0, or 1 + ErrorKind, or kCrashed; the message is complete once this is set
  std::array<char, 1024> message;

  std::atomic<uint32_t> phase;             // index of Phase while in it; kPhases before `open`
  std::atomic<uint64_t> weights, staging;  // allocated through Memory now
  std::atomic<uint64_t> bytes_read;        // of the checkpoint
  std::atomic<uint64_t> bytes_used;        // delivered bytes checked in `use`
  std::atomic<uint64_t> bytes_to_use;      // passes x delivered bytes
  std::atomic<uint64_t> checksum;
  std::atomic<uint32_t> checksum_known;   // 1: every tensor was used and equal to the reference
  std::atomic<uint64_t> failed_vm_bytes;  // VmSize when the worker failed; 0: not known
  std::atomic<int32_t> exec_errno;        // the worker could not be started at all
  std::atomic<uint32_t> could_not_enter;  // 1: exec_errno is of the write that should have put it into its cage
  // Of the signal that ends it; complete once the number is set (last_words.h).
  std::atomic<int32_t> signal_number, signal_code, signal_pid;
  std::atomic<uint32_t> signal_uid;
  std::atomic<uint64_t> signal_address;
  std::array<char, 32> signal_sender;  // its command
  // "while the plug-in's load() ran": where the process ends meanwhile, that is what it was at. Empty: nothing of a
  // plug-in's.
  std::array<char, 160> doing;
  std::array<PhasePage, kPhases> phases;
  std::array<PageRemark, 4> remarks;   // what would be a fifth is not kept
  std::atomic<uint32_t> remark_count;  // of complete ones
};
constexpr uint32_t kCrashed = 100;  // an exception that is no Error
// Two builds whose pages differ must not read each other's: every figure would be shifted. Raise the number with any
// change that leaves the size as it was.
constexpr uint64_t kLayout = sizeof(SharedPage) << 16 | 2;
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(sizeof(SharedPage) <= 2 * kPageBytes);

// The mapping, and the descriptor it can be passed on by. Move-only.
class SharedPageMapping {
 public:
  static SharedPageMapping create();               // in the parent, sealed in its size; throws Error
  static SharedPageMapping adopt(int descriptor);  // in the worker; populated, so that it never faults later
  SharedPageMapping(SharedPageMapping&& other) noexcept;
  SharedPageMapping& operator=(SharedPageMapping&&) = delete;
  ~SharedPageMapping();
  SharedPage* operator->() const { return page_; }
  SharedPage& operator*() const { return *page_; }
  int descriptor() const { return file_.get(); }

 private:
  explicit SharedPageMapping(Descriptor file);
  Descriptor file_;
  SharedPage* page_;
};

}  // namespace weighbridge
