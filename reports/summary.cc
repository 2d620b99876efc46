#include "reports/summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/printable.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

bool is_plan(const Record& record) {
  return std::all_of(record.cells.begin(), record.cells.end(), [](const Cell& cell) { return cell.trials.empty(); });
}

std::string needs(const Weight& weight) {
  switch (weight.source) {
    case Weight::Source::measured:
      return "needs " + human(weight.bytes);
    case Weight::Source::reached:
      return "needs more than " + human(weight.bytes);
    case Weight::Source::predicted:
      return "would need " + human(weight.bytes);
  }
  return {};
}

std::string of_limit(const Figure& limit) {
  return limit ? " of " + human(*limit) : "";
}

bool names(const Finding& finding, const Cell& cell) {
  return std::find(finding.cells.begin(), finding.cells.end(), cell_name(cell)) != finding.cells.end();
}

// Why a cell is heavy: a finding's cause, else the largest part of what it holds at its peak.
std::string why_heavy(const Record& record, const Cell& cell) {
  for (const Finding& finding : record.findings) {
    if (finding.id == "two-copies" && names(finding, cell)) return "two full copies exist at once during load";
  }
  for (const Finding& finding : record.findings) {
    if (finding.id == "upcast" && names(finding, cell)) return "16-bit numbers are loaded as f32, twice the bytes";
  }
  Bytes weights = 0, staging = 0, overhead = 0;
  if (ended_by_itself(cell.verdict) && cell.at_peak) {
    weights = cell.at_peak->weights, staging = cell.at_peak->staging, overhead = cell.at_peak->overhead;
  } else if (cell.predicted) {
    weights = cell.predicted->weights_bytes, staging = cell.predicted->staging_bytes,
    overhead = cell.predicted->overhead_bytes;
  }
  const Bytes all = weights + staging + overhead;
  if (all == 0) return "";
  const auto part = [](Bytes bytes, const char* of_what) {
    return fmt::format("{} of it are {}", human(bytes), of_what);
  };
  if (staging > all / 4) return part(staging, "copies that exist only while it loads");
  if (overhead > all / 4) return part(overhead, "neither weights nor staging");
  return part(weights, "the weights");
}

// A word as a shell takes it; empty when it holds what cannot be shown.
std::string quoted(const std::string& word) {
  if (word.empty() || printable(word) != word) return "";
  const bool plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
           std::string_view("_./:=@%+,-").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word.front() == '-' ? "./" + word : word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string strategy_with_options(const Cell& cell) {
  std::string name = cell_name(cell);
  return name.substr(0, name.size() - cell.dtype.size() - 1);
}

}  // namespace

std::string way_of(const Cell& cell) {
  return printable(strategy_with_options(cell) + " " + cell.dtype);
}

Figure limit_of(const Record& record, const Cell& cell) {
  if (cell.limit_bytes) return cell.limit_bytes;
  const Limit* limit = record.limit();
  return limit == nullptr ? std::nullopt : Figure(limit->bytes);
}

std::optional<Weight> weight_of(const Cell& cell) {
  if (ended_by_itself(cell.verdict) && cell.need_bytes) return Weight{*cell.need_bytes, Weight::Source::measured};
  const Bytes reached = cell.need_bytes.value_or(0);
  if (cell.predicted) {
    const Bytes predicted = cell.predicted->need_bytes + cell.floor_bytes.value_or(0);
    if (predicted >= reached) return Weight{predicted, Weight::Source::predicted};
  }
  if (cell.need_bytes) return Weight{reached, Weight::Source::reached};
  return std::nullopt;
}

bool fits_in(const Record& record, const Cell& cell) {
  if (!cell.trials.empty() || !is_plan(record)) return does_fit(cell.verdict);
  const Figure limit = limit_of(record, cell);
  return cell.predicted && (!limit || cell.predicted->need_bytes <= *limit);
}

