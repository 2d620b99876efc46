#include "harness/run/matrix.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <utility>

#include "harness/probe/machine.h"
#include "harness/run/describe.h"
#include "harness/run/interrupt.h"
#include "harness/run/timeline.h"
#include "harness/version.h"
#include "reports/aggregate.h"
#include "reports/findings/findings.h"
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
};

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
  Description description = describe_checkpoint(request.model, cells, request.passes, request.worker);

  Planned planned;
  reports::Record& record = planned.record;
  record.version = kVersion;
  record.commit = kCommit;
  record.started = utc_now();
  record.machine = machine_of(description);
  record.checkpoint = description.checkpoint;
  record.settings.seed = request.seed;
  record.settings.repeat = request.repeat;
  record.settings.passes = request.passes;
  record.settings.cache = fmt::format("{}", fmt::join(request.caches, ","));
  record.settings.thp = request.worker.thp_off ? "off" : "inherit";
  record.settings.sample_interval_ns = request.sample_interval_ns;
  record.settings.command = request.command;
  planned.files = std::move(description.files);

  std::vector<std::string> dropped;
  for (const std::string& cache : unique(request.caches)) {
    for (size_t index = 0; index < description.cells.size(); ++index) {
      reports::Cell cell = description.cells[index];
      const bool repeats_native = !dtypes_given && cell.dtype != "native" && description.same_as_native[index];
      if (repeats_native) {
        if (std::find(dropped.begin(), dropped.end(), cell.dtype) == dropped.end()) dropped.push_back(cell.dtype);
        continue;
      }
      cell.cache = cache;
      const bool again = std::any_of(record.cells.begin(), record.cells.end(), [&](const reports::Cell& other) {
        return other.strategy == cell.strategy && other.options == cell.options && other.dtype == cell.dtype &&
               other.cache == cache;
      });
      if (!again) record.cells.push_back(std::move(cell));
    }
  }
  for (const std::string& dtype : dropped) {
    notes.push_back(fmt::format("{} is left out: it is what the checkpoint stores, so native measures it", dtype));
  }
  return planned;
}

class MatrixRun {
 public:
  MatrixRun(const MatrixRequest& request, MatrixEvents& events, Planned planned)
      : request_(request),
        events_(events),
        record_(std::move(planned.record)),
        files_(std::move(planned.files)),
        reference_(make_memfd("weighbridge-reference")) {}

  reports::Record run() {
    make_reference();
    order_trials();
    for (size_t order = 0; order < trials_.size(); ++order) {
      if (interrupted()) {
        record_.settings.interrupted = true;
        break;
      }
      run_one(order);
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
    }
  }

  // Shuffled, so that heat, drift and a neighbour's load fall on every cell alike.
  void order_trials() {
    for (size_t cell = 0; cell < record_.cells.size(); ++cell) {
      for (int repeat = 0; repeat < request_.repeat; ++repeat) trials_.push_back(cell);
    }
    std::mt19937_64 random(request_.seed);
    for (size_t left = trials_.size(); left > 1; --left) std::swap(trials_[left - 1], trials_[random() % left]);
  }

  void run_one(size_t order) {
    reports::Cell& cell = record_.cells[trials_[order]];
    Job job;
    job.mode = "trial";
    job.model = request_.model;
    job.cells = {{reports::strategy_name(cell), cell.dtype}};
    job.targets = dtypes_;
    job.passes = request_.passes;
    TrialSettings settings;
    settings.worker = request_.worker;
    settings.worker.reference = reference_.get();
    settings.sample_interval_ns = request_.sample_interval_ns;
    settings.timeout_ns = request_.timeout_ns;
    settings.checkpoint_files = files_;
    settings.cold = cell.cache == "cold";
    // All timelines of the run together stay below 16 MiB of this process.
    settings.timeline_rows = std::clamp<size_t>((size_t{16} << 20) / sizeof(Sample) / trials_.size(), 64, 2048);

    const int number = static_cast<int>(cell.trials.size()) + 1;
    events_.begins(order, trials_.size(), cell, number, request_.repeat);
    reports::Trial trial;
    try {
      trial = run_trial(job, settings, record_.checkpoint, record_.machine,
                        [&](const TrialProgress& progress) { events_.progress(progress); });
    } catch (const std::exception& error) {
      // Not even a worker could be started, or this process itself ran short: what was measured before is kept.
      trial.verdict = reports::verdict::failed;
      trial.reason = error.what();
      for (const char* figure :
           {"checksum", "floor_bytes", "floor_file_bytes", "cached_before_bytes", "cached_after_bytes"}) {
        trial.unavailable[figure] = "the trial could not be run";
      }
    }
    trial.number = number;
    trial.order = static_cast<int>(order) + 1;
    events_.ended(cell, trial);
    cell.trials.push_back(std::move(trial));
    reports::aggregate(cell, record_.machine.error_bytes);
    if (number == request_.repeat) events_.cell_ended(cell);
  }

  const MatrixRequest& request_;
  MatrixEvents& events_;
  reports::Record record_;
  const std::vector<std::string> files_;
  const Descriptor reference_;
  std::vector<std::string> dtypes_;
  std::vector<size_t> trials_;  // cell of each trial, in the order they run
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
