#include "reports/aggregate.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "reports/phases.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

using Trials = std::vector<const Trial*>;

constexpr const char* kNotRun = "not run";
constexpr const char* kNoneReached = "no trial got as far as its first phase";
constexpr const char* kNoneWhole = "no trial ended by itself";
constexpr const char* kUnknown = "no trial knows it";

const Phase* heaviest_phase(const Trial& trial) {
  const auto most = std::max_element(trial.phases.begin(), trial.phases.end(), [](const Phase& a, const Phase& b) {
    return a.need_peak_bytes < b.need_peak_bytes;
  });
  return most == trial.phases.end() ? nullptr : &*most;
}

// Above the program's own pages; without those a checkpoint's share of RssFile is not known.
Figure reclaimable(const Trial& trial) {
  if (!trial.floor_file_bytes) return std::nullopt;
  Bytes file = 0;
  for (const Phase& phase : trial.phases) file = std::max(file, phase.file_peak_bytes);
  return file - std::min(file, *trial.floor_file_bytes);
}

// The trial whose figure is the median of those that are known.
const Trial* median_trial(const Trials& trials, const std::function<Figure(const Trial&)>& figure) {
  std::vector<std::pair<uint64_t, const Trial*>> known;
  for (const Trial* trial : trials) {
    if (const Figure value = figure(*trial)) known.emplace_back(*value, trial);
  }
  if (known.empty()) return nullptr;
  std::stable_sort(known.begin(), known.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return known[(known.size() - 1) / 2].second;
}

Figure median(const Trials& trials, const std::function<Figure(const Trial&)>& figure) {
  const Trial* trial = median_trial(trials, figure);
  return trial == nullptr ? std::nullopt : figure(*trial);
}

// Why the trials do not know a figure: what the first of them says.
std::string reason_of(const Trials& trials, const std::string& figure, const std::string& otherwise) {
  for (const Trial* trial : trials) {
    const auto reason = trial->unavailable.find(figure);
    if (reason != trial->unavailable.end() && !reason->second.empty()) return reason->second;
  }
  return otherwise;
}

void explain(Cell& cell, const std::string& figure, bool known, const std::string& reason) {
  if (known) {
    cell.unavailable.erase(figure);
    return;
  }
  std::string& said = cell.unavailable[figure];
  const bool ours = said == kNotRun || said == kNoneReached || said == kNoneWhole || said == kUnknown;
  if (said.empty() || ours) said = reason;
}

// What the kernel counts for a cgroup alone: a trial that had none of its own has no counter, and nobody else to say
// so.
struct CgroupFigure {
  const char* name;
  Figure Phase::*figure;
};
constexpr CgroupFigure kOfACgroup[] = {
    {"refault_file_pages", &Phase::refault_file_pages},
    {"refault_anon_pages", &Phase::refault_anon_pages},
    {"limit_hits", &Phase::limit_hits},
    {"cgroup_usage_bytes", &Phase::cgroup_usage_bytes},
    {"cgroup_anon_bytes", &Phase::cgroup_anon_bytes},
    {"cgroup_file_bytes", &Phase::cgroup_file_bytes},
    {"cgroup_shmem_bytes", &Phase::cgroup_shmem_bytes},
    {"cgroup_kernel_bytes", &Phase::cgroup_kernel_bytes},
    {"cgroup_psi_some_ns", &Phase::cgroup_psi_some_ns},
    {"cgroup_psi_full_ns", &Phase::cgroup_psi_full_ns},
};

void explain_cgroup(Trial& trial) {
  constexpr const char* kReason = "the trial had no cgroup of its own to count in";
  for (const CgroupFigure& of : kOfACgroup) {
    const bool unknown =
        std::any_of(trial.phases.begin(), trial.phases.end(), [&](const Phase& phase) { return !(phase.*of.figure); });
    if (unknown) trial.unavailable.try_emplace(of.name, kReason);
  }
  if (!trial.cgroup_peak_bytes) trial.unavailable.try_emplace("cgroup_peak_bytes", kReason);
  if (!trial.cgroup_swap_peak_bytes) trial.unavailable.try_emplace("cgroup_swap_peak_bytes", kReason);
}

void take_verdict(Cell& cell) {
  if (cell.trials.empty()) {
    if (cell.verdict.empty()) cell.verdict = verdict::not_run;
    return;
  }
  const auto worst = std::min_element(cell.trials.begin(), cell.trials.end(), [](const Trial& a, const Trial& b) {
    return severity(a.verdict) < severity(b.verdict);
  });
  cell.verdict = worst->verdict;
  cell.reason = worst->reason;
  const auto same = std::count_if(cell.trials.begin(), cell.trials.end(),
                                  [&](const Trial& trial) { return trial.verdict == worst->verdict; });
  // A trial that was cut short says nothing of the cell, unless there is no other.
  const auto tried = std::count_if(cell.trials.begin(), cell.trials.end(),
                                   [](const Trial& trial) { return was_tried(trial.verdict); });
  if (same < tried) {
    cell.reason = fmt::format("{} of {} trials: {}", same, tried, worst->reason);
  }
}

// Figures of a limit that `fit` tried, as the nearest `unavailable`, that of the way, names them.
template <typename Say>
void each_figure(const FitPoint& point, Say say) {
  say("slowdown", point.slowdown.has_value());
  say("wall_ns", point.wall_ns.has_value());
  say("major_faults", point.major_faults.has_value());
  say("refault_file_pages", point.refault_file_pages.has_value());
  say("stall_ns", point.stall_ns.has_value());
}

std::vector<const FitPoint*> points_of(const Fit& fit) {
  std::vector<const FitPoint*> points;
  if (fit.survival) points.push_back(&*fit.survival);
  if (fit.useful) points.push_back(&*fit.useful);
  for (const FitPoint& point : fit.tries) points.push_back(&point);
  return points;
}

std::string path_of(const std::string& parent, const char* list, size_t index) {
  return fmt::format("{}{}{}[{}]", parent, parent.empty() ? "" : ".", list, index);
}

}  // namespace

