// The kernel's own high-water mark of the resident set, per phase.
//
// VmHWM is exact where samples are not, but it covers the whole life of a process. Writing 5 to /proc/PID/clear_refs
// sets it to the present resident set, so that resetting it at each boundary makes it a peak per phase. It needs no
// privilege for a process of the same user; it is refused where the worker's program file is not readable. wait4's
// ru_maxrss is never used: it inherits the parent's resident set through fork and exec.
#include <algorithm>
#include <string>

#include "harness/probe/probe.h"
#include "harness/probe/procfs.h"
#include "harness/probe/status.h"

namespace weighbridge {
namespace {

class HighWater : public Probe {
 public:
  void begin(pid_t pid) override { reset_failed_ = write_proc("/proc/" + std::to_string(pid) + "/clear_refs", "5"); }

  void end(pid_t pid, reports::Phase& phase, reports::Reasons& unavailable) override {
    const StatusFile file(pid);
    auto status = file.read();
    if (!status) {
      for (const char* figure : {"peak_rss_bytes", "need_end_bytes", "page_table_bytes"}) {
        unavailable[figure] = "/proc/PID/status was gone: the worker had ended";
      }
      return;
    }
    status->swap = file.swapped(*status, std::max(status->shmem, phase.at_peak.shmem));
    phase.need_end_bytes = status->need();
    phase.page_table_bytes = status->page_tables;
    if (reset_failed_.empty()) {
      phase.peak_rss_bytes = status->high_water;
    } else {
      unavailable["peak_rss_bytes"] = "the high-water mark could not be reset per phase: " + reset_failed_;
    }
  }

 private:
  std::string reset_failed_;
};

}  // namespace

std::unique_ptr<Probe> high_water_probe() {
  return std::make_unique<HighWater>();
}

}  // namespace weighbridge
