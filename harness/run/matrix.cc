#include "harness/run/matrix.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "harness/cage/cage.h"
#include "harness/probe/machine.h"
#include "harness/run/describe.h"
#include "harness/run/interrupt.h"
#include "harness/run/journal.h"
#include "harness/run/timeline.h"
#include "harness/version.h"
#include "reports/aggregate.h"
#include "reports/findings/findings.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

reports::Machine machine_of(const Description& description) {
  reports::Machine machine = describe_machine();
  machine.allocator = description.allocator;
  utsname system{};
  int major = 0, minor = 0;
  uname(&system);
  std::sscanf(system.release, "%d.%d", &major, &minor);
  machine.error_bytes =
      counter_error_bytes(machine.cpus, major, minor, description.counter_lag_bytes, machine.error_source);
  return machine;
}

// The items in their order, each once.
std::vector<std::string> unique(const std::vector<std::string>& items) {
  std::vector<std::string> kept;
  for (const std::string& item : items) {
    if (std::find(kept.begin(), kept.end(), item) == kept.end()) kept.push_back(item);
  }
  return kept;
}

void check_words(const MatrixRequest& request) {
  std::vector<std::string_view> known;
  for (const TargetInfo& target : targets()) known.push_back(target.name);
  for (const std::string& dtype : request.dtypes) {
    if (parse_target(dtype)) continue;
    const auto near = nearest(dtype, known);
    throw Error(ErrorKind::usage, fmt::format("no dtype named '{}': {}", printable(dtype),
                                              near.empty() ? fmt::format("there are {}", fmt::join(known, ", "))
                                                           : fmt::format("did you mean {}?", near)));
  }
}

struct Planned {
  reports::Record record;
  std::vector<std::string> files;
  std::unique_ptr<Cages> cages;
};

// The cells of one limit and cache state, in the order of the description; each once.
void add_cells(reports::Record& record, const Description& description, const std::vector<bool>& left_out,
               const reports::Cell& variant) {
  for (size_t index = 0; index < description.cells.size(); ++index) {
    if (left_out[index]) continue;
    reports::Cell cell = description.cells[index];
    cell.limit_bytes = variant.limit_bytes;
    cell.swap_limit_bytes = variant.swap_limit_bytes;
    cell.cage = variant.cage;
    cell.cache = variant.cache;
    const bool again = std::any_of(record.cells.begin(), record.cells.end(), [&](const reports::Cell& other) {
      return other.strategy == cell.strategy && other.options == cell.options && other.dtype == cell.dtype &&
             other.cache == cell.cache && other.limit_bytes == cell.limit_bytes;
    });
    if (!again) record.cells.push_back(std::move(cell));
  }
}