void aggregate(Cell& cell, Bytes error_bytes) {
  take_verdict(cell);
  for (Trial& trial : cell.trials) explain_cgroup(trial);

  Trials whole, reached;
  for (const Trial& trial : cell.trials) {
    if (trial.phases.empty()) continue;
    reached.push_back(&trial);
    if (ended_by_itself(trial.verdict)) whole.push_back(&trial);
  }
  const Trials& shown = whole.empty() ? reached : whole;
  const std::string none_whole = cell.trials.empty() ? kNotRun : kNoneWhole;
  const std::string none_reached = cell.trials.empty() ? kNotRun : kNoneReached;

  cell.checksum.clear();
  for (const Trial* trial : whole) {
    if (cell.checksum.empty()) cell.checksum = trial->checksum;
  }

  const auto need = [](const Trial& trial) -> Figure { return heaviest_phase(trial)->need_peak_bytes; };
  const Trial* typical = median_trial(shown, need);
  cell.need_bytes = median(shown, need);
  cell.need_error_bytes = typical == nullptr ? std::nullopt : Figure(error_bytes);
  if (typical == nullptr) {
    cell.at_peak.reset();
    cell.peak_phase.clear();
  } else {
    cell.at_peak = heaviest_phase(*typical)->at_peak;
    cell.peak_phase = heaviest_phase(*typical)->name;
  }
  explain(cell, "need_bytes", cell.need_bytes.has_value(), none_reached);
  explain(cell, "need_error_bytes", cell.need_error_bytes.has_value(), none_reached);
  explain(cell, "at_peak", cell.at_peak.has_value(), none_reached);

  // The rest, each by its own rule, from the trials that can tell it.
  const auto take = [&](Figure Cell::*member, const char* name, const Trials& trials, const std::string& none,
                        const std::function<Figure(const Trial&)>& figure, const char* rests_on = nullptr) {
    cell.*member = median(trials, figure);
    const std::string otherwise = rests_on == nullptr ? kUnknown : reason_of(trials, rests_on, kUnknown);
    const std::string reason = trials.empty() ? none : reason_of(trials, name, otherwise);
    explain(cell, name, (cell.*member).has_value(), reason);
  };
  take(&Cell::floor_bytes, "floor_bytes", shown, none_reached, [](const Trial& t) { return t.floor_bytes; });
  take(&Cell::reclaimable_bytes, "reclaimable_bytes", shown, none_reached, reclaimable, "floor_file_bytes");
  take(&Cell::peak_rss_bytes, "peak_rss_bytes", shown, none_reached,
       [](const Trial& t) { return largest(t, &Phase::peak_rss_bytes); });
  take(&Cell::page_table_bytes, "page_table_bytes", shown, none_reached,
       [](const Trial& t) { return largest(t, &Phase::page_table_bytes); });
  take(&Cell::swap_peak_bytes, "swap_peak_bytes", shown, none_reached,
       [](const Trial& t) { return largest(t, &Phase::swap_peak_bytes); });
  take(&Cell::minor_faults, "minor_faults", whole, none_whole,
       [](const Trial& t) { return sum(t, &Phase::minor_faults); });
  take(&Cell::major_faults, "major_faults", whole, none_whole,
       [](const Trial& t) { return sum(t, &Phase::major_faults); });
  take(&Cell::cpu_ns, "cpu_ns", whole, none_whole, [](const Trial& t) -> Figure { return sum(t, &Phase::cpu_ns); });
  take(&Cell::wall_ns, "wall_ns", whole, none_whole, [](const Trial& t) -> Figure { return sum(t, &Phase::wall_ns); });
}

