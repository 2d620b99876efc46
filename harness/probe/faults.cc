// Minor and major page faults of a process over a phase: fields 10 and 12 of /proc/PID/stat.
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "harness/probe/probe.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

std::optional<std::pair<uint64_t, uint64_t>> parse_faults(const std::string& stat) {
  // The second field is the program's name in parentheses and may hold anything, blanks and parentheses too.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  unsigned long minor = 0, major = 0;
  if (std::sscanf(stat.c_str() + name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu", &minor, &major) != 2) {
    return std::nullopt;
  }
  return std::pair{minor, major};
}

class Faults : public Probe {
 public:
  void begin(pid_t pid) override { base_ = read(pid, nullptr); }

  void end(pid_t pid, reports::Phase& phase, reports::Reasons& unavailable) override {
    std::string reason;
    const auto now = read(pid, &reason);
    if (!base_ || !now) {
      unavailable["minor_faults"] = unavailable["major_faults"] = reason;
      return;
    }
    phase.minor_faults = now->first - base_->first;
    phase.major_faults = now->second - base_->second;
  }

 private:
  static std::optional<std::pair<uint64_t, uint64_t>> read(pid_t pid, std::string* reason) {
    const ProcText stat = read_proc("/proc/" + std::to_string(pid) + "/stat");
    const auto faults = stat.text ? parse_faults(*stat.text) : std::nullopt;
    if (!faults && reason != nullptr) *reason = stat.text ? "/proc/PID/stat has no fault counts" : stat.reason;
    return faults;
  }
  std::optional<std::pair<uint64_t, uint64_t>> base_;
};

}  // namespace

std::unique_ptr<Probe> faults_probe() {
  return std::make_unique<Faults>();
}

}  // namespace weighbridge
