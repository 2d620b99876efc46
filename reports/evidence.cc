#include "reports/evidence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "reports/phases.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {

std::string figure_name(std::string name) {
  for (const std::string_view unit : {"_bytes", "_ns"}) {
    if (name.ends_with(unit)) name.resize(name.size() - unit.size());
  }
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string figure_text(const std::string& name, uint64_t value) {
  if (name.ends_with("_bytes") || name == "bytes") return human(value);
  if (name.ends_with("_ns")) return human_duration(value);
  return human_count(value);
}

std::vector<std::pair<std::string, uint64_t>> untold_figures(const Evidence& evidence) {
  // A number for itself, not a part of a longer one: "12" stands in "is 12." and not in "12.5", "4,12" or "312".
  const auto told = [&said = evidence.said](const std::string& number) {
    const auto is = [&](size_t at, const char* any) { return at < said.size() && std::strchr(any, said[at]); };
    for (size_t at = 0; (at = said.find(number, at)) != std::string::npos; ++at) {
      const size_t end = at + number.size();
      const bool begins = at == 0 || !is(at - 1, "0123456789.,");
      const bool ends = !is(end, "0123456789") && !(is(end, ".,") && is(end + 1, "0123456789"));
      if (begins && ends) return true;
    }
    return false;
  };
  std::vector<std::pair<std::string, uint64_t>> untold;
  for (const auto& figure : evidence.figures) {
    const auto& [name, value] = figure;
    if (!told(std::to_string(value)) && !told(figure_text(name, value))) untold.push_back(figure);
  }
  return untold;
}

std::string sentence(const Evidence& evidence) {
  std::vector<std::string> figures;
  for (const auto& [name, value] : untold_figures(evidence)) {
    figures.push_back(fmt::format("{} {}", figure_name(name), figure_text(name, value)));
  }
  std::string text = evidence.source;
  if (!evidence.said.empty()) text += ": " + evidence.said;
  return figures.empty() ? text : text + fmt::format(" ({})", fmt::join(figures, ", "));
}

const Evidence* most_telling(const Trial& trial) {
  const auto found = std::find_if(trial.evidence.begin(), trial.evidence.end(), [&](const Evidence& evidence) {
    return evidence.source != "wait status" && evidence.said != trial.reason;
  });
  return found == trial.evidence.end() ? nullptr : &*found;
}

const Trial* telling_trial(const Cell& cell) {
  const auto found = std::find_if(cell.trials.begin(), cell.trials.end(),
                                  [&](const Trial& trial) { return trial.verdict == cell.verdict; });
  return found == cell.trials.end() ? nullptr : &*found;
}

std::string under_pressure(const Cell& cell, Bytes page_bytes) {
  const Trial* trial = telling_trial(cell);
  const bool plain = cell.verdict == verdict::fits || !ended_by_itself(cell.verdict);
  if (trial == nullptr || !cell.limit_bytes || plain) return "";
  const Bytes page = page_bytes == 0 ? 4096 : page_bytes;
  std::vector<std::string> parts;
  const auto add = [&](Figure Phase::*figure, auto say) {
    if (const Figure value = sum(*trial, figure); value.value_or(0) > 0) parts.push_back(say(*value));
  };
  add(&Phase::limit_hits, [](uint64_t hits) { return "at the limit " + counted(hits, "time", "times"); });
  add(&Phase::major_faults, [](uint64_t faults) { return counted(faults, "major fault", "major faults"); });
  add(&Phase::refault_file_pages, [&](uint64_t pages) { return human(pages * page) + " of file pages read again"; });
  add(&Phase::refault_anon_pages, [&](uint64_t pages) { return human(pages * page) + " read back from swap"; });
  add(&Phase::cgroup_psi_full_ns, [](uint64_t ns) { return "stood still for " + human_duration(ns); });
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace weighbridge::reports
