// The parent is one thread: it waits for the worker's next message, takes a sample whenever one is due, and reads all
// probes at a boundary, where the worker stands still. So no figure is ever read while another is, and nothing needs a
// lock.
#include "harness/run/trial_runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "harness/probe/cgroup_figures.h"
#include "harness/probe/clocks.h"
#include "harness/probe/probe.h"
#include "harness/probe/status.h"
#include "harness/run/ending.h"
#include "harness/run/interrupt.h"
#include "harness/run/oom_witness.h"
#include "harness/run/timeline.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kTickNs = 100'000'000;
constexpr uint64_t kWatchNs = 1'000'000;  // of a watched limit, with the sampler off

reports::Bytes overhead(reports::Bytes need, reports::Bytes weights, reports::Bytes staging) {
  return need > weights + staging ? need - weights - staging : 0;
}

reports::Split split_of(const NeedReading& reading) {
  return {
      reading.anon,    reading.shmem,   reading.file,    reading.swap,
      reading.hugetlb, reading.weights, reading.staging, overhead(reading.need(), reading.weights, reading.staging)};
}

reports::Split split_of(const Status& status, uint64_t weights, uint64_t staging) {
  return {status.anon,    status.shmem, status.file, status.swap,
          status.hugetlb, weights,      staging,     overhead(status.need(), weights, staging)};
}

// Everything that may fail or allocate is made before the worker is: nothing stands between starting and reaping it.
class TrialRun {
 public:
  TrialRun(const Job& job, const TrialSettings& settings, const Cage* cage,
           const std::function<void(const TrialProgress&)>& tick)
      : settings_(settings),
        tick_(tick),
        cage_(cage),
        witness_(cage),
        guard_(settings.guard),
        probes_(make_probes()),
        cgroup_(cage == nullptr ? nullptr : std::make_unique<CgroupProbe>(cage->folder(), cage->v2())),
        timeline_(settings.timeline_rows),
        worker_(job, worker_settings(settings, cage)),
        pid_(worker_.pid()),
        status_(pid_) {}

  // Until the worker has ended and is reaped.
  void run() {
    started_ns_ = monotonic_ns();
    next_sample_ns_ = started_ns_;
    uint64_t next_tick = started_ns_ + kTickNs;
    for (bool stream_ended = false;;) {
      const uint64_t now = monotonic_ns();
      supervise(now);
      if (now >= next_tick) {
        tick();
        next_tick = now + kTickNs;
      }
      uint64_t until = std::min(next_tick, guard_.next_look_ns());
      if (looks_at_worker()) until = std::min(until, next_sample_ns_);
      const uint64_t later = monotonic_ns();
      if (!worker_.wait(until > later ? until - later : 0, stream_ended)) continue;
      if (stream_ended) break;
      stream_ended = !handle_message();
    }
    ended_ns_ = monotonic_ns();
    ending_ = worker_.reap();
  }

