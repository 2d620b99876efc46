// Ends a trial before the machine, or a container around this program, starves: a load that is too large must cost its
// trial, not the session of whoever measures.
//
// It watches the machine's MemAvailable and the limits *above* the cage, never the cage it made: to run into that one
// is what a limited cell is for. Where there is swap, little free memory is no emergency yet: then it waits until free
// swap is short too, or until everything stands still for memory half of the time (PSI full avg10 above 50 %).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/probe/cgroup.h"
#include "reports/record.h"

namespace weighbridge {

// Of one bound: 5 % of it, at least 64 MiB and at most 1 GiB, and never more than a quarter, as a small container would
// leave no room to measure in.
reports::Bytes default_reserve(reports::Bytes bound);

struct GuardSettings {
  bool on = true;
  reports::Figure reserve_bytes;  // nullopt: default_reserve of each bound
};

class Guard {
 public:
  explicit Guard(const GuardSettings& settings);

  struct Alarm {
    std::string reason;  // for a person
    std::vector<reports::Evidence> evidence;
  };
  // `now_ns` on the monotonic clock. Looks only when it is time to: the closer to the reserve, the sooner again.
  std::optional<Alarm> look(uint64_t now_ns);
  uint64_t next_look_ns() const { return next_ns_; }  // UINT64_MAX when off

 private:
  reports::Bytes reserve_of(reports::Bytes bound) const;
  // `cgroup` is the bound that is short; null: the machine.
  bool swap_still_helps(const CgroupLimit* cgroup, std::string& said, std::vector<reports::Evidence>& evidence) const;

  const GuardSettings settings_;
  std::vector<CgroupLimit> above_;
  uint64_t next_ns_ = 0;
};

}  // namespace weighbridge
