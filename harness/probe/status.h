// /proc/PID/status: the split of the resident set. Read by the sampler a thousand times a second and by the worker
// right before it gives memory back, so parsing allocates nothing and the file is kept open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "harness/probe/descriptor.h"

namespace weighbridge {

// Bytes, as the kernel's kB x 1024. Absent lines (a kernel thread, no hugetlb support) stay 0 with `complete` false.
struct Status {
  uint64_t high_water = 0;   // VmHWM
  uint64_t anon = 0;         // RssAnon
  uint64_t file = 0;         // RssFile
  uint64_t shmem = 0;        // RssShmem
  uint64_t page_tables = 0;  // VmPTE
  uint64_t swap = 0;         // VmSwap
  uint64_t hugetlb = 0;      // HugetlbPages
  bool complete = false;     // RssAnon, RssFile, RssShmem and VmSwap were all there

  uint64_t need() const { return anon + shmem + swap + hugetlb; }
  uint64_t rss() const { return anon + file + shmem + hugetlb; }
};

Status parse_status(std::string_view text);

// Keeps the file open. Move-only.
//
// VmSwap does not count shared memory (memfd, shmem) that was swapped out: its pages leave RssShmem and show nowhere.
// smaps_rollup's Swap does, but takes 9 ms a GiB, so it is asked only where there is swap, and shared memory that can
// be in it: swapped() says what of a Status's need lies in swap, all of it.
class StatusFile {
 public:
  explicit StatusFile(pid_t pid);  // 0: this process
  // nullopt once the process has ended (its memory is gone) or where the file cannot be read.
  std::optional<Status> read() const;
  std::optional<uint64_t> read_vm_size() const;  // VmSize, bytes
  // `most_shmem` is the largest RssShmem that was ever seen.
  uint64_t swapped(const Status& status, uint64_t most_shmem) const;

 private:
  Descriptor file_, rollup_;
};

}  // namespace weighbridge