Planned plan(const MatrixRequest& request, std::vector<std::string>& notes) {
  check_words(request);
  std::vector<std::string> strategies_wanted = unique(request.strategies);
  if (strategies_wanted.empty()) {
    for (const Strategy* strategy : strategies()) strategies_wanted.emplace_back(strategy->name());
  }
  const bool dtypes_given = !request.dtypes.empty();
  const std::vector<std::string> dtypes =
      dtypes_given ? unique(request.dtypes) : std::vector<std::string>{"native", "f32", "f16", "int8"};
  std::vector<JobCell> cells;
  for (const std::string& strategy : strategies_wanted) {
    for (const std::string& dtype : dtypes) cells.push_back({strategy, dtype});
  }
  const Description description = describe_checkpoint(request.model, cells, request.passes, request.worker);

  Planned planned;
  const bool limited = std::any_of(request.limits.begin(), request.limits.end(), [](const auto& l) { return l; });
  planned.cages = std::make_unique<Cages>(limited);
  reports::Record& record = planned.record;
  record.version = kVersion;
  record.commit = kCommit;
  record.started = utc_now();
  record.machine = machine_of(description);
  record.checkpoint = description.checkpoint;
  record.settings.seed = request.seed;
  record.settings.repeat = request.repeat;
  record.settings.passes = request.passes;
  record.settings.cache = request.caches.empty() ? limited ? "cold in a limit, else warm" : "warm"
                                                 : fmt::format("{}", fmt::join(request.caches, ","));
  record.settings.thp = request.worker.thp_off ? "off" : "inherit";
  record.settings.sample_interval_ns = request.sample_interval_ns;
  record.settings.command = request.command;
  if (request.guard.on) {
    record.settings.reserve_bytes = request.guard.reserve_bytes.value_or(default_reserve(record.machine.memory_bytes));
  }
  if (limited && !planned.cages->possible()) {
    record.settings.cage_reason = planned.cages->reason();
    if (!request.no_scope.empty()) record.settings.cage_reason += "; " + request.no_scope;
  }
  planned.files = description.files;

  std::vector<std::string> dropped;
  std::vector<bool> left_out(description.cells.size(), false);
  for (size_t index = 0; index < description.cells.size(); ++index) {
    const std::string& dtype = description.cells[index].dtype;
    left_out[index] = !dtypes_given && dtype != "native" && description.same_as_native[index];
    if (left_out[index] && std::find(dropped.begin(), dropped.end(), dtype) == dropped.end()) dropped.push_back(dtype);
  }
  for (const reports::Figure& limit : request.limits) {
    reports::Cell variant;
    variant.limit_bytes = limit;
    if (limit) variant.swap_limit_bytes = request.swap_limit;
    variant.cage = planned.cages->possible() ? planned.cages->kind() : limit ? "watched" : "";
    const std::vector<std::string> usual{limit ? "cold" : "warm"};
    for (const std::string& cache : request.caches.empty() ? usual : unique(request.caches)) {
      variant.cache = cache;
      add_cells(record, description, left_out, variant);
    }
  }
  for (const std::string& dtype : dropped) {
    notes.push_back(fmt::format("{} is left out: it is what the checkpoint stores, so native measures it", dtype));
  }
  if (!record.settings.cage_reason.empty()) {
    notes.push_back("limits are watched, not held by a cgroup: pressure on the page cache and swap are not emulated (" +
                    record.settings.cage_reason + ")");
  }
  return planned;
}

// A trial's place in the run.
struct Turn {
  size_t cell;
  bool done = false;  // a journal has it
};

class MatrixRun {
 public:
  MatrixRun(const MatrixRequest& request, MatrixEvents& events, Planned planned)
      : request_(request),
        events_(events),
        record_(std::move(planned.record)),
        files_(std::move(planned.files)),
        cages_(std::move(planned.cages)),
        reference_(make_memfd("weighbridge-reference")) {}

  reports::Record run() {
    std::optional<JournalText> before = request_.resume ? earlier() : std::nullopt;
    if (before) record_.settings.seed = before->record.settings.seed;
    order_trials();
    if (before) take_up(*before);
    // The journal is begun before the long work, so that a second run in the same folder is noticed at once.
    if (!request_.journal.empty()) {
      journal_.emplace(before ? Journal::resume(request_.journal) : Journal::begin(request_.journal, record_));
    }
    make_reference();
    for (size_t order = 0; order < turns_.size(); ++order) {
      if (interrupted()) {
        record_.settings.interrupted = true;
        break;
      }
      if (!turns_[order].done) run_one(order);
    }
    for (reports::Cell& cell : record_.cells) {
      if (!cell.trials.empty()) continue;
      cell.verdict = reports::verdict::not_run;
      cell.reason = "the run was interrupted before its first trial";
      reports::aggregate(cell, record_.machine.error_bytes);
    }
    if (interrupted()) record_.settings.interrupted = true;
    try {
      record_.findings = reports::find(record_);
    } catch (const std::exception& error) {
      events_.note(std::string("the findings could not be made: ") + error.what());
    }
    return std::move(record_);
  }

