// What every case stands on: one checkpoint in the page cache, and memory as a worker has it in a trial.
//
// The checkpoint is GPT-2 in f32 with as many layers as the machine's memory allows (285 MiB with five), written by the
// project's own synth into TMPDIR, else /var/tmp, and unlinked at once: it lives as long as the process. Memory comes
// from the worker's jemalloc arenas through the worker's CountedMemory: freed pages go back at once (decay 0), so what
// a case allocates is always fresh. Transparent huge pages are off, as in trials.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "harness/alloc/allocator.h"
#include "harness/alloc/counted_memory.h"
#include "harness/worker/need_meter.h"
#include "harness/worker/shared_page.h"
#include "strategies/checkpoint/checkpoint.h"

namespace weighbridge::bench {

// What one run of a case needed, seen by the instruments of a trial.
struct Weighed {
  uint64_t need_bytes;  // peak of RssAnon + RssShmem + VmSwap + huge pages, above what the process had before
  uint64_t minor_faults, major_faults;
};

class Ground {
 public:
  // Made on first use; throws Error where it cannot be. Never destroyed, as the allocator tells it of every release.
  static Ground& get();

  const Checkpoint& checkpoint() const { return checkpoint_; }
  int descriptor() const { return descriptor_; }  // of the checkpoint's one file
  uint64_t file_bytes() const { return checkpoint_.files.front().bytes; }
  uint64_t tensor_bytes() const { return checkpoint_.stored_bytes(); }
  Memory& memory() { return memory_; }

  // Reads the file once where it is not wholly in the page cache; throws Error where it does not stay there.
  void warm_up() const;
  // Runs `work` once with the worker's instruments on.
  Weighed weigh(const std::function<void()>& work);

  // "GPT-2 in f32, 5 layers, 285 MiB, on ext4".
  std::string description() const { return description_; }
  std::string allocator_version() const { return allocator_->version(); }

 private:
  Ground();
  void make_checkpoint();

  class Unheard : public AllocationCounts {
   public:
    void grew(Purpose, uint64_t) override {}
    void shrank(Purpose, uint64_t) override {}
  };

  SharedPageMapping page_;
  NeedMeter meter_;
  std::unique_ptr<Allocator> allocator_;
  Unheard unheard_;
  CountedMemory memory_;
  Checkpoint checkpoint_;
  int descriptor_ = -1;
  std::string description_;
};

}  // namespace weighbridge::bench
