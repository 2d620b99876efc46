// Pss and LazyFree at the end of a phase, summed by the kernel over every page: exact, and slow (9 ms at 1 GiB, holding
// the map lock), which is why it is read only here, while the worker waits.
#include <string>

#include "harness/probe/probe.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

class SmapsRollup : public Probe {
 public:
  void begin(pid_t) override {}

  void end(pid_t pid, reports::Phase& phase, reports::Reasons& unavailable) override {
    const ProcText rollup = read_proc("/proc/" + std::to_string(pid) + "/smaps_rollup");
    const auto figure = [&](const char* key, const char* name, reports::Figure& to) {
      const auto kib = rollup.text ? number_after(*rollup.text, key) : std::nullopt;
      if (kib) {
        to = *kib * 1024;
      } else {
        unavailable[name] = rollup.text ? std::string("/proc/PID/smaps_rollup has no line ") + key : rollup.reason;
      }
    };
    figure("Pss:", "pss_bytes", phase.pss_bytes);
    figure("LazyFree:", "lazy_free_bytes", phase.lazy_free_bytes);
  }
};

}  // namespace

std::unique_ptr<Probe> smaps_rollup_probe() {
  return std::make_unique<SmapsRollup>();
}

}  // namespace weighbridge