  reports::Trial result(const reports::Cell& cell, const reports::Record& record) {
    const SharedPage& page = worker_.page();
    if (page.exec_errno == ENOMEM && page.could_not_enter == 0 && settings_.limits.memory_bytes) {
      trial_.verdict = reports::verdict::refused;
      trial_.reason = "the worker could not even be started within the limit (execve: Cannot allocate memory)";
      trial_.evidence.push_back({"execve", "Cannot allocate memory", {{"errno", ENOMEM}}});
    } else if (page.exec_errno != 0) {
      throw page.could_not_enter != 0
          ? system_error("write", cage_->folder() + "/cgroup.procs", page.exec_errno, ErrorKind::environment)
          : system_error("execve", settings_.worker.program, page.exec_errno, ErrorKind::environment);
    }
    const bool finished = trial_.phases.size() == kPhases;
    if (!ready_) {
      for (const char* figure : {"floor_bytes", "floor_file_bytes"}) {
        trial_.unavailable.emplace(figure, "the worker ended before it was ready");
      }
    } else if (!finished) {
      unfinished_phase();
    }
    trial_.reached = reached();
    trial_.timeline = timeline_.take();
    trial_.exit_status = ending_.exit_status;
    trial_.exit_signal = ending_.signal;
    if (page.checksum_known != 0) trial_.checksum = fmt::format("{:016x}", page.checksum.load());
    const size_t remarks = std::min<size_t>(page.remark_count.load(std::memory_order_acquire), page.remarks.size());
    for (size_t i = 0; i < remarks; ++i) {
      const PageRemark& said = page.remarks[i];
      trial_.remarks.push_back({{said.id.data(), strnlen(said.id.data(), said.id.size())},
                                {said.text.data(), strnlen(said.text.data(), said.text.size())},
                                said.bytes});
    }
    if (cage_ != nullptr) read_cage();
    if (trial_.verdict.empty()) {
      if (const auto kill = judge_ending(trial_, ending_, page, pid_, witness_, finished)) take_held_at_kill(*kill);
    }
    if (trial_.verdict.empty()) judge_figures(cell, record);
    return std::move(trial_);
  }

 private:
  static WorkerSettings worker_settings(const TrialSettings& settings, const Cage* cage) {
    WorkerSettings worker = settings.worker;
    worker.cage_entry = cage == nullptr ? -1 : cage->entry();
    return worker;
  }

  bool sampling() const { return ready_ && settings_.sample_interval_ns > 0; }
  bool watching() const { return ready_ && cage_ == nullptr && settings_.limits.memory_bytes; }
  bool looks_at_worker() const { return sampling() || watching(); }

  // What is due at this moment: to end the trial, to look at the machine, to take a sample.
  void supervise(uint64_t now) {
    if (interrupted()) stop(reports::verdict::interrupted, "the run was interrupted");
    if (settings_.timeout_ns && now - started_ns_ > *settings_.timeout_ns) {
      const std::string said =
          fmt::format("it had not ended after {:.3g} s", static_cast<double>(*settings_.timeout_ns) / 1e9);
      if (trial_.verdict.empty()) {
        trial_.evidence.push_back(
            {"clock", said, {{"timeout_ns", *settings_.timeout_ns}, {"ran_ns", now - started_ns_}}});
      }
      stop(reports::verdict::timed_out, said + at_what(worker_.page()));
    }
    if (auto alarm = guard_.look(now); alarm && trial_.verdict.empty()) {
      trial_.evidence = std::move(alarm->evidence);
      stop(reports::verdict::guard_stopped, std::move(alarm->reason));
    }
    if (!looks_at_worker() || now < next_sample_ns_) return;
    sample(now);
    // On the grid of the interval; what was missed while the machine was busy is not made up for.
    const uint64_t interval = sampling() ? settings_.sample_interval_ns : kWatchNs;
    next_sample_ns_ += ((monotonic_ns() - next_sample_ns_) / interval + 1) * interval;
  }

  // The limit of a cell where no cgroup could be made. Page tables count: a cgroup would charge them too.
  void watch(const Status& status) {
    const reports::Bytes limit = *settings_.limits.memory_bytes, held = status.anon + status.shmem + status.page_tables;
    if (held <= limit) return;
    trial_.evidence.push_back(
        {"/proc/PID/status",
         fmt::format("need without swap, and page tables: {} of {}", reports::human(held), reports::human(limit)),
         {{"held_bytes", held}, {"limit_bytes", limit}}});
    stop(reports::verdict::over_limit,
         fmt::format("ended once it held {} more than its limit of {}: this limit was watched, not held by a cgroup",
                     reports::human(held - limit), reports::human(limit)));
  }

  void stop(std::string_view verdict, std::string reason) {
    if (!trial_.verdict.empty()) return;
    trial_.verdict = verdict;
    trial_.reason = std::move(reason);
    worker_.kill();
  }

