// What the kernel wrote of an out-of-memory kill: whose limit it was, and what the victim held.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/probe/descriptor.h"
#include "reports/record.h"

namespace weighbridge {

// The two lines that the kernel writes for a kill (oom_kill_process, dump_oom_summary in mm/oom_kill.c).
struct OomLines {
  std::string text;        // both, joined
  pid_t pid = 0;           // in the kernel's own PID namespace
  std::string constraint;  // CONSTRAINT_MEMCG, CONSTRAINT_NONE, ...
  std::string limit_of;    // oom_memcg: the cgroup whose limit it was; empty where the machine was out of memory
  std::string victim_in;   // task_memcg
  reports::Figure anon_rss_bytes, file_rss_bytes, shmem_rss_bytes, page_table_bytes;
};
std::vector<OomLines> parse_oom_lines(const std::vector<std::string>& lines);

// /dev/kmsg from the moment of construction on. Reading it takes CAP_SYSLOG where kernel.dmesg_restrict is set.
class KernelLog {
 public:
  KernelLog();
  bool readable() const { return static_cast<bool>(file_); }
  const std::string& reason() const { return reason_; }
  // Every kill since construction. The kernel sends the signal between its two lines, so the second may come a moment
  // after the victim's end: ask again.
  std::vector<OomLines> kills();

 private:
  Descriptor file_;
  std::string reason_;
  std::vector<std::string> lines_;
};

}  // namespace weighbridge
