#include "harness/run/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "harness/run/interrupt.h"
#include "harness/run/journal.h"
#include "harness/run/trial_maker.h"
#include "reports/aggregate.h"
#include "reports/findings/findings.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// A trial's place in the run.
struct Turn {
  size_t cell;
  bool done = false;  // a journal has it
};

class MatrixRun {
 public:
  MatrixRun(const MatrixRequest& request, MatrixEvents& events, Planned planned, std::unique_ptr<Cages> cages,
            size_t trials)
      : request_(request),
        events_(events),
        maker_(request, std::move(planned), std::move(cages), trials),
        record_(maker_.record()) {}

  reports::Record run() {
    std::optional<JournalText> before = request_.resume ? earlier() : std::nullopt;
    if (before) record_.settings.seed = before->record.settings.seed;
    order_trials();
    if (before) take_up(*before);
    // The journal is begun before the long work, so that a second run in the same folder is noticed at once.
    if (!request_.journal.empty()) {
      journal_.emplace(before ? Journal::resume(request_.journal, before->whole_bytes)
                              : Journal::begin(request_.journal, record_));
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
      if (const auto torn = before.torn.find(order); torn != before.torn.end()) add_torn(order, torn->second);
      record_.cells[turns_[order].cell].trials.push_back(std::move(trial));
    }
    for (const auto& [order, times] : before.torn) {
      if (order >= turns_.size() || before.finished.count(order) != 0) continue;
      add_torn(order, times);
      turns_[order].done = times >= kMostTries;
    }
    for (reports::Cell& cell : record_.cells) {
      if (!cell.trials.empty()) reports::aggregate(cell, record_.machine.error_bytes);
    }
    events_.note(fmt::format("resumed: {} of {} trials were finished before", kept, turns_.size()));
  }

  void add_torn(uint64_t order, int times) {
    reports::Cell& cell = record_.cells[turns_[order].cell];
    reports::Trial trial;
    trial.order = static_cast<int>(order) + 1;
    trial.number = next_number(cell);
    trial.verdict = reports::verdict::interrupted;
    trial.reason = fmt::format("weighbridge itself, or the machine, ended while this trial ran ({})",
                               reports::counted(static_cast<uint64_t>(times), "time", "times"));
    if (times >= kMostTries) trial.reason += "; it is not tried again";
    without_figures(trial, "the run ended while this trial ran");
    cell.trials.push_back(std::move(trial));
  }

  // Of a cell's next trial. One that was cut short is run again under the same number.
  static int next_number(const reports::Cell& cell) {
    return 1 + static_cast<int>(std::count_if(cell.trials.begin(), cell.trials.end(), [](const reports::Trial& trial) {
             return reports::was_tried(trial.verdict);
           }));
  }

  void make_reference() {
    maker_.make_reference([&](uint64_t done, uint64_t total) { events_.reference(done, total); });
    for (const reports::Cell& cell : record_.cells) {
      const bool other = std::any_of(cell.trials.begin(), cell.trials.end(), [&](const reports::Trial& trial) {
        return !trial.checksum.empty() && trial.checksum != maker_.checksum(cell.dtype);
      });
      if (!other) continue;
      throw Error(ErrorKind::usage, fmt::format("{} holds other weights than when {} was written: begin anew, without "
                                                "--resume",
                                                printable(request_.model), request_.journal));
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

  void run_one(size_t order) {
    reports::Cell& cell = record_.cells[turns_[order].cell];
    const int number = next_number(cell);
    events_.begins(order, turns_.size(), cell, number, request_.repeat);
    write_journal([&] { journal_->begins(order, turns_[order].cell); });
    reports::Trial trial =
        maker_.run(cell, request_.timeout_ns, [&](const TrialProgress& progress) { events_.progress(progress); });
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
  TrialMaker maker_;
  reports::Record& record_;
  std::optional<Journal> journal_;
  std::vector<Turn> turns_;  // in the order they run
};

}  // namespace

Planned plan_matrix(const MatrixRequest& request, std::vector<std::string>& notes) {
  MatrixRequest planned = request;
  planned.loads = false;
  return plan_cells(planned, nullptr, notes);
}

reports::Record run_matrix(const MatrixRequest& request, MatrixEvents& events) {
  std::vector<std::string> notes;
  std::unique_ptr<Cages> cages = find_cages(has_limit(request), request.swap_limit);
  Planned planned = plan_cells(request, cages.get(), notes);
  events.described(planned.record);
  for (const std::string& line : notes) events.note(line);
  const size_t trials = planned.record.cells.size() * static_cast<size_t>(request.repeat);
  return MatrixRun(request, events, std::move(planned), std::move(cages), trials).run();
}

}  // namespace weighbridge
