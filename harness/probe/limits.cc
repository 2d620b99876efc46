#include "harness/probe/limits.h"

#include <sys/resource.h>

#include <algorithm>

#include "harness/probe/cgroup.h"
#include "harness/probe/procfs.h"

namespace weighbridge {
namespace {

void add_resource_limit(decltype(RLIMIT_AS) resource, const char* name, const char* bounds,
                        std::vector<reports::Limit>& limits) {
  rlimit limit{};
  if (getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    limits.push_back({name, limit.rlim_cur, bounds});
}

}  // namespace

std::vector<reports::Limit> find_limits() {
  using reports::Limit;
  std::vector<Limit> limits;
  for (const CgroupLimit& limit : cgroup_limits()) {
    limits.push_back({"cgroup " + limit.path + " (" + limit.file + ")", limit.bytes, Limit::kBoundsMemory});
  }
  add_resource_limit(RLIMIT_AS, "ulimit -v (address space, mappings included)", Limit::kBoundsAddressSpace, limits);
  add_resource_limit(RLIMIT_DATA, "ulimit -d (data segment)", Limit::kBoundsMemory, limits);
  add_resource_limit(RLIMIT_MEMLOCK, "ulimit -l (locked memory)", Limit::kBoundsLocked, limits);
  const ProcText meminfo = read_proc("/proc/meminfo");
  if (meminfo.text) {
    const auto available = number_after(*meminfo.text, "MemAvailable:");
    if (available) limits.push_back({"available memory (MemAvailable)", *available * 1024, Limit::kBoundsMemory});
    // Where the kernel promises no more than it can keep, an allocation is refused once the promises are used up.
    const ProcText mode = read_proc("/proc/sys/vm/overcommit_memory");
    const auto most = number_after(*meminfo.text, "CommitLimit:"),
               promised = number_after(*meminfo.text, "Committed_AS:");
    if (mode.text && mode.text->rfind('2', 0) == 0 && most && promised) {
      limits.push_back({"memory still to be promised (CommitLimit - Committed_AS, overcommit_memory 2)",
                        (*most - std::min(*most, *promised)) * 1024, Limit::kBoundsMemory});
    }
  }
  std::stable_sort(limits.begin(), limits.end(), [](const Limit& a, const Limit& b) { return a.bytes < b.bytes; });
  return limits;
}

}  // namespace weighbridge