  // A process that was killed loses its memory first and becomes a zombie a moment later.
  bool is_ending() const {
    for (int tries = 0; tries < 500; ++tries) {
      if (worker_.has_ended()) return true;
      const timespec pause{0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
    return false;
  }

  // False at the worker's end.
  bool handle_message() {
    const auto message = worker_.receive();
    if (!message) return false;
    if (message->kind == Message::Kind::ready) {
      const auto floor = status_.read();
      if (!floor) {
        if (is_ending()) return true;  // killed right after it spoke: its end says the rest
        stop(reports::verdict::failed, "/proc/PID/status of the worker could not be read: nothing could be measured");
        return true;
      }
      trial_.floor_bytes = floor->need();
      trial_.floor_file_bytes = floor->file;
      ready_ = true;
      zero_ns_ = monotonic_ns();
    } else if (message->kind == Message::Kind::phase_end && message->phase == trial_.phases.size() &&
               message->phase < kPhases) {
      if (sampling()) sample(monotonic_ns());
      end_phase(static_cast<Phase>(message->phase));
    } else {
      stop(reports::verdict::failed, "the worker said something that makes no sense at this point");
      return true;
    }
    for (const auto& probe : probes_) probe->begin(worker_.pid());
    if (cgroup_) cgroup_->begin(worker_.pid());
    worker_.go();
    return true;
  }

  void sample(uint64_t now) {
    const SharedPage& page = worker_.page();
    const uint64_t weights = page.weights.load(std::memory_order_relaxed),
                   staging = page.staging.load(std::memory_order_relaxed);
    const auto status = status_.read();
    if (!status) return;
    if (watching() && trial_.verdict.empty()) watch(*status);
    if (!sampling()) return;
    timeline_.add(make_sample(now - zero_ns_, *status, weights, staging));
    // The split of a peak must be of one instant: the worker runs on while this reads.
    const bool stood_still = weights == page.weights.load(std::memory_order_relaxed) &&
                             staging == page.staging.load(std::memory_order_relaxed);
    if (stood_still && status->need() > sampled_peak_.need()) sampled_peak_ = split_of(*status, weights, staging);
    sampled_need_ = std::max(sampled_need_, status->need());
    sampled_file_peak_ = std::max(sampled_file_peak_, status->file);
    sampled_swap_peak_ = std::max(sampled_swap_peak_, status->swap);
    last_ = *status;
  }

  // What the shared page and the samples know of a phase, ended or not.
  reports::Phase phase_so_far(Phase which) {
    const PhasePage& page = worker_.page().phases[static_cast<size_t>(which)];
    reports::Phase phase;
    phase.name = name(which);
    phase.at_peak = sampled_peak_;
    if (const uint32_t slot = page.need_peak_slot.load(std::memory_order_acquire); slot < 2) {
      const reports::Split own = split_of(page.need_peak[slot]);
      if (own.need() >= sampled_peak_.need()) phase.at_peak = own;
    }
    phase.need_peak_bytes = std::max(phase.at_peak.need(), sampled_need_);
    phase.file_peak_bytes = std::max(page.file_peak.load(), sampled_file_peak_);
    phase.swap_peak_bytes = std::max(page.swap_peak.load(), sampled_swap_peak_);
    phase.heap_peak_bytes = {page.weights_peak, page.staging_peak,
                             std::max(page.overhead_peak.load(), phase.at_peak.overhead)};
    sampled_peak_ = {};
    sampled_need_ = sampled_file_peak_ = sampled_swap_peak_ = 0;
    trial_.phase_start_ns.emplace_back(phase.name, page.begin_wall_ns > zero_ns_ ? page.begin_wall_ns - zero_ns_ : 0);
    return phase;
  }

  void end_phase(Phase which) {
    const PhasePage& page = worker_.page().phases[static_cast<size_t>(which)];
    reports::Phase phase = phase_so_far(which);
    phase.wall_ns = page.end_wall_ns - page.begin_wall_ns;
    phase.cpu_ns = page.end_cpu_ns - page.begin_cpu_ns;
    for (const auto& probe : probes_) probe->end(worker_.pid(), phase, trial_.unavailable);
    if (cgroup_) cgroup_->end(worker_.pid(), phase, trial_.unavailable);
    constexpr const char* kPurposes[] = {"weights", "staging", "overhead"};
    for (size_t purpose = 0; purpose < 3; ++purpose) {
      const ArenaFigures& arena = page.arenas[purpose];
      if (arena.resident == 0 && arena.metadata == 0) continue;  // an allocator that does not count
      phase.allocator[kPurposes[purpose]] = {arena.allocated, arena.active, arena.resident, arena.retained,
                                             arena.metadata};
    }
    measured_cpu_ns_ += phase.cpu_ns;
    mark_is_per_phase_ = phase.peak_rss_bytes.has_value();
    last_.reset();  // it belongs to the phase that ended
    trial_.phases.push_back(std::move(phase));
  }

  // The worker ended inside a phase: what it had reached.
  void unfinished_phase() {
    const uint32_t index = worker_.page().phase;
    if (index >= kPhases || index < trial_.phases.size()) return;
    const PhasePage& page = worker_.page().phases[index];
    reports::Phase phase = phase_so_far(static_cast<Phase>(index));
    phase.wall_ns = page.begin_wall_ns > 0 ? ended_ns_ - page.begin_wall_ns : 0;
    // Its whole life's CPU time less the phases that ended; what it took to start is in it, some milliseconds.
    phase.cpu_ns = ending_.cpu_ns > measured_cpu_ns_ ? ending_.cpu_ns - measured_cpu_ns_ : 0;
    const char* ended = "the worker ended inside this phase, and its counters with it";
    if (cgroup_) cgroup_->ended_inside(phase, trial_.unavailable);
    if (last_) {
      phase.need_end_bytes = last_->need();
      phase.page_table_bytes = last_->page_tables;
      if (mark_is_per_phase_) phase.peak_rss_bytes = last_->high_water;  // as it stood at the last sample
    }
    for (const char* figure : {"minor_faults", "major_faults", "pss_bytes", "lazy_free_bytes", "system_swap_in_pages",
                               "system_swap_out_pages", "psi_some_ns", "psi_full_ns"}) {
      trial_.unavailable.emplace(figure, ended);
    }
    if (!phase.peak_rss_bytes) trial_.unavailable.emplace("peak_rss_bytes", ended);
    if (!last_) {
      for (const char* figure : {"need_end_bytes", "page_table_bytes"}) trial_.unavailable.emplace(figure, ended);
    }
    trial_.phases.push_back(std::move(phase));
  }

  // A worker that faults memory in grows by megabytes between two samples, and reads nothing of itself before it is
  // killed. What the kernel counted at that very moment counts where it is more.
  void take_held_at_kill(const OomLines& kill) {
    if (!kill.anon_rss_bytes || trial_.phases.empty() || trial_.phases.size() <= worker_.page().phase) return;
    reports::Split held;
    held.anon = *kill.anon_rss_bytes;
    held.shmem = kill.shmem_rss_bytes.value_or(0);
    held.file = kill.file_rss_bytes.value_or(0);
    held.swap = last_ ? last_->swap : 0;
    reports::Phase& last = trial_.phases.back();
    if (held.need() <= last.need_peak_bytes) return;
    held.weights = worker_.page().weights;
    held.staging = worker_.page().staging;
    held.overhead = overhead(held.need(), held.weights, held.staging);
    last.need_peak_bytes = held.need();
    last.at_peak = held;
    last.heap_peak_bytes.overhead = std::max(last.heap_peak_bytes.overhead, held.overhead);
  }

  std::string reached() const {
    if (trial_.phases.size() == kPhases) return name(Phase::release);
    const uint32_t index = worker_.page().phase;
    return index < kPhases ? name(static_cast<Phase>(index)) : "start";
  }

  // The cage after its last process: its counters are whole, and stay until it is removed.
  void read_cage() {
    if (access(cage_->folder().c_str(), F_OK) != 0 && trial_.verdict.empty()) {
      trial_.verdict = reports::verdict::failed;
      trial_.reason = "its cage was removed by somebody while it ran: " + cage_->folder();
    }
    const CgroupReading reading = cage_->read();
    trial_.cgroup_peak_bytes = reading.peak;
    trial_.cgroup_swap_peak_bytes = reading.swap_peak;
    const std::string kernel = fmt::format("this kernel's cgroup {} does not tell it", cage_->v2() ? "v2" : "v1");
    if (!reading.peak) trial_.unavailable.emplace("cgroup_peak_bytes", kernel);
    if (!reading.swap_peak) trial_.unavailable.emplace("cgroup_swap_peak_bytes", kernel);
  }

  void judge_figures(const reports::Cell& cell, const reports::Record& record) {
    if (trial_.checksum.empty()) {
      trial_.unavailable.emplace("checksum", "not every tensor was used in every pass");
    }
    const reports::Judgement judgement = reports::judge(trial_, record.checkpoint, cell, record.machine);
    trial_.verdict = judgement.verdict;
    trial_.reason = judgement.reason;
  }

  void tick() {
    if (!tick_) return;
    const SharedPage& page = worker_.page();
    const uint32_t phase = page.phase;
    const uint64_t to_use = page.bytes_to_use;
    // Half of the way is reading, half is using; a strategy that reads in `use` does both at once.
    tick_({phase < kPhases ? name(static_cast<Phase>(phase)) : "start",
           page.bytes_used + std::min<uint64_t>(page.bytes_read, to_use), 2 * to_use});
  }

  const TrialSettings& settings_;
  const std::function<void(const TrialProgress&)>& tick_;
  const Cage* const cage_;  // null: none could be made
  OomWitness witness_;
  Guard guard_;
  std::vector<std::unique_ptr<Probe>> probes_;
  std::unique_ptr<CgroupProbe> cgroup_;  // of the cage
  TimelineStore timeline_;
  WorkerProcess worker_;
  const pid_t pid_;
  StatusFile status_;
  reports::Trial trial_;
  Ending ending_;
  bool ready_ = false;
  uint64_t started_ns_ = 0, ended_ns_ = 0, next_sample_ns_ = 0;
  uint64_t zero_ns_ = 0;         // of the timeline
  reports::Split sampled_peak_;  // in the current phase
  uint64_t sampled_need_ = 0, sampled_file_peak_ = 0, sampled_swap_peak_ = 0;
  std::optional<Status> last_;      // the last sample of the current phase
  bool mark_is_per_phase_ = false;  // the kernel's high-water mark could be reset at the last boundary
  uint64_t measured_cpu_ns_ = 0;
};

}  // namespace

reports::Trial run_trial(const Job& job, const TrialSettings& settings, const reports::Cell& cell,
                         const reports::Record& record, const std::function<void(const TrialProgress&)>& tick) {
  std::optional<Cage> cage;
  if (settings.cages != nullptr && settings.cages->possible()) cage.emplace(settings.cages->make(settings.limits));
  const Cage* const inside = cage ? &*cage : nullptr;
  prepare_cache(settings.cache, settings.limits.memory_bytes ? inside : nullptr, record.checkpoint.file_bytes);
  reports::Reasons unavailable;
  const reports::Figure before = cached_of(settings.cache.files, "cached_before_bytes", unavailable);
  TrialRun run(job, settings, inside, tick);
  run.run();
  reports::Trial trial = run.result(cell, record);
  trial.cached_before_bytes = before;
  trial.cached_after_bytes = cached_of(settings.cache.files, "cached_after_bytes", unavailable);
  trial.unavailable.merge(unavailable);
  return trial;
}

}  // namespace weighbridge
