#include "harness/run/fit.h"

#include <fmt/format.h>

#include <sys/sysinfo.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "harness/run/interrupt.h"
#include "harness/run/trial_maker.h"
#include "reports/aggregate.h"
#include "reports/forecast.h"
#include "reports/phases.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"
#include "strategies/memory.h"

namespace weighbridge {
namespace {

using reports::Bytes;
using reports::Cell;
using reports::Figure;
using reports::FitPoint;
using reports::Trial;

constexpr Bytes kMiB = 1 << 20;
constexpr Bytes kSmallest = kMiB;  // no worker can start in less
// Longer than this, compared with the load without a limit, is not loading any more.
constexpr uint64_t kGivenUpTimes = 60, kGivenUpAtLeastNs = 10'000'000'000;

uint64_t wall_of(const Trial& trial) {
  return reports::sum(trial, &reports::Phase::wall_ns);
}

template <typename T>
T median(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

Figure median_of(const std::vector<Trial>& trials, Figure (*figure)(const Trial&)) {
  std::vector<uint64_t> known;
  for (const Trial& trial : trials) {
    if (const Figure value = figure(trial)) known.push_back(*value);
  }
  return known.empty() ? std::nullopt : Figure(median(known));
}

// What a load held at most, page tables included: what a limit must hold, kernel memory and the cache that is being
// read excepted.
Bytes held_at_most(const Trial& trial) {
  Bytes most = 0;
  for (const reports::Phase& phase : trial.phases) {
    most = std::max(most, phase.need_peak_bytes - std::min(phase.need_peak_bytes, phase.at_peak.swap) +
                              phase.page_table_bytes.value_or(0));
  }
  return most;
}

// The cage's own stall where the kernel tells it (v2), else the machine's.
Figure stall_of(const Trial& trial) {
  const Figure own = reports::sum(trial, &reports::Phase::cgroup_psi_full_ns);
  return own ? own : reports::sum(trial, &reports::Phase::psi_full_ns);
}

bool has_swap() {
  struct sysinfo machine {};
  return sysinfo(&machine) == 0 && machine.totalswap > 0;
}

// A trial that ended for another reason than its limit says nothing of the limit.
struct Spoiled {
  std::string reason;
};

bool says_nothing(const Trial& trial) {
  return trial.verdict == reports::verdict::killed || trial.verdict == reports::verdict::failed ||
         trial.verdict == reports::verdict::guard_stopped;
}

class FitRun {
 public:
  FitRun(const FitRequest& request, MatrixEvents& events, TrialMaker& maker)
      : request_(request), events_(events), maker_(maker), record_(maker.record()) {}

  reports::Record run() {
    maker_.make_reference([&](uint64_t done, uint64_t total) { events_.reference(done, total); });
    const std::vector<Cell> ways = std::move(record_.cells);
    record_.cells.clear();
    for (size_t way = 0; way < ways.size() && !interrupted(); ++way) {
      way_ = way;
      ways_ = ways.size();
      reports::Fit fit;
      try {
        fit_one(ways[way], fit);
      } catch (const Spoiled& spoiled) {
        const std::string reason = "a load ended, three times, for another reason than its limit: " + spoiled.reason;
        if (!fit.survival) fit.unavailable["survival"] = reason;
        if (!fit.useful) fit.unavailable["useful"] = reason;
      }
      if (interrupted()) break;
      reports::explain(fit);
      events_.found(fit);
      record_.fits.push_back(std::move(fit));
    }
    record_.settings.interrupted = interrupted();
    return std::move(record_);
  }

 private:
  // Tried again where it ended for no reason of its own; throws Spoiled where that goes on.
  Trial one(const Cell& cell, const std::string& what) {
    constexpr int kMostTries = 3;
    for (int tries = 1;; ++tries) {
      events_.tries(way_, ways_, cell, what);
      Trial trial = maker_.run(cell, give_up_ns_, [&](const TrialProgress& progress) { events_.progress(progress); });
      if (!says_nothing(trial) || interrupted()) return trial;
      if (tries == kMostTries) throw Spoiled{trial.reason};
    }
  }

  static Cell limited(const Cell& way, Bytes limit, const Figure& swap_limit) {
    Cell cell = way;
    cell.limit_bytes = page_rounded(limit);
    cell.swap_limit_bytes = swap_limit;
    return cell;
  }

  // Trials at one limit, with as many without a limit between them where `paired`.
  struct Tried {
    Cell cell;
    std::vector<Trial> trials;
    std::vector<double> slowdowns;
    bool survived = true;
  };
  Tried try_limit(const Cell& way, Bytes limit, int times, bool paired, const char* what) {
    Tried tried{limited(way, limit, request_.matrix.swap_limit), {}, {}, true};
    for (int time = 0; time < times && tried.survived && !interrupted(); ++time) {
      if (paired) time_freely(way);
      Trial trial = one(tried.cell, fmt::format("{} {}", what, reports::human(*tried.cell.limit_bytes)));
      tried.survived = reports::ended_by_itself(trial.verdict);
      if (paired && tried.survived && !free_ns_.empty()) {
        tried.slowdowns.push_back(static_cast<double>(wall_of(trial)) / static_cast<double>(median(free_ns_)));
      }
      tried.trials.push_back(std::move(trial));
    }
    return tried;
  }

  // The wall time of the same load without a limit, as the machine is now: of the last five, as one may be disturbed.
  void time_freely(const Cell& way) {
    const Trial trial = one(way, "without a limit");
    if (!reports::ended_by_itself(trial.verdict)) return;
    free_ns_.push_back(wall_of(trial));
    if (free_ns_.size() > 5) free_ns_.erase(free_ns_.begin());
  }

  FitPoint point_of(const Tried& tried) const {
    FitPoint point;
    point.limit_bytes = *tried.cell.limit_bytes;
    point.trials = tried.trials.size();
    for (const Trial& trial : tried.trials) {
      if (point.verdict.empty() || reports::severity(trial.verdict) < reports::severity(point.verdict))
        point.verdict = trial.verdict;
    }
    if (!tried.slowdowns.empty()) point.slowdown = median(tried.slowdowns);
    if (!tried.survived) return point;  // times and counts of a load that was cut short compare with nothing
    point.wall_ns = median_of(tried.trials, [](const Trial& trial) { return Figure(wall_of(trial)); });
    point.major_faults =
        median_of(tried.trials, [](const Trial& trial) { return reports::sum(trial, &reports::Phase::major_faults); });
    point.refault_file_pages = median_of(
        tried.trials, [](const Trial& trial) { return reports::sum(trial, &reports::Phase::refault_file_pages); });
    point.stall_ns = median_of(tried.trials, stall_of);
    return point;
  }

  void keep(Tried tried) {
    int number = 0;
    for (Trial& trial : tried.trials) {
      trial.number = ++number;
      trial.order = ++order_;
    }
    tried.cell.trials = std::move(tried.trials);
    reports::aggregate(tried.cell, record_.machine.error_bytes);
    record_.cells.push_back(std::move(tried.cell));
  }

  Bytes tolerance_for(Bytes held) const {
    return request_.tolerance_bytes.value_or(std::clamp<Bytes>(held / 100, kMiB, 16 * kMiB));
  }

  void fit_one(Cell way, reports::Fit& fit) {
    way.cache = "cold";
    give_up_ns_ = request_.matrix.timeout_ns;
    fit.strategy = way.strategy;
    fit.options = way.options;
    fit.dtype = way.dtype;

    Tried free{way, {}, {}, true};
    free_ns_.clear();
    for (int time = 0; time < request_.matrix.repeat && free.survived && !interrupted(); ++time) {
      Trial trial = one(way, "without a limit");
      free.survived = reports::ended_by_itself(trial.verdict);
      free.trials.push_back(std::move(trial));
    }
    if (interrupted()) return;
    if (!free.survived) {
      const std::string reason = "without a limit already: " + free.trials.back().reason;
      fit.unavailable["predicted_bytes"] = fit.unavailable["survival"] = fit.unavailable["useful"] = reason;
      keep(std::move(free));
      return;
    }
    const Trial& typical = free.trials.front();
    const Bytes held = held_at_most(typical), tolerance = tolerance_for(held);
    if (way.predicted) {
      fit.predicted_bytes = reports::must_hold(*way.predicted);
    } else {
      fit.unavailable["predicted_bytes"] = way.unavailable.at("predicted");
    }
    if (!give_up_ns_) give_up_ns_ = std::max(kGivenUpAtLeastNs, kGivenUpTimes * wall_of(typical));
    // With everything the load ever mapped or read beside what it holds, nothing has to be given back.
    const Bytes everything = held + record_.checkpoint.file_bytes + 16 * kMiB + record_.checkpoint.file_bytes / 50;
    keep(std::move(free));

    Tried survival = find_survival(way, held, tolerance, everything, fit);
    if (interrupted()) return;
    if (!survival.survived) {
      fit.unavailable["survival"] = fit.unavailable["useful"] =
          fmt::format("not even {} were enough: {}", reports::human(everything), survival.trials.back().reason);
      keep(std::move(survival));
      return;
    }
    fit.survival = point_of(survival);
    find_useful(way, survival, tolerance, everything, fit);
  }

  Tried find_survival(const Cell& way, Bytes held, Bytes tolerance, Bytes everything, reports::Fit& fit) {
    const auto step = [&](Bytes limit) {
      const Tried tried = try_limit(way, limit, 1, false, "survives in");
      fit.tries.push_back(point_of(tried));
      return tried.survived;
    };
    // A bracket: `dead` is too little, `alive` is enough.
    Bytes alive = std::max(kSmallest, held + held / 50 + kMiB), dead = 0;
    while (!interrupted() && !step(alive)) {
      dead = alive;
      if (alive >= everything) return try_limit(way, everything, 1, false, "survives in");
      alive = std::min(everything, alive + std::max(alive / 4, kMiB));
    }
    for (Bytes below = std::max(kSmallest, held - held / 20); dead == 0 && alive > kSmallest && !interrupted();
         below = std::max(kSmallest, below / 2)) {
      step(below) ? alive = below : dead = below;
    }
    while (dead != 0 && alive - dead > tolerance && !interrupted()) {
      const Bytes middle = dead + (alive - dead) / 2;
      step(middle) ? alive = middle : dead = middle;
    }
    // One survival may have been luck.
    for (;;) {
      Tried tried = try_limit(way, alive, std::max(3, request_.matrix.repeat), true, "confirms");
      fit.tries.push_back(point_of(tried));
      if (tried.survived || alive >= everything || interrupted()) return tried;
      alive = std::min(everything, alive + tolerance);
    }
  }

  void find_useful(const Cell& way, Tried& survival, Bytes tolerance, Bytes everything, reports::Fit& fit) {
    const auto fast = [&](const Tried& tried) {
      return tried.survived && !tried.slowdowns.empty() && median(tried.slowdowns) <= request_.slowdown;
    };
    if (fast(survival)) {
      fit.useful = fit.survival;
      keep(std::move(survival));
      return;
    }
    Bytes slow = *survival.cell.limit_bytes, enough = everything;
    keep(std::move(survival));
    const int repeat = std::max(3, request_.matrix.repeat);
    while (enough - slow > std::max(tolerance, everything / 64) && !interrupted()) {
      const Bytes middle = slow + (enough - slow) / 2;
      // Twice, and the faster counts: a disturbance only ever makes a load slower.
      const Tried tried = try_limit(way, middle, 2, true, "is useful in");
      fit.tries.push_back(point_of(tried));
      fast(tried) ? enough = middle : slow = middle;
    }
    for (;;) {
      Tried tried = try_limit(way, enough, repeat, true, "confirms");
      if (interrupted()) return;
      fit.tries.push_back(point_of(tried));
      const bool found = fast(tried), last = enough >= everything;
      if (found) fit.useful = point_of(tried);
      if (!found && last) {
        fit.unavailable["useful"] =
            fmt::format("slower than {:.3g} x even in {}: this machine is too noisy, or something else slows it",
                        request_.slowdown, reports::human(everything));
      }
      if (found || last) {
        keep(std::move(tried));
        return;
      }
      enough = std::min(everything, enough + std::max(tolerance, everything / 64));
    }
  }

  const FitRequest& request_;
  MatrixEvents& events_;
  TrialMaker& maker_;
  reports::Record& record_;
  size_t way_ = 0, ways_ = 0;
  int order_ = 0;
  std::optional<uint64_t> give_up_ns_;
  std::vector<uint64_t> free_ns_;  // of the present way
};

}  // namespace

reports::Record run_fit(const FitRequest& request, MatrixEvents& events) {
  FitRequest fit = request;
  MatrixRequest& matrix = fit.matrix;
  matrix.limits = {std::nullopt};
  matrix.caches = {"cold"};
  std::vector<std::string> notes;
  // With swap in the cage a limit kills nobody, however small: a container commonly has none.
  if (!matrix.swap_limit && has_swap()) {
    matrix.swap_limit = 0;
    notes.emplace_back("each limit is without swap, as a container's commonly is; --swap-limit allows some");
  }
  std::unique_ptr<Cages> cages = find_cages(true, matrix.swap_limit);
  if (!cages->possible()) {
    throw Error(ErrorKind::environment,
                "fit needs limits that a cgroup holds, and none can be made here: " + cages->reason() +
                    (matrix.no_scope.empty() ? std::string() : "; " + matrix.no_scope));
  }
  Planned planned = plan_cells(matrix, cages.get(), notes);
  events.described(planned.record);
  for (const std::string& line : notes) events.note(line);
  constexpr size_t kTrialsOfAWay = 40;
  const size_t trials = planned.record.cells.size() * kTrialsOfAWay;
  TrialMaker maker(matrix, std::move(planned), std::move(cages), trials);
  return FitRun(fit, events, maker).run();
}

}  // namespace weighbridge
