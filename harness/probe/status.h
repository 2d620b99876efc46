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
class StatusFile {
 public:
  explicit StatusFile(pid_t pid);  // 0: this process
  // nullopt once the process has ended (its memory is gone) or where the file cannot be read.
  std::optional<Status> read() const;
  std::optional<uint64_t> read_vm_size() const;  // VmSize, bytes

 private:
  Descriptor file_;
};

}  // namespace weighbridge
