#include "harness/probe/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "harness/probe/limits.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

// The value of `key` in a text of KEY=VALUE or KEY : VALUE lines, without blanks and quotes around it.
std::string value_of(const ProcText& text, std::string_view key, char separator) {
  if (!text.text) return {};
  std::istringstream lines(*text.text);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find(separator);
    if (at == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const size_t first = line.find_first_not_of(" \t\"", at + 1), last = line.find_last_not_of(" \t\"");
    return first == std::string::npos ? std::string() : line.substr(first, last - first + 1);
  }
  return {};
}

// "always [madvise] never" -> "madvise"
std::string chosen(const ProcText& text) {
  if (!text.text) return {};
  const size_t first = text.text->find('['), last = text.text->find(']');
  return first < last && last != std::string::npos ? text.text->substr(first + 1, last - first - 1) : std::string();
}

}  // namespace

reports::Machine describe_machine() {
  reports::Machine machine;
  utsname system{};
  if (uname(&system) == 0) {
    machine.hostname = system.nodename;
    machine.kernel = fmt::format("{} {}", system.sysname, system.release);
  }
  machine.distribution = value_of(read_proc("/etc/os-release"), "PRETTY_NAME", '=');
  machine.cpu = value_of(read_proc("/proc/cpuinfo"), "model name", ':');
  machine.cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  machine.page_bytes = static_cast<reports::Bytes>(sysconf(_SC_PAGESIZE));
  const ProcText meminfo = read_proc("/proc/meminfo");
  const auto memory = [&](const char* key) {
    return meminfo.text ? number_after(*meminfo.text, key).value_or(0) * 1024 : 0;
  };
  machine.memory_bytes = memory("MemTotal:");
  machine.available_bytes = memory("MemAvailable:");
  machine.swap_bytes = memory("SwapTotal:");
  machine.swap_free_bytes = memory("SwapFree:");
  if (!meminfo.text) machine.unavailable["memory_bytes"] = meminfo.reason;
  const ProcText thp = read_proc("/sys/kernel/mm/transparent_hugepage/enabled");
  machine.thp = chosen(thp);
  if (machine.thp.empty()) machine.unavailable["thp"] = thp.text ? "no mode is marked as chosen" : thp.reason;
  machine.limits = find_limits();
  return machine;
}

reports::Bytes counter_error_bytes(int cpus, int kernel_major, int kernel_minor, const reports::Figure& measured_lag,
                                   std::string& source) {
  constexpr reports::Bytes kPage = 4096;
  if (measured_lag == uint64_t{0}) {
    source = "512 pages touched one by one, each seen at once: this kernel sums its counters when asked";
    return 0;
  }
  const bool per_cpu = kernel_major > 6 || (kernel_major == 6 && kernel_minor >= 2);
  const reports::Bytes pages = per_cpu ? static_cast<reports::Bytes>(cpus) * std::max(32, 2 * cpus) : 64;
  source =
      fmt::format("{} ({})", per_cpu ? "per-CPU counters: CPUs x max(32, 2 x CPUs) pages" : "64 cached events a thread",
                  measured_lag ? fmt::format("seen: {} bytes", *measured_lag) : "not tested here");
  return std::max(pages * kPage, measured_lag.value_or(0));
}

}  // namespace weighbridge
