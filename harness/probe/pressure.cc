// Memory pressure over a phase: how long some, and how long all, runnable tasks of the machine stalled on memory.
// /proc/pressure/memory, "total" in microseconds.
#include <string>

#include "harness/probe/probe.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

constexpr const char* kPath = "/proc/pressure/memory";

class Pressure : public Probe {
 public:
  void begin(pid_t) override { base_ = read_proc(kPath); }

  void end(pid_t, reports::Phase& phase, reports::Reasons& unavailable) override {
    const ProcText now = read_proc(kPath);
    const auto figure = [&](const char* which, const char* name, reports::Figure& to) {
      const auto before = stall_ns(base_, which), after = stall_ns(now, which);
      if (before && after) {
        to = *after - *before;
      } else {
        unavailable[name] = now.text ? std::string(kPath) + " has no line '" + which + "'"
                                     : now.reason + " (a kernel built or started without PSI)";
      }
    };
    figure("some", "psi_some_ns", phase.psi_some_ns);
    figure("full", "psi_full_ns", phase.psi_full_ns);
  }

 private:
  ProcText base_;
};

}  // namespace

std::unique_ptr<Probe> pressure_probe() {
  return std::make_unique<Pressure>();
}

}  // namespace weighbridge
