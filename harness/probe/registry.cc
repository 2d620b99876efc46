#include "harness/probe/probe.h"

namespace weighbridge {

std::vector<std::unique_ptr<Probe>> make_probes() {
  std::vector<std::unique_ptr<Probe>> probes;
  // The mark is reset first when a phase begins and read first when it ends; no other probe touches the worker.
  probes.push_back(high_water_probe());
  probes.push_back(faults_probe());
  probes.push_back(smaps_rollup_probe());
  probes.push_back(system_swap_probe());
  probes.push_back(pressure_probe());
  return probes;
}

}  // namespace weighbridge
