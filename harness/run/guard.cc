#include "harness/run/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "harness/probe/procfs.h"
#include "reports/units.h"

namespace weighbridge {
namespace {

constexpr reports::Bytes kMiB = 1 << 20, kGiB = 1 << 30;
// Faster than any worker touches fresh memory: the headroom cannot be gone before the next look.
constexpr uint64_t kBytesPerSecond = 16 * kGiB;
constexpr uint64_t kSoonestNs = 1'000'000, kLatestNs = 20'000'000;
constexpr double kStandsStill = 50;  // per cent of the last ten seconds

reports::Figure kib_of(const ProcText& meminfo, const char* key) {
  const auto kib = meminfo.text ? number_after(*meminfo.text, key) : std::nullopt;
  return kib ? reports::Figure(*kib * 1024) : std::nullopt;
}

// PSI full avg10 in per cent; nullopt without PSI.
std::optional<double> standstill() {
  const ProcText pressure = read_proc("/proc/pressure/memory");
  const size_t full = pressure.text ? pressure.text->find("full avg10=") : std::string::npos;
  if (full == std::string::npos) return std::nullopt;
  return std::strtod(pressure.text->c_str() + full + 11, nullptr);
}

}  // namespace

reports::Bytes default_reserve(reports::Bytes bound) {
  return std::min(std::clamp(bound / 20, 64 * kMiB, kGiB), bound / 4);
}

Guard::Guard(const GuardSettings& settings) : settings_(settings) {
  if (!settings_.on) {
    next_ns_ = UINT64_MAX;
    return;
  }
  for (const CgroupLimit& limit : cgroup_limits()) {
    if (limit.file != "memory.high") above_.push_back(limit);
  }
}

reports::Bytes Guard::reserve_of(reports::Bytes bound) const {
  return settings_.reserve_bytes.value_or(default_reserve(bound));
}

bool Guard::swap_still_helps(const CgroupLimit* cgroup, std::string& said,
                             std::vector<reports::Evidence>& evidence) const {
  const ProcText meminfo = read_proc("/proc/meminfo");
  const auto total = kib_of(meminfo, "SwapTotal:"), free = kib_of(meminfo, "SwapFree:");
  if (!total || !free || *total == 0) return false;
  // A container on a machine with swap commonly may use none of it.
  const reports::Figure left = cgroup == nullptr ? std::nullopt : swap_left(*cgroup);
  if (left && *left < std::min(*free, reserve_of(*total))) {
    evidence.push_back({"swap limit of cgroup " + cgroup->path,
                        fmt::format("{} left", reports::human(*left)),
                        {{"swap_left_bytes", *left}}});
    said = fmt::format(", and may take {} more of swap", reports::human(*left));
    return false;
  }
  const auto full = standstill();
  evidence.push_back({"/proc/meminfo",
                      fmt::format("SwapFree {} of {}", reports::human(*free), reports::human(*total)),
                      {{"swap_free_bytes", *free}, {"swap_total_bytes", *total}}});
  if (*free < reserve_of(*total)) {
    said = fmt::format(", and of the swap {}", reports::human(*free));
    return false;
  }
  if (full && *full > kStandsStill) {
    evidence.push_back({"/proc/pressure/memory", fmt::format("full avg10={:.2f}", *full), {}});
    said = fmt::format(", and the machine stood still for {:.0f} % of the last ten seconds", *full);
    return false;
  }
  return true;
}

std::optional<Guard::Alarm> Guard::look(uint64_t now_ns) {
  if (now_ns < next_ns_) return std::nullopt;
  reports::Bytes headroom = UINT64_MAX;
  std::optional<Alarm> alarm;
  const auto check = [&](const CgroupLimit* cgroup, reports::Bytes available, reports::Bytes bound) {
    const std::string what = cgroup == nullptr ? "the machine" : "cgroup " + cgroup->path;
    const std::string source = cgroup == nullptr ? "/proc/meminfo" : cgroup->file + " of cgroup " + cgroup->path;
    const reports::Bytes reserve = reserve_of(bound);
    headroom = std::min(headroom, available - std::min(available, reserve));
    if (available >= reserve || alarm) return;
    Alarm found;
    std::string swap;
    found.evidence.push_back({source,
                              fmt::format("{} available of {}", reports::human(available), reports::human(bound)),
                              {{"available_bytes", available}, {"bound_bytes", bound}, {"reserve_bytes", reserve}}});
    if (swap_still_helps(cgroup, swap, found.evidence)) return;
    found.reason = fmt::format("stopped by the guard: {} had {} left{}, less than the reserve of {} (--reserve)", what,
                               reports::human(available), swap, reports::human(reserve));
    alarm = std::move(found);
  };

  const ProcText meminfo = read_proc("/proc/meminfo");
  const auto available = kib_of(meminfo, "MemAvailable:"), total = kib_of(meminfo, "MemTotal:");
  if (available && total) check(nullptr, *available, *total);
  for (const CgroupLimit& limit : above_) {
    const reports::Bytes reserve = reserve_of(limit.bytes);
    const CgroupReading now = read_cgroup_usage(limit.folder, limit.v2, 2 * reserve);
    if (!now.usage || !now.limit) continue;
    const reports::Bytes held = *now.usage - std::min(*now.usage, now.reclaimable_file.value_or(0));
    check(&limit, *now.limit - std::min(*now.limit, held), *now.limit);
  }
  const double seconds = static_cast<double>(std::min(headroom, 64 * kGiB)) / static_cast<double>(kBytesPerSecond);
  next_ns_ = now_ns + std::clamp(static_cast<uint64_t>(seconds * 1e9), kSoonestNs, kLatestNs);
  return alarm;
}

}  // namespace weighbridge
