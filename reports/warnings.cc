#include "reports/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "reports/phases.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

constexpr Bytes kMiB = 1 << 20;
constexpr Bytes kLagWorthSaying = 16 * kMiB;
constexpr uint64_t kTimeWorthComparing = 50'000'000;  // ns; below, everything varies

struct Spread {
  uint64_t least = 0, median = 0, most = 0;
  uint64_t width() const { return most - least; }
};

// Over the trials that ended by themselves; nullopt for fewer than three.
std::optional<Spread> spread(const Cell& cell, const std::function<uint64_t(const Trial&)>& figure) {
  std::vector<uint64_t> values;
  for (const Trial& trial : cell.trials) {
    if (ended_by_itself(trial.verdict) && !trial.phases.empty()) values.push_back(figure(trial));
  }
  if (values.size() < 3) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Spread{values.front(), values[(values.size() - 1) / 2], values.back()};
}

uint64_t cpu_ns(const Trial& trial) {
  return sum(trial, &Phase::cpu_ns);
}

uint64_t need(const Trial& trial) {
  uint64_t most = 0;
  for (const Phase& phase : trial.phases) most = std::max(most, phase.need_peak_bytes);
  return most;
}

void about_spread(const Record& record, std::vector<std::string>& said) {
  const Cell* wildest = nullptr;
  uint64_t most = 0;
  std::vector<std::string> unsteady;
  for (const Cell& cell : record.cells) {
    const auto times = spread(cell, cpu_ns);
    if (times && times->median >= kTimeWorthComparing) {
      const uint64_t percent = times->width() * 100 / times->median;
      if (percent > std::max<uint64_t>(most, 25)) most = percent, wildest = &cell;
    }
    const auto needs = spread(cell, need);
    if (needs && needs->width() > needs->median / 100 + kMiB) {
      unsteady.push_back(fmt::format("{} ({})", way_of(cell), human(needs->width())));
    }
  }
  if (!unsteady.empty()) {
    said.push_back(
        fmt::format("the need varies between trials of {}: this loader is not deterministic, so repeat it more "
                    "often before comparing.",
                    fmt::join(unsteady, ", ")));
  }
  if (wildest != nullptr) {
    said.push_back(fmt::format("times here vary by {} % ({}): compare them within this run only{}", most,
                               way_of(*wildest), unsteady.empty() ? "; memory does not vary." : "."));
  }
}

// Remarks that are causes are findings (findings/), one file that was alone needs no care, and what a model is made of
// is no danger; the others are said here.
void about_checkpoint(const Record& record, std::vector<std::string>& said) {
  for (const Remark& remark : record.checkpoint.remarks) {
    if (remark.id == kAsksToRunCode || remark.id == kOptimizerState || remark.id == kRead) continue;
    if (remark.id == kTied || remark.id == kPerhapsTied || remark.id == kExperts || remark.id == kAveraged) continue;
    said.push_back(printable(remark.text) + ".");
  }
}

// How trials read where that was not as it was meant: what they cost and what they left in the page cache is then
// another strategy's.
void about_reading(const Record& record, std::vector<std::string>& said) {
  std::map<std::string, std::set<std::string>> ways;  // sentence -> of whom
  for (const Cell& cell : record.cells) {
    for (const Trial& trial : cell.trials) {
      for (const Remark& remark : trial.remarks) {
        if (remark.id != kReadBy) ways[remark.text].insert(strategy_name(cell));
      }
    }
  }
  for (const auto& [sentence, of] : ways) {
    said.push_back(printable(fmt::format("{}: {}.", fmt::join(of, ", "), sentence)));
  }
}

// A person who reads "fits" beside a limit must know what held it.
void about_cage(const Record& record, std::vector<std::string>& said) {
  std::set<Figure> limits;
  for (const Cell& cell : record.cells) {
    if (cell.cage == kWatchedCage) limits.insert(cell.limit_bytes);
  }
  const std::string& reason = record.settings.cage_reason;
  for (const Fit& fit : record.fits) {
    if (reason.empty()) break;
    for (const FitPoint& point : fit.tries) limits.insert(point.limit_bytes);
  }
  if (limits.empty()) return;
  said.push_back(fmt::format("the {} watched, not held: cache pressure and swap were not emulated{}.",
                             limits.size() == 1 ? "limit was" : "limits were",
                             reason.empty() ? "" : " (" + printable(reason) + ")"));
}

void about_cache(const Record& record, std::vector<std::string>& said) {
  size_t cells = 0;
  Bytes most = 0;
  for (const Cell& cell : record.cells) {
    Bytes cached = 0;
    if (cell.cache == "cold") {
      for (const Trial& trial : cell.trials) cached = std::max(cached, trial.cached_before_bytes.value_or(0));
    }
    if (cached <= record.checkpoint.file_bytes / 100) continue;
    ++cells;
    most = std::max(most, cached);
  }
  if (cells == 0) return;
  said.push_back(
      fmt::format("{} of the checkpoint was still cached before cold trials ({}): another process maps it, "
                  "or it was not written back; their times and major faults are too low.",
                  human(most), counted(cells, "way", "ways")));
}

void about_unknown(const Record& record, bool all, std::vector<std::string>& said) {
  std::map<std::string, std::set<std::string>> unknown;  // reason -> figures
  const auto add = [&](const Reasons& reasons) {
    for (const auto& [figure, reason] : reasons) {
      if (figure == "accuracy") continue;  // nothing was converted: no loss
      if (all || figure != "predicted") unknown[reason].insert(figure);
    }
  };
  for (const Cell& cell : record.cells) {
    if (ended_by_itself(cell.verdict) || (all && was_tried(cell.verdict))) add(cell.unavailable);
    if (!all) continue;
    for (const Trial& trial : cell.trials) add(trial.unavailable);
  }
  if (all) add(record.machine.unavailable);
  for (const auto& [reason, figures] : unknown) {
    said.push_back(printable(fmt::format("not known: {} ({}).", fmt::join(figures, ", "), reason)));
  }
}

}  // namespace

std::vector<std::string> warnings(const Record& record, bool all) {
  std::vector<std::string> said;
  if (record.settings.interrupted) {
    const auto open = std::count_if(record.cells.begin(), record.cells.end(),
                                    [](const Cell& cell) { return !was_tried(cell.verdict); });
    std::string sentence = "the run was interrupted";
    if (!record.cells.empty()) {
      sentence += fmt::format("; not measured: {} of {}", open, counted(record.cells.size(), "way", "ways"));
    }
    if (!record.settings.command.empty()) {
      sentence += ". Run it again with: " + printable(record.settings.command);
    }
    said.push_back(sentence);
  }
  about_checkpoint(record, said);
  about_reading(record, said);
  about_cage(record, said);
  about_spread(record, said);
  about_cache(record, said);
  if (record.machine.error_bytes >= kLagWorthSaying) {
    said.push_back(
        fmt::format("this kernel's memory counters may lag by {} ({}): do not compare needs closer than that.",
                    human(record.machine.error_bytes), printable(record.machine.error_source)));
  }
  about_unknown(record, all, said);
  return said;
}

}  // namespace weighbridge::reports
