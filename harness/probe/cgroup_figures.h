// What the kernel counts for one cgroup alone: usage and its split, refaults, how often the limit was hit, and stalls.
//
// Usage includes page cache that the trial was the first to read; refaults are the kernel's own count of pages that
// were taken back and had to be read again. Not in the registry of probes, as it is about a cgroup and not a process:
// it can still be asked when the process is gone.
#pragma once

#include <string>

#include "harness/probe/cgroup.h"
#include "harness/probe/probe.h"

namespace weighbridge {

class CgroupProbe : public Probe {
 public:
  CgroupProbe(std::string folder, bool v2);
  void begin(pid_t pid) override;
  void end(pid_t pid, reports::Phase& phase, reports::Reasons& unavailable) override;
  // Its last process ended inside the phase: what was counted is whole, what was held is gone.
  void ended_inside(reports::Phase& phase, reports::Reasons& unavailable);

 private:
  void counts(const CgroupReading& now, reports::Phase& phase, reports::Reasons& unavailable) const;
  std::string untold() const;

  const std::string folder_;
  const bool v2_;
  CgroupReading base_;
};

}  // namespace weighbridge
