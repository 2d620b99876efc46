// Pages swapped in and out by the whole machine over a phase: pswpin and pswpout of /proc/vmstat.
#include "harness/probe/probe.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

class SystemSwap : public Probe {
 public:
  void begin(pid_t) override { base_ = read_proc("/proc/vmstat"); }

  void end(pid_t, reports::Phase& phase, reports::Reasons& unavailable) override {
    const ProcText now = read_proc("/proc/vmstat");
    const auto figure = [&](const char* key, const char* name, reports::Figure& to) {
      const auto before = base_.text ? number_after(*base_.text, key) : std::nullopt;
      const auto after = now.text ? number_after(*now.text, key) : std::nullopt;
      if (before && after) {
        to = *after - *before;
      } else {
        unavailable[name] =
            now.text ? std::string("/proc/vmstat has no line ") + key + ": a kernel without swap" : now.reason;
      }
    };
    figure("pswpin", "system_swap_in_pages", phase.system_swap_in_pages);
    figure("pswpout", "system_swap_out_pages", phase.system_swap_out_pages);
  }

 private:
  ProcText base_;
};

}  // namespace

std::unique_ptr<Probe> system_swap_probe() {
  return std::make_unique<SystemSwap>();
}

}  // namespace weighbridge
