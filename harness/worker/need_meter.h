// The need's exact peak, found from inside.
//
// The kernel keeps a high-water mark of the resident set but none of the need (anonymous, shared and swapped pages,
// without the file-backed ones). Sampling from outside misses what lives for less than a millisecond: up to 9.5 MiB at
// 1 kHz.
//
//     need   ^        /|       /\                 the need can only have been at its highest just before
//            |      /  |     /    |               something was given back (|): so that is when to look
//            |   __/   |____/     |___
//            +--------read-------read---> t
//
// So the worker reads its own status right before each release: Memory::release, unmap and drop, the allocator's purges
// and unmappings, and at each phase's end. Releases below 64 KiB are gathered until 256 KiB are unread, which bounds
// the error for small ones. Of several threads that release at once, the first reads before anything is gone; what a
// thread allocates between another's reading and its release is seen by the next reading only (216 to 744 KiB with four
// threads). Cost: 6.5 us a reading, none without releases.
#pragma once

#include <atomic>

#include "harness/alloc/release_watch.h"
#include "harness/probe/status.h"
#include "harness/worker/shared_page.h"

namespace weighbridge {

class NeedMeter : public ReleaseWatch {
 public:
  explicit NeedMeter(SharedPage& page);

  void before_release(size_t bytes) override;
  // Reads now, and keeps what is larger than before in the current phase.
  void read();
  // Releases are read before or not; they are until said otherwise.
  void watch_releases(bool on) { watches_.store(on, std::memory_order_relaxed); }

 private:
  SharedPage& page_;
  StatusFile status_;
  uint64_t most_shmem_ = 0;  // one reader at a time (busy_)
  std::atomic<bool> watches_{true};
  std::atomic<size_t> unread_bytes_{0};
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

}  // namespace weighbridge
