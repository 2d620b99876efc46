// A probe is one source of figures about a phase, read by the parent at the phase's boundaries, while the worker waits.
//
// Adding one: a file with its class, a line in registry.cc, a test. What its source does not offer it leaves null and
// says why, under the figure's name; `weighbridge doctor` runs the same probes on itself and prints the same reasons.
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "reports/record.h"

namespace weighbridge {

class Probe {
 public:
  virtual ~Probe() = default;
  // The phase begins: take the base of differences, reset what can be reset.
  virtual void begin(pid_t pid) = 0;
  // It has ended: fill what this source knows.
  virtual void end(pid_t pid, reports::Phase& phase, reports::Reasons& unavailable) = 0;
};

std::vector<std::unique_ptr<Probe>> make_probes();

std::unique_ptr<Probe> high_water_probe();    // VmHWM, VmPTE: status, clear_refs
std::unique_ptr<Probe> faults_probe();        // minor and major: stat
std::unique_ptr<Probe> smaps_rollup_probe();  // Pss, LazyFree
std::unique_ptr<Probe> system_swap_probe();   // pswpin, pswpout of the machine: vmstat
std::unique_ptr<Probe> pressure_probe();      // memory stall of the machine: PSI

}  // namespace weighbridge