 private:
  static constexpr int kMostTries = 3;

  std::optional<JournalText> earlier() {
    auto before = read_journal(request_.journal);
    if (!before) {
      events_.note("nothing to resume in " + request_.journal + ": the run begins");
      return std::nullopt;
    }
    if (const std::string what = differs(before->record, record_); !what.empty()) {
      throw Error(ErrorKind::usage,
                  fmt::format("{} is of another run: {}; take --resume away to begin anew, or another "
                              "--out",
                              request_.journal, what));
    }
    return before;
  }

  // What an earlier run finished stays as it is; what was running when it died is in the record as interrupted, and is
  // run again. A trial that took everything down three times is not tried a fourth time.
  void take_up(JournalText& before) {
    record_.started = before.record.started;
    record_.settings.command = before.record.settings.command;
    record_.settings.resumed = before.resumed + 1;
    size_t kept = 0;
    for (auto& [order, trial] : before.finished) {
      if (order >= turns_.size()) continue;
      turns_[order].done = trial.verdict != reports::verdict::interrupted;
      kept += turns_[order].done;
      record_.cells[turns_[order].cell].trials.push_back(std::move(trial));
    }
    for (const auto& [order, times] : before.torn) {
      if (order >= turns_.size()) continue;
      reports::Trial trial;
      trial.order = static_cast<int>(order) + 1;
      trial.number = next_number(record_.cells[turns_[order].cell]);
      trial.verdict = reports::verdict::interrupted;
      trial.reason = fmt::format("weighbridge itself, or the machine, ended while this trial ran ({})",
                                 reports::counted(static_cast<uint64_t>(times), "time", "times"));
      if (times >= kMostTries) trial.reason += "; it is not tried again";
      without_figures(trial, "the run ended while this trial ran");
      turns_[order].done = times >= kMostTries;
      record_.cells[turns_[order].cell].trials.push_back(std::move(trial));
    }
    for (reports::Cell& cell : record_.cells) {
      if (!cell.trials.empty()) reports::aggregate(cell, record_.machine.error_bytes);
    }
    events_.note(fmt::format("resumed: {} of {} trials were finished before", kept, turns_.size()));
  }

  // Of a cell's next trial. One that was cut short is run again under the same number.
  static int next_number(const reports::Cell& cell) {
    return 1 + static_cast<int>(std::count_if(cell.trials.begin(), cell.trials.end(), [](const reports::Trial& trial) {
             return reports::was_tried(trial.verdict);
           }));
  }

  static void without_figures(reports::Trial& trial, const char* why) {
    for (const char* figure :
         {"checksum", "floor_bytes", "floor_file_bytes", "cached_before_bytes", "cached_after_bytes"}) {
      trial.unavailable[figure] = why;
    }
  }

  void make_reference() {
    for (const reports::Cell& cell : record_.cells) {
      if (std::find(dtypes_.begin(), dtypes_.end(), cell.dtype) == dtypes_.end()) dtypes_.push_back(cell.dtype);
    }
    WorkerSettings settings = request_.worker;
    settings.reference = reference_.get();
    const auto answers = make_references(request_.model, dtypes_, settings,
                                         [&](uint64_t done, uint64_t total) { events_.reference(done, total); });
    for (reports::Cell& cell : record_.cells) {
      const auto at = static_cast<size_t>(std::find(dtypes_.begin(), dtypes_.end(), cell.dtype) - dtypes_.begin());
      cell.accuracy = answers.at(at).accuracy;
      cell.kept_native_tensors = answers.at(at).kept_native;
      if (!cell.accuracy) cell.unavailable["accuracy"] = "no tensor was converted";
      const auto other = std::find_if(cell.trials.begin(), cell.trials.end(), [&](const reports::Trial& trial) {
        return !trial.checksum.empty() && trial.checksum != answers.at(at).checksum;
      });
      if (other != cell.trials.end()) {
        throw Error(ErrorKind::usage,
                    fmt::format("{} holds other weights than when {} was written: begin anew, without "
                                "--resume",
                                printable(request_.model), request_.journal));
      }
    }
  }

