// The memory controller's cgroups: where this process stands in the hierarchy, and what a cgroup's files say.
//
// Version 2 and version 1 name the same things differently, and both are common: a machine that mounts version 2 may
// still have its memory controller on version 1. Everything above reads one `CgroupReading` and need not know.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge {

// One mounted hierarchy that has a memory controller.
struct CgroupHierarchy {
  bool v2 = false;
  std::string point;  // where it is mounted
  std::string own;    // this process's cgroup below the mount point: "/a/b"; empty at the top of what can be seen
  // The folder of a path below the point; of "" the top.
  std::string folder(const std::string& path) const { return point + path; }
};

// The one whose memory controller this process is under: nullopt where there is none, as on a kernel without one, or in
// a container that mounts no cgroupfs. `reason` says which.
std::optional<CgroupHierarchy> memory_hierarchy(std::string& reason);

// The process's own cgroup and all above it, up to the top: "/a/b", "/a", "".
std::vector<std::string> upwards(const std::string& path);

// What the files of one cgroup say now. Bytes, pages, counts, nanoseconds; nullopt where the kernel has no such file or
// line. Counters begin with the cgroup.
struct CgroupReading {
  reports::Figure usage, peak;        // memory.current, memory.peak (Linux 5.19) | memory.usage_in_bytes, max_usage
  reports::Figure limit;              // nullopt also where there is none
  reports::Figure swap_peak;          // memory.swap.peak (Linux 6.5)
  reports::Figure anon, file, shmem;  // of memory.stat; with all below it
  reports::Figure reclaimable_file;   // file pages on the lists that reclaim takes from
  reports::Figure kernel;             // page tables, stacks, slab | memory.kmem.usage_in_bytes
  reports::Figure refault_file, refault_anon;
  reports::Figure limit_hits;     // memory.events max | memory.failcnt
  reports::Figure oom, oom_kill;  // of this cgroup's own limit; its processes killed, for whichever limit
  reports::Figure psi_some_ns, psi_full_ns;
};

CgroupReading read_cgroup(const std::string& folder, bool v2);
// usage, limit and reclaimable_file alone: cheap enough for a guard. The last is read only where `near` the limit.
CgroupReading read_cgroup_usage(const std::string& folder, bool v2, reports::Bytes near);

// Whether a cgroup of version 2 bounds what is charged below it: memory.max, memory.high or memory.swap.max.
bool is_limited(const std::string& folder);

// The cgroups with a limit that this process is under, its own first: path, folder and limit.
struct CgroupLimit {
  std::string path, folder, file;
  bool v2 = false;
  reports::Bytes bytes = 0;
};
std::vector<CgroupLimit> cgroup_limits();
// Swap that this cgroup may still take, by its own limits and those above it; nullopt: no limit but the machine's swap.
reports::Figure swap_left(const CgroupLimit& cgroup);

}  // namespace weighbridge
