// Who saw an out-of-memory kill, and whose limit it was.
//
// SIGKILL alone proves nothing: an administrator sends it too. Witnesses, best first: the counters of the trial's own
// cage, or of the cgroup around this program (oom_kill counts its processes killed, for whichever limit), the kernel
// log's lines about this very process, and the machine-wide counter in /proc/vmstat, which may be about somebody else.
// Whose limit it was is told by the kernel log, else by which cgroup's own `oom` counter rose.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "harness/cage/cage.h"
#include "harness/probe/descriptor.h"
#include "harness/probe/kernel_log.h"
#include "reports/record.h"

namespace weighbridge {

// Whether a cgroup of version 1, or one above it, ran out of memory since construction.
class OomEvent {
 public:
  OomEvent(const std::string& folder, bool v2);
  std::optional<bool> happened() const;  // nullopt: it cannot be listened to

 private:
  Descriptor event_;
};

class OomWitness {
 public:
  // Before the worker is started. `cage` may be null.
  explicit OomWitness(const Cage* cage);

  struct Account {
    bool killed = false;  // by the out-of-memory killer
    std::string whose;    // "the cage's limit of 512 MiB", "the whole machine's memory"; empty: nothing here tells it
    std::vector<reports::Evidence> evidence;
    std::optional<OomLines> log;  // the kernel's own words on this process
  };
  // After the worker ended with SIGKILL and was reaped; `pid` is the one it had.
  Account account(pid_t pid);

 private:
  struct Above {
    CgroupLimit limit;
    CgroupReading before;
    OomEvent event;
  };
  const Cage* const cage_;
  // The cage, or, where there is none, the cgroup that this program and its worker are in.
  std::string counted_in_;
  bool v2_ = false;
  CgroupReading before_;
  std::vector<Above> above_;
  reports::Figure machine_before_;
  KernelLog log_;
};

}  // namespace weighbridge