void explain(Fit& fit) {
  if (!fit.predicted_bytes) fit.unavailable.try_emplace("predicted_bytes", "this way has no plan to predict from");
  const bool survives = std::any_of(fit.tries.begin(), fit.tries.end(),
                                    [](const FitPoint& point) { return ended_by_itself(point.verdict); });
  const char* none = fit.tries.empty() ? "no limit was tried"
                     : survives        ? "the search ended before it was found"
                                       : "it was stopped in every limit that was tried";
  if (!fit.survival) fit.unavailable.try_emplace("survival", none);
  if (!fit.useful) fit.unavailable.try_emplace("useful", none);
  for (const FitPoint* point : points_of(fit)) {
    const char* reason = ended_by_itself(point->verdict) ? "it could not be counted here"
                                                         : "no trial ended by itself in some of the limits tried";
    each_figure(*point, [&](const char* figure, bool known) {
      if (!known) fit.unavailable.try_emplace(figure, reason);
    });
  }
}

std::vector<std::string> unexplained(const Record& record) {
  std::vector<std::string> paths;
  const auto check = [&](const std::string& parent, const Reasons& reasons, const char* figure, bool known) {
    const auto reason = reasons.find(figure);
    if (!known && (reason == reasons.end() || reason->second.empty())) paths.push_back(parent + "." + figure);
  };
  for (size_t c = 0; c < record.cells.size(); ++c) {
    const Cell& cell = record.cells[c];
    const std::string in_cell = path_of("", "cells", c);
    const auto of_cell = [&](const char* figure, bool known) { check(in_cell, cell.unavailable, figure, known); };
    of_cell("need_bytes", cell.need_bytes.has_value());
    of_cell("need_error_bytes", cell.need_error_bytes.has_value());
    of_cell("floor_bytes", cell.floor_bytes.has_value());
    of_cell("reclaimable_bytes", cell.reclaimable_bytes.has_value());
    of_cell("peak_rss_bytes", cell.peak_rss_bytes.has_value());
    of_cell("page_table_bytes", cell.page_table_bytes.has_value());
    of_cell("at_peak", cell.at_peak.has_value());
    of_cell("minor_faults", cell.minor_faults.has_value());
    of_cell("major_faults", cell.major_faults.has_value());
    of_cell("swap_peak_bytes", cell.swap_peak_bytes.has_value());
    of_cell("cpu_ns", cell.cpu_ns.has_value());
    of_cell("wall_ns", cell.wall_ns.has_value());
    for (size_t t = 0; t < cell.trials.size(); ++t) {
      const Trial& trial = cell.trials[t];
      const std::string in_trial = path_of(in_cell, "trials", t);
      check(in_trial, trial.unavailable, "floor_bytes", trial.floor_bytes.has_value());
      check(in_trial, trial.unavailable, "floor_file_bytes", trial.floor_file_bytes.has_value());
      check(in_trial, trial.unavailable, "cached_before_bytes", trial.cached_before_bytes.has_value());
      check(in_trial, trial.unavailable, "cached_after_bytes", trial.cached_after_bytes.has_value());
      check(in_trial, trial.unavailable, "cgroup_peak_bytes", trial.cgroup_peak_bytes.has_value());
      check(in_trial, trial.unavailable, "cgroup_swap_peak_bytes", trial.cgroup_swap_peak_bytes.has_value());
      for (size_t p = 0; p < trial.phases.size(); ++p) {
        const Phase& phase = trial.phases[p];
        const std::string in_phase = path_of(in_trial, "phases", p);
        const auto of_phase = [&](const char* figure, const Figure& value) {
          check(in_phase, trial.unavailable, figure, value.has_value());
        };
        of_phase("peak_rss_bytes", phase.peak_rss_bytes);
        of_phase("need_end_bytes", phase.need_end_bytes);
        of_phase("swap_peak_bytes", phase.swap_peak_bytes);
        of_phase("page_table_bytes", phase.page_table_bytes);
        of_phase("minor_faults", phase.minor_faults);
        of_phase("major_faults", phase.major_faults);
        of_phase("lazy_free_bytes", phase.lazy_free_bytes);
        of_phase("pss_bytes", phase.pss_bytes);
        for (const CgroupFigure& of : kOfACgroup) of_phase(of.name, phase.*of.figure);
        of_phase("system_swap_in_pages", phase.system_swap_in_pages);
        of_phase("system_swap_out_pages", phase.system_swap_out_pages);
        of_phase("psi_some_ns", phase.psi_some_ns);
        of_phase("psi_full_ns", phase.psi_full_ns);
      }
    }
  }
  for (size_t f = 0; f < record.fits.size(); ++f) {
    const Fit& fit = record.fits[f];
    const std::string in_fit = path_of("", "fits", f);
    const auto of_fit = [&](const char* figure, bool known) { check(in_fit, fit.unavailable, figure, known); };
    of_fit("predicted_bytes", fit.predicted_bytes.has_value());
    of_fit("survival", fit.survival.has_value());
    of_fit("useful", fit.useful.has_value());
    const size_t before = paths.size();
    for (const FitPoint* point : points_of(fit)) each_figure(*point, of_fit);
    std::sort(paths.begin() + static_cast<std::ptrdiff_t>(before), paths.end());  // one for each, however many points
    paths.erase(std::unique(paths.begin() + static_cast<std::ptrdiff_t>(before), paths.end()), paths.end());
  }
  return paths;
}

}  // namespace weighbridge::reports