  // Shuffled, so that heat, drift and a neighbour's load fall on every cell alike.
  void order_trials() {
    for (size_t cell = 0; cell < record_.cells.size(); ++cell) {
      for (int repeat = 0; repeat < request_.repeat; ++repeat) turns_.push_back({cell});
    }
    std::mt19937_64 random(record_.settings.seed);
    for (size_t left = turns_.size(); left > 1; --left) std::swap(turns_[left - 1], turns_[random() % left]);
  }

  TrialSettings settings_of(const reports::Cell& cell) const {
    TrialSettings settings;
    settings.worker = request_.worker;
    settings.worker.reference = reference_.get();
    settings.sample_interval_ns = request_.sample_interval_ns;
    settings.timeout_ns = request_.timeout_ns;
    settings.checkpoint_files = files_;
    settings.cold = cell.cache == "cold";
    settings.limits = {cell.limit_bytes, cell.swap_limit_bytes};
    settings.cages = cages_.get();
    settings.guard = request_.guard;
    // All timelines of the run together stay below 16 MiB of this process.
    settings.timeline_rows = std::clamp<size_t>((size_t{16} << 20) / sizeof(Sample) / turns_.size(), 64, 2048);
    return settings;
  }

  void run_one(size_t order) {
    reports::Cell& cell = record_.cells[turns_[order].cell];
    Job job;
    job.mode = "trial";
    job.model = request_.model;
    job.cells = {{reports::strategy_name(cell), cell.dtype}};
    job.targets = dtypes_;
    job.passes = request_.passes;

    const int number = next_number(cell);
    events_.begins(order, turns_.size(), cell, number, request_.repeat);
    write_journal([&] { journal_->begins(order, turns_[order].cell); });
    reports::Trial trial;
    try {
      trial = run_trial(job, settings_of(cell), cell, record_,
                        [&](const TrialProgress& progress) { events_.progress(progress); });
    } catch (const std::exception& error) {
      // Not even a worker could be started, or this process itself ran short: what was measured before is kept.
      trial.verdict = reports::verdict::failed;
      trial.reason = error.what();
      without_figures(trial, "the trial could not be run");
    }
    trial.number = number;
    trial.order = static_cast<int>(order) + 1;
    write_journal([&] { journal_->ended(order, turns_[order].cell, trial); });
    events_.ended(cell, trial);
    cell.trials.push_back(std::move(trial));
    reports::aggregate(cell, record_.machine.error_bytes);
    if (number == request_.repeat) events_.cell_ended(cell);
  }

  // A full disk takes the journal away, not what is measured: that is still in this process, and in the record at last.
  void write_journal(const std::function<void()>& write) {
    if (!journal_) return;
    try {
      write();
    } catch (const Error& error) {
      journal_.reset();
      events_.note(fmt::format("the journal ends here, and --resume will not find what follows: {}", error.what()));
    }
  }

  const MatrixRequest& request_;
  MatrixEvents& events_;
  reports::Record record_;
  const std::vector<std::string> files_;
  const std::unique_ptr<Cages> cages_;
  const Descriptor reference_;
  std::optional<Journal> journal_;
  std::vector<std::string> dtypes_;
  std::vector<Turn> turns_;  // in the order they run
};

}  // namespace

reports::Record plan_matrix(const MatrixRequest& request, std::vector<std::string>& notes) {
  return plan(request, notes).record;
}

reports::Record run_matrix(const MatrixRequest& request, MatrixEvents& events) {
  std::vector<std::string> notes;
  Planned planned = plan(request, notes);
  events.described(planned.record);
  for (const std::string& line : notes) events.note(line);
  return MatrixRun(request, events, std::move(planned)).run();
}

}  // namespace weighbridge
