#include "harness/probe/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

struct Mount {
  std::string point, root;  // where the hierarchy is mounted, and which of its cgroups is seen there
};

// mountinfo writes blanks, tabs, newlines and backslashes of a path as \040 and so on.
std::string unescaped(const std::string& text) {
  std::string path;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      path += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
      at += 3;
    } else {
      path += text[at];
    }
  }
  return path;
}

// The mount of cgroup v2, or of v1's memory controller, from /proc/self/mountinfo.
std::optional<Mount> cgroup_mount(bool v2) {
  const ProcText mounts = read_proc("/proc/self/mountinfo");
  if (!mounts.text) return std::nullopt;
  std::istringstream lines(*mounts.text);
  for (std::string line; std::getline(lines, line);) {
    // ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line.substr(0, dash)), right(line.substr(dash + 3));
    std::string id, parent, device, root, point, type, source, options;
    left >> id >> parent >> device >> root >> point;
    right >> type >> source >> options;
    const bool memory_controller = ("," + options + ",").find(",memory,") != std::string::npos;
    if (v2 ? type == "cgroup2" : type == "cgroup" && memory_controller) return Mount{unescaped(point), unescaped(root)};
  }
  return std::nullopt;
}

// This process's cgroup in the hierarchy, from /proc/self/cgroup: "0::/a/b" (v2), "4:memory:/a/b" (v1).
std::optional<std::string> own_cgroup(bool v2) {
  const ProcText cgroups = read_proc("/proc/self/cgroup");
  if (!cgroups.text) return std::nullopt;
  std::istringstream lines(*cgroups.text);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (v2 ? line.substr(0, first) == "0" : controllers.find(",memory,") != std::string::npos)
      return line.substr(second + 1);
  }
  return std::nullopt;
}

// From the process's own cgroup up to what is mounted. In a container the mount shows the container's own cgroup as its
// root, or (without a cgroup namespace) the path lies outside of what can be seen: then the mount point is looked at.
void add_cgroup_limits(bool v2, std::vector<reports::Limit>& limits) {
  const auto mount = cgroup_mount(v2);
  const auto cgroup = own_cgroup(v2);
  if (!mount || !cgroup) return;
  std::string path = *cgroup;
  if (mount->root != "/") path = path.rfind(mount->root, 0) == 0 ? path.substr(mount->root.size()) : "/";
  const std::vector<const char*> files =
      v2 ? std::vector{"memory.max", "memory.high"} : std::vector{"memory.limit_in_bytes"};
  for (bool top = false; !top;) {
    top = path.empty() || path == "/";
    // Above memory.high nothing is killed: the kernel reclaims and throttles until a load crawls. It bites all the
    // same.
    for (const char* file : files) {
      const ProcText text = read_proc(mount->point + (top ? "" : path) + "/" + file);
      if (!text.text || text.text->rfind("max", 0) == 0) continue;
      const uint64_t bytes = std::strtoull(text.text->c_str(), nullptr, 10);
      // v1 writes "no limit" as the largest page-aligned number.
      if (bytes < (uint64_t{1} << 62))
        limits.push_back({std::string("cgroup ") + (top ? "/" : path) + " (" + file + ")", bytes});
    }
    if (!top) path.resize(path.rfind('/'));
  }
}

void add_resource_limit(decltype(RLIMIT_AS) resource, const char* name, std::vector<reports::Limit>& limits) {
  rlimit limit{};
  if (getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) limits.push_back({name, limit.rlim_cur});
}

}  // namespace

std::vector<reports::Limit> find_limits() {
  std::vector<reports::Limit> limits;
  add_cgroup_limits(true, limits);
  add_cgroup_limits(false, limits);
  // Not RLIMIT_AS: it bounds address space, mappings included, and cannot be compared with a need.
  add_resource_limit(RLIMIT_DATA, "ulimit -d (data segment)", limits);
  const ProcText meminfo = read_proc("/proc/meminfo");
  if (meminfo.text) {
    const auto available = number_after(*meminfo.text, "MemAvailable:");
    if (available) limits.push_back({"available memory (MemAvailable)", *available * 1024});
  }
  std::stable_sort(limits.begin(), limits.end(),
                   [](const reports::Limit& a, const reports::Limit& b) { return a.bytes < b.bytes; });
  return limits;
}

}  // namespace weighbridge
