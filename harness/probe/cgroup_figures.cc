// What the kernel counts for the trial's own cgroup: usage and its split, refaults, how often the limit was hit, and
// stalls. Usage includes page cache that the trial was the first to read; refaults are the kernel's own count of pages
// that were taken back and had to be read again.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "harness/probe/cgroup.h"
#include "harness/probe/probe.h"

namespace weighbridge {
namespace {

class CgroupFigures : public Probe {
 public:
  CgroupFigures(std::string folder, bool v2) : folder_(std::move(folder)), v2_(v2) {}

  void begin(pid_t) override { base_ = read_cgroup(folder_, v2_); }

  void end(pid_t, reports::Phase& phase, reports::Reasons& unavailable) override {
    const CgroupReading now = read_cgroup(folder_, v2_);
    const auto level = [&](const char* name, reports::Figure& to, const reports::Figure& value) {
      to = value;
      if (!value) unavailable[name] = fmt::format("this kernel's cgroup {} does not tell it", v2_ ? "v2" : "v1");
    };
    const auto growth = [&](const char* name, reports::Figure& to, const reports::Figure& before,
                            const reports::Figure& after) {
      level(name, to, before && after ? reports::Figure(*after - std::min(*after, *before)) : std::nullopt);
    };
    level("cgroup_usage_bytes", phase.cgroup_usage_bytes, now.usage);
    level("cgroup_anon_bytes", phase.cgroup_anon_bytes, now.anon);
    level("cgroup_file_bytes", phase.cgroup_file_bytes, now.file);
    level("cgroup_shmem_bytes", phase.cgroup_shmem_bytes, now.shmem);
    level("cgroup_kernel_bytes", phase.cgroup_kernel_bytes, now.kernel);
    growth("refault_file_pages", phase.refault_file_pages, base_.refault_file, now.refault_file);
    growth("refault_anon_pages", phase.refault_anon_pages, base_.refault_anon, now.refault_anon);
    growth("limit_hits", phase.limit_hits, base_.limit_hits, now.limit_hits);
    growth("cgroup_psi_some_ns", phase.cgroup_psi_some_ns, base_.psi_some_ns, now.psi_some_ns);
    growth("cgroup_psi_full_ns", phase.cgroup_psi_full_ns, base_.psi_full_ns, now.psi_full_ns);
  }

 private:
  const std::string folder_;
  const bool v2_;
  CgroupReading base_;
};

}  // namespace

std::unique_ptr<Probe> cgroup_probe(const std::string& folder, bool v2) {
  return std::make_unique<CgroupFigures>(folder, v2);
}

}  // namespace weighbridge
