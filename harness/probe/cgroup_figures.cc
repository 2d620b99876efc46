#include "harness/probe/cgroup_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weighbridge {
namespace {

struct Level {  // held at a moment
  const char* name;
  reports::Figure reports::Phase::*to;
  reports::Figure CgroupReading::*of;
};
constexpr Level kLevels[] = {
    {"cgroup_usage_bytes", &reports::Phase::cgroup_usage_bytes, &CgroupReading::usage},
    {"cgroup_anon_bytes", &reports::Phase::cgroup_anon_bytes, &CgroupReading::anon},
    {"cgroup_file_bytes", &reports::Phase::cgroup_file_bytes, &CgroupReading::file},
    {"cgroup_shmem_bytes", &reports::Phase::cgroup_shmem_bytes, &CgroupReading::shmem},
    {"cgroup_kernel_bytes", &reports::Phase::cgroup_kernel_bytes, &CgroupReading::kernel},
};
constexpr Level kCounts[] = {
    // over the phase
    {"refault_file_pages", &reports::Phase::refault_file_pages, &CgroupReading::refault_file},
    {"refault_anon_pages", &reports::Phase::refault_anon_pages, &CgroupReading::refault_anon},
    {"limit_hits", &reports::Phase::limit_hits, &CgroupReading::limit_hits},
    {"cgroup_psi_some_ns", &reports::Phase::cgroup_psi_some_ns, &CgroupReading::psi_some_ns},
    {"cgroup_psi_full_ns", &reports::Phase::cgroup_psi_full_ns, &CgroupReading::psi_full_ns},
};

}  // namespace

CgroupProbe::CgroupProbe(std::string folder, bool v2) : folder_(std::move(folder)), v2_(v2) {}

void CgroupProbe::begin(pid_t) {
  base_ = read_cgroup(folder_, v2_);
}

void CgroupProbe::end(pid_t, reports::Phase& phase, reports::Reasons& unavailable) {
  const CgroupReading now = read_cgroup(folder_, v2_);
  for (const Level& level : kLevels) {
    phase.*level.to = now.*level.of;
    if (!(now.*level.of)) unavailable[level.name] = untold();
  }
  counts(now, phase, unavailable);
}

void CgroupProbe::ended_inside(reports::Phase& phase, reports::Reasons& unavailable) {
  for (const Level& level : kLevels) {
    unavailable.emplace(level.name, "the worker ended inside this phase, and what its cgroup held with it");
  }
  counts(read_cgroup(folder_, v2_), phase, unavailable);
}

void CgroupProbe::counts(const CgroupReading& now, reports::Phase& phase, reports::Reasons& unavailable) const {
  for (const Level& count : kCounts) {
    const reports::Figure &before = base_.*count.of, &after = now.*count.of;
    if (before && after) {
      phase.*count.to = *after - std::min(*after, *before);
    } else {
      unavailable[count.name] = untold();
    }
  }
}

std::string CgroupProbe::untold() const {
  return fmt::format("this kernel's cgroup {} does not tell it", v2_ ? "v2" : "v1");
}

}  // namespace weighbridge