Summary summarise(const Record& record) {
  Summary summary;
  summary.plan = is_plan(record);
  summary.ways = record.cells.size();
  const auto cpu = [](const Cell& cell) { return cell.cpu_ns.value_or(~uint64_t{0}); };
  const auto lighter = [&](const Cell& a, const Cell* b) {
    if (b == nullptr) return true;
    const Bytes of_a = weight_of(a)->bytes, of_b = weight_of(*b)->bytes;
    return of_a != of_b ? of_a < of_b : cpu(a) < cpu(*b);
  };
  for (const Cell& cell : record.cells) {
    const bool fits = fits_in(record, cell);
    if (fits) ++summary.fitting;
    if (!was_tried(cell.verdict)) ++summary.not_run;
    const auto weight = weight_of(cell);
    if (!weight) continue;
    if (fits && lighter(cell, summary.best)) summary.best = &cell;
    if (lighter(cell, summary.lightest)) summary.lightest = &cell;
    if (!summary.plan && !was_tried(cell.verdict)) continue;
    if (summary.heaviest == nullptr || weight->bytes > weight_of(*summary.heaviest)->bytes) summary.heaviest = &cell;
  }
  return summary;
}

std::string verdict_line(const Record& record) {
  const Summary summary = summarise(record);
  if (summary.ways == 0) return "nothing was weighed.";
  const char* fits = summary.plan ? "should fit" : "fits";
  const std::string not_run = summary.plan || summary.not_run == 0 ? "" : fmt::format(" ({} not run)", summary.not_run);

  if (summary.ways == 1) {
    const Cell& cell = record.cells.front();
    const auto weight = weight_of(cell);
    const std::string needed = weight ? ", " + needs(*weight) + of_limit(limit_of(record, cell)) : "";
    const bool open = summary.plan ? !cell.predicted.has_value() : !was_tried(cell.verdict);
    const char* word = open                      ? "not known"
                       : summary.best != nullptr ? fits
                       : summary.plan            ? "should not fit"
                                                 : "does not fit";
    if (open && !summary.plan) return fmt::format("not measured: {}{}.", way_of(cell), needed);
    return fmt::format("{}: {}{}.", word, way_of(cell), needed);
  }
  if (summary.best != nullptr) {
    const std::string how_many = summary.fitting == summary.ways
                                     ? fmt::format("all {} ways", summary.ways)
                                     : fmt::format("{} of {} ways", summary.fitting, summary.ways);
    return fmt::format("{}: {}{}.  Best: {}, {}{}.", fits, how_many, not_run, way_of(*summary.best),
                       needs(*weight_of(*summary.best)), of_limit(limit_of(record, *summary.best)));
  }
  std::string line = fmt::format("{}: none of {} ways{}.", fits, summary.ways, not_run);
  if (summary.lightest != nullptr) {
    line += fmt::format("  Lightest: {}, {}{}.", way_of(*summary.lightest), needs(*weight_of(*summary.lightest)),
                        of_limit(limit_of(record, *summary.lightest)));
  }
  return line;
}

std::string heaviest_line(const Record& record) {
  const Summary summary = summarise(record);
  if (summary.heaviest == nullptr || summary.ways < 2 || summary.heaviest == summary.best) return "";
  const std::string why = why_heavy(record, *summary.heaviest);
  return fmt::format("Heaviest: {}, {}{}{}.", way_of(*summary.heaviest), needs(*weight_of(*summary.heaviest)),
                     why.empty() ? "" : ": ", why);
}

std::string try_line(const Record& record) {
  const Summary summary = summarise(record);
  const Cell* cell = summary.best != nullptr ? summary.best : summary.lightest;
  const std::string path = quoted(record.checkpoint.path);
  if (cell == nullptr || path.empty()) return "";
  const std::string strategy = quoted(strategy_with_options(*cell)), dtype = quoted(cell->dtype);
  if (strategy.empty() || dtype.empty()) return "";
  // In a plan the next thing is to measure the best way; after a run, to plan with it, or to look for one that fits.
  if (!summary.plan && summary.best == nullptr) return fmt::format("weighbridge plan {}", path);
  return fmt::format("weighbridge {} {} --strategy {} --dtype {}", summary.plan ? "run" : "plan", path, strategy,
                     dtype);
}

}  // namespace weighbridge::reports
