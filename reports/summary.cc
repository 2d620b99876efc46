#include "reports/summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

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

// A sentence's end: the reason of a cell, without the point that it may bring.
std::string because(const Cell& cell) {
  std::string reason = cell.reason;
  while (!reason.empty() && (reason.back() == '.' || reason.back() == ' ')) reason.pop_back();
  return reason.empty() ? "" : ": " + printable(reason);
}

// "1 failed, 2 timed-out, 1 not run".
std::string open_ways(const Record& record) {
  std::map<std::string, size_t> counts;
  for (const Cell& cell : record.cells) {
    if (did_not_finish(cell.verdict)) ++counts[printable(cell.verdict)];
  }
  std::vector<std::string> words;
  for (const auto& [word, count] : counts) words.push_back(fmt::format("{} {}", count, word));
  if (const size_t not_run = summarise(record).not_run; not_run > 0)
    words.push_back(fmt::format("{} not run", not_run));
  return words.empty() ? "" : fmt::format(" ({})", fmt::join(words, ", "));
}

std::string line_of_one(const Record& record, const Summary& summary) {
  const Cell& cell = record.cells.front();
  const auto weight = weight_of(cell);
  const std::string needed = weight ? ", " + needs(*weight) + of_limit(limit_of(record, cell)) : "";
  const std::string way = way_of(cell);
  if (summary.plan) {
    const char* word = !cell.predicted ? "not known" : summary.best != nullptr ? "should fit" : "should not fit";
    return fmt::format("{}: {}{}.", word, way, needed);
  }
  if (cell.verdict == verdict::not_run) return fmt::format("not measured: {}{}.", way, needed);
  if (cell.verdict == verdict::failed) return fmt::format("failed: {}{}.", way, because(cell));
  if (did_not_finish(cell.verdict)) {
    return fmt::format("did not finish: {}, {}{}.", printable(cell.verdict), way, because(cell));
  }
  return fmt::format("{}: {}{}.", summary.best != nullptr ? "fits" : "does not fit", way, needed);
}

// Nothing fits, and nothing is known not to: every way failed, was stopped or was not run.
std::string line_of_none(const Record& record, const Summary& summary) {
  if (summary.unfinished == 0) return fmt::format("not measured: {} ways.", summary.ways);
  const auto failed = static_cast<size_t>(std::count_if(
      record.cells.begin(), record.cells.end(), [](const Cell& cell) { return cell.verdict == verdict::failed; }));
  if (failed == summary.ways) return fmt::format("failed: all {} ways.", summary.ways);
  if (summary.unfinished == summary.ways) {
    return fmt::format("did not finish: all {} ways{}.", summary.ways, open_ways(record));
  }
  return fmt::format("did not finish: {} of {} ways{}.", summary.unfinished, summary.ways, open_ways(record));
}

}  // namespace

std::string way_of(const Cell& cell) {
  return printable(strategy_name(cell) + " " + cell.dtype + (cell.cache == "cold" ? " cold" : ""));
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

std::optional<Parts> parts_of(const Cell& cell) {
  const auto weight = weight_of(cell);
  if (!weight) return std::nullopt;
  if (weight->source == Weight::Source::predicted) {
    const Prediction& predicted = *cell.predicted;
    return Parts{predicted.weights_bytes, predicted.staging_bytes,
                 predicted.overhead_bytes + cell.floor_bytes.value_or(0), true};
  }
  if (!cell.at_peak) return std::nullopt;
  return Parts{cell.at_peak->weights, cell.at_peak->staging, cell.at_peak->overhead, false};
}

std::string why_heavy(const Record& record, const Cell& cell) {
  for (const Finding& finding : record.findings) {
    if (finding.id == "two-copies" && names(finding, cell)) return "two full copies exist at once during load";
  }
  for (const Finding& finding : record.findings) {
    if (finding.id == "upcast" && names(finding, cell)) return "16-bit numbers are loaded as f32, twice the bytes";
  }
  const auto parts = parts_of(cell);
  if (!parts || parts->all() == 0) return "";
  const auto part = [](Bytes bytes, const char* of_what) {
    return fmt::format("{} of it are {}", human(bytes), of_what);
  };
  if (parts->staging > parts->all() / 4) return part(parts->staging, "copies that exist only while it loads");
  if (parts->overhead > parts->all() / 4) return part(parts->overhead, "neither weights nor staging");
  return part(parts->weights, "the weights");
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
    const bool not_run = cell.verdict.empty() || cell.verdict == verdict::not_run;
    if (not_run) ++summary.not_run;
    const bool unfinished = !summary.plan && did_not_finish(cell.verdict);
    if (unfinished) ++summary.unfinished;
    const auto weight = weight_of(cell);
    if (!weight || unfinished) continue;
    if (fits && lighter(cell, summary.best)) summary.best = &cell;
    if (!summary.plan && not_run) continue;
    if (lighter(cell, summary.lightest)) summary.lightest = &cell;
    if (summary.heaviest == nullptr || weight->bytes > weight_of(*summary.heaviest)->bytes) summary.heaviest = &cell;
  }
  return summary;
}

std::string verdict_line(const Record& record) {
  const Summary summary = summarise(record);
  if (summary.ways == 0) return "nothing was weighed.";
  if (summary.ways == 1) return line_of_one(record, summary);
  if (!summary.plan && summary.fitting == 0 && summary.unfinished + summary.not_run == summary.ways) {
    return line_of_none(record, summary);
  }
  const char* fits = summary.plan ? "should fit" : "fits";
  const std::string open = summary.plan ? "" : open_ways(record);
  if (summary.best != nullptr) {
    const std::string how_many = summary.fitting == summary.ways
                                     ? fmt::format("all {} ways", summary.ways)
                                     : fmt::format("{} of {} ways", summary.fitting, summary.ways);
    return fmt::format("{}: {}{}.  Best: {}, {}{}.", fits, how_many, open, way_of(*summary.best),
                       needs(*weight_of(*summary.best)), of_limit(limit_of(record, *summary.best)));
  }
  std::string line = fmt::format("{}: none of {} ways{}.", fits, summary.ways, open);
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
  const std::string& path = record.checkpoint.path;
  const auto shown = [](const std::string& word) { return !word.empty() && printable(word) == word; };
  if (!shown(path)) return "";
  if (summary.best != nullptr) {
    // In a plan the next thing is to measure the best way; after a run there is nothing to ask for the answer.
    const std::string strategy = strategy_name(*summary.best), dtype = summary.best->dtype;
    if (!summary.plan || !shown(strategy) || !shown(dtype)) return "";
    return fmt::format("weighbridge run {} --strategy {} --dtype {}", shell_quoted_path(path), shell_quoted(strategy),
                       shell_quoted(dtype));
  }
  if (summary.lightest == nullptr) return "";
  // Nothing fits: the dtype of the fewest bytes, if it was not looked at.
  const bool known =
      std::any_of(record.cells.begin(), record.cells.end(), [](const Cell& cell) { return cell.dtype == "int8"; });
  if (known) return "";
  return fmt::format("weighbridge plan {} --dtype int8{}", shell_quoted_path(path),
                     summary.lightest->limit_bytes ? " --limit " + exact_bytes(*summary.lightest->limit_bytes) : "");
}

}  // namespace weighbridge::reports
