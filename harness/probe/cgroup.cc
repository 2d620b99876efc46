#include "harness/probe/cgroup.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
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

std::optional<CgroupHierarchy> hierarchy(bool v2) {
  const auto mount = cgroup_mount(v2);
  const auto cgroup = own_cgroup(v2);
  if (!mount || !cgroup) return std::nullopt;
  CgroupHierarchy found{v2, mount->point, *cgroup};
  // In a container the mount shows the container's own cgroup as its root, or (without a cgroup namespace) the path
  // lies outside of what can be seen: then the mount point is looked at.
  if (mount->root != "/")
    found.own = found.own.rfind(mount->root, 0) == 0 ? found.own.substr(mount->root.size()) : std::string();
  if (found.own == "/") found.own.clear();
  return found;
}

// The first number of a file; nullopt for "max", and for v1's way to say it: the largest page-aligned number.
reports::Figure number_in(const std::string& path) {
  const ProcText text = read_proc(path);
  if (!text.text || text.text->empty() || text.text->front() < '0' || text.text->front() > '9') return std::nullopt;
  const uint64_t number = std::strtoull(text.text->c_str(), nullptr, 10);
  return number < (uint64_t{1} << 62) ? reports::Figure(number) : std::nullopt;
}

reports::Figure of(const ProcText& text, const char* key) {
  if (!text.text) return std::nullopt;
  const auto number = number_after(*text.text, key);
  return number ? reports::Figure(*number) : std::nullopt;
}

reports::Figure sum_of(std::initializer_list<reports::Figure> parts) {
  uint64_t sum = 0;
  for (const reports::Figure& part : parts) {
    if (!part) return std::nullopt;
    sum += *part;
  }
  return sum;
}

void read_v2(const std::string& folder, CgroupReading& reading) {
  reading.usage = number_in(folder + "/memory.current");
  reading.peak = number_in(folder + "/memory.peak");
  reading.limit = number_in(folder + "/memory.max");
  reading.swap_peak = number_in(folder + "/memory.swap.peak");
  const ProcText stat = read_proc(folder + "/memory.stat");
  reading.anon = of(stat, "anon");
  reading.file = of(stat, "file");
  reading.shmem = of(stat, "shmem");
  reading.reclaimable_file = sum_of({of(stat, "inactive_file"), of(stat, "active_file")});
  reading.kernel = of(stat, "kernel");  // Linux 5.18
  if (!reading.kernel) reading.kernel = sum_of({of(stat, "kernel_stack"), of(stat, "pagetables"), of(stat, "slab")});
  reading.refault_file = of(stat, "workingset_refault_file");
  reading.refault_anon = of(stat, "workingset_refault_anon");
  const ProcText events = read_proc(folder + "/memory.events");
  reading.limit_hits = of(events, "max");
  reading.oom_kill = of(events, "oom_kill");
  // `oom` of the limit of this cgroup alone, not of one below it.
  const ProcText local = read_proc(folder + "/memory.events.local");
  reading.oom = of(local.text ? local : events, "oom");
  const ProcText pressure = read_proc(folder + "/memory.pressure");
  reading.psi_some_ns = stall_ns(pressure, "some");
  reading.psi_full_ns = stall_ns(pressure, "full");
}

void read_v1(const std::string& folder, CgroupReading& reading) {
  reading.usage = number_in(folder + "/memory.usage_in_bytes");
  reading.peak = number_in(folder + "/memory.max_usage_in_bytes");
  reading.limit = number_in(folder + "/memory.limit_in_bytes");
  const ProcText stat = read_proc(folder + "/memory.stat");
  reading.anon = of(stat, "total_rss");
  reading.file = of(stat, "total_cache");
  reading.shmem = of(stat, "total_shmem");
  reading.reclaimable_file = sum_of({of(stat, "total_inactive_file"), of(stat, "total_active_file")});
  reading.kernel = number_in(folder + "/memory.kmem.usage_in_bytes");
  reading.refault_file = of(stat, "total_workingset_refault_file");
  reading.refault_anon = of(stat, "total_workingset_refault_anon");
  reading.limit_hits = number_in(folder + "/memory.failcnt");
  reading.oom_kill = of(read_proc(folder + "/memory.oom_control"), "oom_kill");
}

}  // namespace

