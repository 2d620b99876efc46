#include "harness/run/oom_witness.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

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

constexpr reports::Bytes kReached = 1 << 20;  // charges come in batches of pages

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

// Version 1 tells a listener when a cgroup is out of memory, or one above it; not when one below it is.
OomEvent::OomEvent(const std::string& folder, bool v2) {
  if (v2) return;
  Descriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const Descriptor control(open((folder + "/memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC));
  if (!event || !control) return;
  const std::string words = fmt::format("{} {}", event.get(), control.get());
  if (write_proc(folder + "/cgroup.event_control", words).empty()) event_ = std::move(event);
}

std::optional<bool> OomEvent::happened() const {
  if (!event_) return std::nullopt;
  uint64_t times = 0;
  return read(event_.get(), &times, sizeof(times)) == sizeof(times) && times > 0;
}

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
  for (const CgroupLimit& limit : cgroup_limits()) {
    above_.push_back({limit, read_cgroup(limit.folder, limit.v2), OomEvent(limit.folder, limit.v2)});
  }
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
  std::optional<OomLines> ours;
  for (int tries = 0; tries < 50; ++tries) {
    for (OomLines& kill : log_.kills()) {
      if (kill.pid == pid || (!cage_name.empty() && last_part(kill.victim_in) == cage_name)) ours = std::move(kill);
    }
    // The first line is left out where there were more than ten kills in five seconds; the second is always there.
    const bool whole = ours && ours->anon_rss_bytes;
    if (!log_.readable() || whole || !(counter_rose || machine_rose)) break;
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  if (ours) {
    account.evidence.push_back(lines_of(*ours));
  } else {
    account.evidence.push_back(
        {"kernel log", log_.readable() ? "has no line about this process" : "cannot be read: " + log_.reason(), {}});
  }
  testify(account.evidence, "/proc/vmstat, the whole machine", "oom_kill", machine_before_, machine_after);

  // The log names the process; the cage's counter is about nobody else; the counter of a cgroup around may be about
  // another process in it, and the machine's about anybody: these two count only where nothing better speaks.
  account.killed = ours.has_value() || (cage_ != nullptr && counter_rose) ||
                   (cage_ == nullptr && !log_.readable() && (counted ? counter_rose : machine_rose));
  if (!account.killed) return account;

  const std::string cage_limit =
      cage_ != nullptr && after.limit ? fmt::format("the cage's limit of {}", reports::human(*after.limit)) : "";
  if (ours && !ours->constraint.empty()) {
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
  // Without the log's word: version 2 counts `oom` for the limit that it is of; of version 1 a cgroup above tells when
  // it was out of memory itself, where it may be listened to. Failed charges alone say little: reclaim causes them,
  // too.
  bool above_may_be = false;
  for (const Above& above : above_) {
    const CgroupReading now = read_cgroup(above.limit.folder, above.limit.v2);
    const bool v2 = above.limit.v2;
    const auto& before = v2 ? above.before.oom : above.before.limit_hits;
    const auto& then = v2 ? now.oom : now.limit_hits;
    const auto event = above.event.happened();
    if (event ? !*event : !rose(before, then)) continue;
    const std::string of =
        fmt::format("the limit of cgroup {}, {},", above.limit.path, reports::human(above.limit.bytes));
    testify(account.evidence,
            fmt::format("{} of cgroup {}", v2 ? "memory.events.local" : "memory.failcnt", above.limit.path),
            v2 ? "oom" : "failcnt", before, then);
    if (event)
      account.evidence.push_back({"memory.oom_control of cgroup " + above.limit.path, "was out of memory", {}});
    if (account.whose.empty() && (v2 || event)) account.whose = of;
    above_may_be = above_may_be || !(v2 || event);
  }
  if (account.whose.empty() && !cage_limit.empty()) {
    const bool reached = v2_ ? rose(before_.oom, after.oom)
                             : rose(before_.limit_hits, after.limit_hits) && after.peak && after.limit &&
                                   *after.peak + kReached >= *after.limit;
    if (reached) account.whose = cage_limit + (above_may_be ? ", or that of a cgroup above it," : "");
  }
  account.log = std::move(ours);
  return account;
}

}  // namespace weighbridge
