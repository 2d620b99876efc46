// The sentences of summary.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <vector>

#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

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

// " of 8.00 GiB", behind what is needed of it; where mappings count too, with them.
std::string of_bound(const Record& record, const Cell& cell) {
  const auto bound = bound_of(record, cell);
  if (!bound) return "";
  const Bytes counts = counted_against(*bound, cell);
  const auto weight = weight_of(cell);
  if (bound->mappings && weight && counts > weight->bytes) {
    return fmt::format(", with its mappings {} of {} of address space", human(counts), human(bound->bytes));
  }
  return " of " + human(bound->bytes);
}

std::string in_limit(const Figure& limit) {
  return limit ? "in " + human(*limit) : "without a limit";
}

// The cell's own limit, or the one that a plan was asked about.
std::string limit_option(const Record& record, const Cell& cell) {
  if (cell.limit_bytes) return " --limit " + exact_bytes(*cell.limit_bytes);
  const Limit* bites = record.limit();
  return bites != nullptr && bites->source == kAskedLimit ? " --limit " + exact_bytes(bites->bytes) : "";
}

// The same way in each limit, once; that it starts cold in a limit and warm without is no other way then.
bool is_one_way(const Record& record, const Summary& summary) {
  const Cell& first = record.cells.front();
  return record.cells.size() == summary.limits.size() &&
         std::all_of(record.cells.begin(), record.cells.end(), [&](const Cell& cell) {
           return strategy_name(cell) == strategy_name(first) && cell.dtype == first.dtype;
         });
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
  const std::string needed = weight ? ", " + needs(*weight) + of_bound(record, cell) : "";
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

// "fits: mmap native in 4.00 GiB, in 1.00 GiB, not in 512 MiB; needs 420 MiB." A limit in which it was not run, or did
// not finish, is in neither list.
std::string line_of_one_way(const Record& record, const Summary& summary) {
  std::vector<std::string> in, not_in;
  for (const Cell& cell : record.cells) {
    const bool told = summary.plan ? cell.predicted.has_value() : does_not_fit(cell.verdict);
    if (fits_in(record, cell)) {
      in.push_back(in_limit(limit_of(record, cell)));
    } else if (told) {
      not_in.push_back(in_limit(limit_of(record, cell)));
    }
  }
  const char* fits = summary.plan ? "should fit" : "fits";
  const char* not_fits = summary.plan ? "should not fit" : "does not fit";
  const Cell& first = record.cells.front();
  const bool alike = std::all_of(record.cells.begin(), record.cells.end(),
                                 [&](const Cell& cell) { return cell.cache == first.cache; });
  const std::string way = alike ? way_of(first) : printable(strategy_name(first) + " " + first.dtype);
  std::string line = fmt::format("{}: {} ", in.empty() ? not_fits : fits, way);
  line += fmt::format("{}", fmt::join(in.empty() ? not_in : in, ", "));
  if (!in.empty() && !not_in.empty()) line += fmt::format(", not {}", fmt::join(not_in, ", "));
  if (!summary.plan) line += open_ways(record);
  const Cell* cell = summary.best != nullptr ? summary.best : summary.lightest;
  return line + (cell == nullptr ? "." : fmt::format("; {}.", needs(*weight_of(*cell))));
}

// "fits: 9 of 12 ways in 4.00 GiB; 3 of 12 in 1.00 GiB.  Best in 1.00 GiB: mmap native, needs 420 MiB."
std::string line_of_limits(const Record& record, const Summary& summary) {
  if (is_one_way(record, summary)) return line_of_one_way(record, summary);
  std::vector<std::string> counts;
  for (const InLimit& limit : summary.limits) {
    const std::string how_many = limit.fitting == limit.ways && limit.ways > 1 ? fmt::format("all {}", limit.ways)
                                 : limit.fitting == 0                          ? fmt::format("none of {}", limit.ways)
                                                      : fmt::format("{} of {}", limit.fitting, limit.ways);
    counts.push_back(fmt::format("{}{} {}", how_many, counts.empty() ? " ways" : "", in_limit(limit.limit)));
  }
  std::string line = fmt::format("{}: {}{}.", summary.plan ? "should fit" : "fits", fmt::join(counts, "; "),
                                 summary.plan ? "" : open_ways(record));
  if (summary.best != nullptr) {
    // In the smallest limit that any way fits in: it does in the others too.
    line += fmt::format("  Best {}: {}, {}.", in_limit(limit_of(record, *summary.best)), way_of(*summary.best),
                        needs(*weight_of(*summary.best)));
  } else if (summary.lightest != nullptr) {
    line += fmt::format("  Lightest: {}, {}{}.", way_of(*summary.lightest), needs(*weight_of(*summary.lightest)),
                        of_bound(record, *summary.lightest));
  }
  return line;
}

}  // namespace

std::string way_of(const Cell& cell) {
  return printable(strategy_name(cell) + " " + cell.dtype + (cell.cache == "cold" ? " cold" : ""));
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

std::string verdict_line(const Record& record) {
  const Summary summary = summarise(record);
  if (summary.ways == 0) return "nothing was weighed.";
  if (summary.ways == 1) return line_of_one(record, summary);
  if (!summary.plan && summary.fitting == 0 && summary.unfinished + summary.not_run == summary.ways) {
    return line_of_none(record, summary);
  }
  if (summary.limits.size() > 1) return line_of_limits(record, summary);
  const char* fits = summary.plan ? "should fit" : "fits";
  const std::string open = summary.plan ? "" : open_ways(record);
  if (summary.best != nullptr) {
    const std::string how_many = summary.fitting == summary.ways
                                     ? fmt::format("all {} ways", summary.ways)
                                     : fmt::format("{} of {} ways", summary.fitting, summary.ways);
    return fmt::format("{}: {}{}.  Best: {}, {}{}.", fits, how_many, open, way_of(*summary.best),
                       needs(*weight_of(*summary.best)), of_bound(record, *summary.best));
  }
  std::string line = fmt::format("{}: none of {} ways{}.", fits, summary.ways, open);
  if (summary.lightest != nullptr) {
    line += fmt::format("  Lightest: {}, {}{}.", way_of(*summary.lightest), needs(*weight_of(*summary.lightest)),
                        of_bound(record, *summary.lightest));
  }
  return line;
}

std::string heaviest_line(const Record& record) {
  const Summary summary = summarise(record);
  if (summary.heaviest == nullptr || summary.ways < 2 || summary.heaviest == summary.best) return "";
  if (is_one_way(record, summary)) return "";
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
    return fmt::format("weighbridge run {} --strategy {} --dtype {}{}", shell_quoted_path(path), shell_quoted(strategy),
                       shell_quoted(dtype), limit_option(record, *summary.best));
  }
  if (summary.lightest == nullptr) return "";
  // Nothing fits: the dtype of the fewest bytes, if it was not looked at.
  const bool known =
      std::any_of(record.cells.begin(), record.cells.end(), [](const Cell& cell) { return cell.dtype == "int8"; });
  if (known) return "";
  return fmt::format("weighbridge plan {} --dtype int8{}", shell_quoted_path(path),
                     limit_option(record, *summary.lightest));
}

}  // namespace weighbridge::reports