std::optional<CgroupHierarchy> memory_hierarchy(std::string& reason) {
  if (auto v2 = hierarchy(true)) {
    const ProcText controllers = read_proc(v2->folder(v2->own) + "/cgroup.controllers");
    if (controllers.text && (" " + *controllers.text).find(" memory") != std::string::npos) return v2;
    reason = "the memory controller is not enabled for cgroup " + (v2->own.empty() ? "/" : v2->own);
  }
  if (auto v1 = hierarchy(false)) return v1;
  if (reason.empty()) reason = "no cgroup hierarchy is mounted here";
  return std::nullopt;
}

std::vector<std::string> upwards(const std::string& path) {
  std::vector<std::string> paths;
  for (std::string at = path; !at.empty() && at != "/"; at.resize(at.rfind('/'))) paths.push_back(at);
  paths.emplace_back();
  return paths;
}

CgroupReading read_cgroup(const std::string& folder, bool v2) {
  CgroupReading reading;
  v2 ? read_v2(folder, reading) : read_v1(folder, reading);
  return reading;
}

CgroupReading read_cgroup_usage(const std::string& folder, bool v2, reports::Bytes near) {
  CgroupReading reading;
  reading.usage = number_in(folder + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
  reading.limit = number_in(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  if (reading.usage && reading.limit && *reading.usage + near > *reading.limit) {
    const ProcText stat = read_proc(folder + "/memory.stat");
    reading.reclaimable_file = v2 ? sum_of({of(stat, "inactive_file"), of(stat, "active_file")})
                                  : sum_of({of(stat, "total_inactive_file"), of(stat, "total_active_file")});
  }
  return reading;
}

bool is_limited(const std::string& folder) {
  constexpr const char* kFiles[] = {"/memory.max", "/memory.high", "/memory.swap.max"};
  return std::any_of(std::begin(kFiles), std::end(kFiles),
                     [&](const char* file) { return number_in(folder + file).has_value(); });
}

// Both hierarchies, as a machine in the middle of moving from one to the other may have limits in each. The root cgroup
// of version 2 has no memory files at all.
std::vector<CgroupLimit> cgroup_limits() {
  std::vector<CgroupLimit> limits;
  for (const bool v2 : {true, false}) {
    const auto found = hierarchy(v2);
    if (!found) continue;
    // Above memory.high nothing is killed: the kernel reclaims and throttles until a load crawls. It bites all the
    // same.
    const std::vector<const char*> files =
        v2 ? std::vector{"memory.max", "memory.high"} : std::vector{"memory.limit_in_bytes"};
    for (const std::string& path : upwards(found->own)) {
      for (const char* file : files) {
        const auto bytes = number_in(found->folder(path) + "/" + file);
        if (bytes) limits.push_back({path.empty() ? "/" : path, found->folder(path), file, v2, *bytes});
      }
    }
  }
  return limits;
}

reports::Figure swap_left(const CgroupLimit& cgroup) {
  const bool top = cgroup.path == "/";
  const std::string point = top ? cgroup.folder : cgroup.folder.substr(0, cgroup.folder.size() - cgroup.path.size());
  reports::Figure least;
  for (const std::string& path : upwards(top ? std::string() : cgroup.path)) {
    const std::string folder = point + path;
    // Version 1 counts memory and swap together: what is left of both.
    const auto most = number_in(folder + (cgroup.v2 ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes"));
    const auto used = number_in(folder + (cgroup.v2 ? "/memory.swap.current" : "/memory.memsw.usage_in_bytes"));
    if (!most || !used) continue;
    const reports::Bytes left = *most - std::min(*most, *used);
    if (!least || left < *least) least = left;
  }
  return least;
}

}  // namespace weighbridge
