#include "harness/run/oom_witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "harness/probe/procfs.h"
#include "reports/units.h"

namespace weighbridge {
namespace {

// Processes that the out-of-memory killer has killed since boot, for whichever limit.
reports::Figure machine_kills() {
  const ProcText vmstat = read_proc("/proc/vmstat");
  const auto kills = vmstat.text ? number_after(*vmstat.text, "oom_kill") : std::nullopt;
  return kills ? reports::Figure(*kills) : std::nullopt;
}

bool rose(const reports::Figure& before, const reports::Figure& after) {
  return before && after && *after > *before;
}

void testify(std::vector<reports::Evidence>& evidence, std::string source, const char* counter,
             const reports::Figure& before, const reports::Figure& after) {
  if (!before || !after) return;
  evidence.push_back({std::move(source),
                      fmt::format("{} was {} and is {}", counter, *before, *after),
                      {{fmt::format("{}_before", counter), *before}, {fmt::format("{}_after", counter), *after}}});
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

reports::Evidence lines_of(const OomLines& kill) {
  reports::Evidence evidence{"kernel log", kill.text, {}};
  const auto add = [&](const char* name, const reports::Figure& bytes) {
    if (bytes) evidence.figures.emplace_back(name, *bytes);
  };
  add("anon_rss_bytes", kill.anon_rss_bytes);
  add("file_rss_bytes", kill.file_rss_bytes);
  add("shmem_rss_bytes", kill.shmem_rss_bytes);
  add("page_table_bytes", kill.page_table_bytes);
  return evidence;
}

}  // namespace

OomWitness::OomWitness(const Cage* cage) : cage_(cage), machine_before_(machine_kills()) {
  std::string reason;
  if (cage_ != nullptr) {
    counted_in_ = cage_->folder();
    v2_ = cage_->v2();
  } else if (const auto around = memory_hierarchy(reason)) {
    counted_in_ = around->folder(around->own);
    v2_ = around->v2;
  }
  if (!counted_in_.empty()) before_ = read_cgroup(counted_in_, v2_);
  for (const CgroupLimit& limit : cgroup_limits()) above_.push_back({limit, read_cgroup(limit.folder, limit.v2)});
}

OomWitness::Account OomWitness::account(pid_t pid) {
  Account account;
  const reports::Figure machine_after = machine_kills();
  const bool machine_rose = rose(machine_before_, machine_after);
  const CgroupReading after = counted_in_.empty() ? CgroupReading() : read_cgroup(counted_in_, v2_);
  const bool counted = before_.oom_kill && after.oom_kill, counter_rose = rose(before_.oom_kill, after.oom_kill);
  testify(account.evidence,
          fmt::format("{} of {}", v2_ ? "memory.events" : "memory.oom_control",
                      cage_ != nullptr ? "the cage" : "the cgroup around"),
          "oom_kill", before_.oom_kill, after.oom_kill);

  // The kernel's pid is another one inside a PID namespace; the cage's name is the same everywhere.
  const std::string cage_name = cage_ == nullptr ? std::string() : last_part(cage_->folder());
  const OomLines* ours = nullptr;
  std::vector<OomLines> kills;
  for (int tries = 0; tries < 50 && ours == nullptr; ++tries) {
    for (OomLines& kill : log_.new_kills()) kills.push_back(std::move(kill));
    for (const OomLines& kill : kills) {
      if (kill.pid == pid || (!cage_name.empty() && last_part(kill.victim_in) == cage_name)) ours = &kill;
    }
    if (!log_.readable() || !(counter_rose || machine_rose)) break;
    if (ours != nullptr && ours->anon_rss_bytes) break;  // both lines are there
    ours = nullptr;
    const timespec pause{0, 1'000'000};  // the second line is written a moment after the kill
    nanosleep(&pause, nullptr);
  }
  if (ours != nullptr) {
    account.evidence.push_back(lines_of(*ours));
  } else {
    account.evidence.push_back(
        {"kernel log", log_.readable() ? "has no line about this process" : "cannot be read: " + log_.reason(), {}});
  }
  testify(account.evidence, "/proc/vmstat, the whole machine", "oom_kill", machine_before_, machine_after);

  // The log names the process; the cage's counter is about nobody else; the counter of a cgroup around may be about
  // another process in it, and the machine's about anybody: these two count only where nothing better speaks.
  account.killed = ours != nullptr || (cage_ != nullptr && counter_rose) ||
                   (cage_ == nullptr && !log_.readable() && (counted ? counter_rose : machine_rose));
  if (!account.killed) return account;

  const std::string cage_limit =
      cage_ != nullptr && after.limit ? fmt::format("the cage's limit of {}", reports::human(*after.limit)) : "";
  if (ours != nullptr && !ours->constraint.empty()) {
    if (ours->limit_of.empty()) {
      account.whose = "the whole machine's memory";
    } else if (!cage_name.empty() && last_part(ours->limit_of) == cage_name) {
      account.whose = cage_limit;
    } else {
      account.whose = "the limit of cgroup " + ours->limit_of;
      const auto size = std::find_if(above_.begin(), above_.end(), [&](const Above& above) {
        return above.limit.path == ours->limit_of && above.limit.file != "memory.high";
      });
      if (size != above_.end()) account.whose += ", " + reports::human(size->limit.bytes) + ",";
    }
  }
  if (account.whose.empty() && cage_ != nullptr && after.limit) {
    // Version 2 counts `oom` for the limit itself; version 1 has the failures and the peak at the limit, which a cgroup
    // above that only reclaims page cache has as well: so the nearest one that was reached is named.
    const bool own = cage_->v2() ? rose(before_.oom, after.oom)
                                 : rose(before_.limit_hits, after.limit_hits) && after.peak &&
                                       *after.peak + (1u << 20) >= *after.limit;
    if (own) account.whose = cage_limit;
  }
  for (const Above& above : above_) {
    const CgroupReading now = read_cgroup(above.limit.folder, above.limit.v2);
    const std::string source =
        fmt::format("{} of cgroup {}", above.limit.v2 ? "memory.events.local" : "memory.failcnt", above.limit.path);
    const auto& before = above.limit.v2 ? above.before.oom : above.before.limit_hits;
    const auto& then = above.limit.v2 ? now.oom : now.limit_hits;
    if (!rose(before, then)) continue;
    testify(account.evidence, source, above.limit.v2 ? "oom" : "failcnt", before, then);
    if (account.whose.empty()) {
      account.whose = fmt::format("the limit of cgroup {}, {},", above.limit.path, reports::human(above.limit.bytes));
    }
  }
  return account;
}

}  // namespace weighbridge
