#include "reports/fit_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "reports/column.h"
#include "reports/paragraph.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/tone.h"
#include "reports/units.h"

namespace weighbridge::reports {
namespace {

constexpr size_t kWaysInLine = 3;

bool same_limit(const Fit& fit) {  // as far as a person sees
  return fit.survival && fit.useful && human(fit.survival->limit_bytes) == human(fit.useful->limit_bytes);
}

std::string clause(const Fit& fit) {
  const std::string way = way_of(fit);
  if (same_limit(fit)) return fmt::format("{} needs {}", way, human(fit.useful->limit_bytes));
  if (fit.survival && fit.useful) {
    const std::string slow =
        fit.useful->slowdown ? fmt::format(" ({} as long)", human_slowdown(fit.useful->slowdown)) : "";
    return fmt::format("{} survives in {}, but is useful only from {}{}", way, human(fit.survival->limit_bytes),
                       human(fit.useful->limit_bytes), slow);
  }
  if (fit.survival) {
    return fmt::format("{} survives in {}, from where on it is useful is not known", way,
                       human(fit.survival->limit_bytes));
  }
  if (fit.useful) return fmt::format("{} is useful from {}", way, human(fit.useful->limit_bytes));
  return fmt::format("{} has none that was found", way);
}

// The points that are shown of a way: those found, one of them where they are the same.
std::vector<std::pair<const char*, const FitPoint*>> found(const Fit& fit) {
  std::vector<std::pair<const char*, const FitPoint*>> points;
  if (fit.survival) points.emplace_back("in", &*fit.survival);
  if (fit.useful && !(fit.survival && *fit.survival == *fit.useful)) points.emplace_back("from", &*fit.useful);
  return points;
}

std::string limit_of(const std::optional<FitPoint>& point) {
  return point ? human(point->limit_bytes) : "-";
}

std::string slowdown_of(const std::optional<FitPoint>& point) {
  return point ? human_slowdown(point->slowdown) : "-";
}

class Table {
 public:
  Table(const Record& record, const TerminalStyle& style) : record_(record), style_(style) {
    columns_ = {{"WAY"},
                {"PREDICTED", true, 0, 1},
                {"SURVIVES IN", true},
                {"TIME", true, 0, 2},
                {"USEFUL FROM", true},
                {"TIME", true, 0, 2}};
    for (const Fit* fit : by_survival(record)) {
      fits_.push_back(fit);
      rows_.push_back({safe(style, way_of(*fit)), human(fit->predicted_bytes), limit_of(fit->survival),
                       slowdown_of(fit->survival), limit_of(fit->useful), slowdown_of(fit->useful)});
    }
    measure(columns_, rows_);
    for (int dropping = 1; dropping <= 2 && width_of(columns_) > style.columns; ++dropping) {
      leave_out(columns_, dropping);
    }
  }

  std::string render() const {
    const bool fits = width_of(columns_) <= style_.columns;
    std::string out;
    if (fits) {
      std::vector<std::string> headings;
      for (const Column& column : columns_) headings.push_back(column.heading);
      out = toned(style_, Tone::strong, line(headings)) + "\n";
    }
    for (size_t i = 0; i < fits_.size(); ++i) {
      out += fits ? line(rows_[i]) + "\n" : paragraph(in_words(rows_[i]), style_.columns, "", "   ");
      out += below(*fits_[i]);
    }
    return out;
  }

 private:
  std::string line(const std::vector<std::string>& texts) const {
    std::string out;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].shown) put(out, columns_[i], texts[i]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

  static std::string in_words(const std::vector<std::string>& row) {
    if (row[2] == "-" && row[4] == "-") return row[0] + ": no limit was found";
    return fmt::format("{}: survives in {} ({}), useful from {} ({})", row[0], row[2], row[3], row[4], row[5]);
  }

  std::string below(const Fit& fit) const {
    std::string out;
    const auto add = [&](const char* word, const FitPoint& point, const std::string& more) {
      const std::string text =
          fmt::format("{} {}: {}{}", word, human(point.limit_bytes), more, said_of(point, record_.machine.page_bytes));
      out += paragraph(safe(style_, text), style_.columns, "   ", "     ");
    };
    for (const auto& [word, point] : found(fit)) add(word, *point, "");
    if (style_.verbosity < 1) return out;
    for (const FitPoint& point : fit.tries) {
      add("tried", point, point.slowdown ? human_slowdown(point.slowdown) + " as long, " : "");
    }
    return out;
  }

  const Record& record_;
  const TerminalStyle& style_;
  std::vector<Column> columns_;
  std::vector<const Fit*> fits_;
  std::vector<std::vector<std::string>> rows_;
};

// Of what is shown and not known; reasons that several ways share stand once.
std::string reasons_block(const Record& record, const TerminalStyle& style) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> ways;  // figures, reason -> ways
  for (const Fit* fit : by_survival(record)) {
    std::set<std::string> unknown;
    if (!fit->predicted_bytes) unknown.insert("predicted_bytes");
    if (!fit->survival) unknown.insert("survival");
    if (!fit->useful) unknown.insert("useful");
    std::vector<const FitPoint*> points;
    for (const auto& [word, point] : found(*fit)) points.push_back(point);
    if (style.verbosity > 0) {
      for (const FitPoint& point : fit->tries) points.push_back(&point);
    }
    for (const FitPoint* point : points) {
      if (!point->slowdown) unknown.insert("slowdown");
      if (!point->major_faults) unknown.insert("major_faults");
      if (!point->refault_file_pages) unknown.insert("refault_file_pages");
      if (!point->stall_ns) unknown.insert("stall_ns");
    }
    std::map<std::string, std::vector<std::string>> figures;  // reason -> figures
    for (const std::string& figure : unknown) {
      const auto reason = fit->unavailable.find(figure);
      figures[reason == fit->unavailable.end() ? "no reason was kept" : reason->second].push_back(figure);
    }
    for (const auto& [reason, names] : figures) {
      ways[{fmt::format("{}", fmt::join(names, ", ")), reason}].push_back(way_of(*fit));
    }
  }
  std::string out = ways.empty() ? "" : "\n";
  for (const auto& [what, of] : ways) {
    const std::string text = fmt::format("not known of {}: {} ({}).", fmt::join(of, ", "), what.first, what.second);
    out += paragraph(safe(style, text), style.columns, "", "   ");
  }
  return out;
}

}  // namespace

std::string way_of(const Fit& fit) {
  Cell cell;
  cell.strategy = fit.strategy;
  cell.options = fit.options;
  cell.dtype = fit.dtype;
  return way_of(cell);
}

std::vector<const Fit*> by_survival(const Record& record) {
  std::vector<const Fit*> fits;
  for (const Fit& fit : record.fits) fits.push_back(&fit);
  const auto first = [](const Fit& fit) { return fit.survival ? fit.survival : fit.useful; };
  std::stable_sort(fits.begin(), fits.end(), [&](const Fit* a, const Fit* b) {
    const auto of_a = first(*a), of_b = first(*b);
    return of_a && of_b ? of_a->limit_bytes < of_b->limit_bytes : of_a.has_value() && !of_b.has_value();
  });
  return fits;
}

std::string fit_line(const Record& record) {
  std::vector<const Fit*> fits = by_survival(record);
  if (fits.empty()) return "No way was fitted.";
  const Fit* most_useful = nullptr;
  for (const Fit* fit : fits) {
    const bool better =
        fit->useful && (most_useful == nullptr || fit->useful->limit_bytes < most_useful->useful->limit_bytes);
    if (better) most_useful = fit;
  }
  const size_t more = fits.size() - std::min(fits.size(), kWaysInLine);
  fits.resize(fits.size() - more);
  if (most_useful != nullptr && std::find(fits.begin(), fits.end(), most_useful) == fits.end()) {
    fits.back() = most_useful;
  }
  std::vector<std::string> clauses;
  for (const Fit* fit : fits) clauses.push_back(clause(*fit));
  return fmt::format("The smallest limit: {}{}.", fmt::join(clauses, "; "),
                     more == 0 ? "" : "; and " + counted(more, "more way", "more ways"));
}

std::string human_slowdown(const std::optional<double>& slowdown) {
  if (!slowdown) return "-";
  return *slowdown < 9.95 ? fmt::format("{:.1f}x", *slowdown) : fmt::format("{:.0f}x", *slowdown);
}

std::string said_of(const FitPoint& point, Bytes page_bytes) {
  std::vector<std::string> parts = {point.verdict};
  if (point.major_faults) parts.push_back(counted(*point.major_faults, "major fault", "major faults"));
  if (point.refault_file_pages) {
    parts.push_back(human(*point.refault_file_pages * (page_bytes == 0 ? 4096 : page_bytes)) + " read again");
  }
  if (point.stall_ns) {
    parts.push_back("stood still for " + human_duration(*point.stall_ns) +
                    (point.wall_ns ? " of " + human_duration(*point.wall_ns) : ""));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string render_fit(const Record& record, const TerminalStyle& style) {
  const auto found_one = [](const Fit& fit) { return fit.survival || fit.useful; };
  const bool any = std::any_of(record.fits.begin(), record.fits.end(), found_one);
  std::string verdict = paragraph(safe(style, fit_line(record)), style.columns, "", "   ");
  if (style.verbosity < 0) return safe(style, fit_line(record)) + "\n";
  verdict.pop_back();
  std::string out = toned(style, any ? Tone::good : Tone::bad, verdict) + "\n";
  if (record.fits.empty()) return out;
  return out + "\n" + Table(record, style).render() + reasons_block(record, style) + render_warnings(record, style);
}

std::string render_fit_plain(const Record& record) {
  std::string out = "strategy\toptions\tdtype\tpredicted_bytes";
  for (const char* point : {"survival", "useful"}) {
    for (const char* figure : {"limit_bytes", "verdict", "slowdown", "wall_ns", "major_faults", "refault_file_pages",
                               "stall_ns", "trials"}) {
      out += fmt::format("\t{}_{}", point, figure);
    }
  }
  out += "\ttries\n";
  const auto figure = [](const Figure& value) { return value ? std::to_string(*value) : "-"; };
  const auto text = [](const std::string& value) { return value.empty() ? "-" : printable(value); };
  for (const Fit& fit : record.fits) {
    std::string options;
    for (const auto& [name, value] : fit.options) options += (options.empty() ? "" : ",") + name + "=" + value;
    std::vector<std::string> fields = {text(fit.strategy), text(options), text(fit.dtype), figure(fit.predicted_bytes)};
    for (const auto* point : {&fit.survival, &fit.useful}) {
      if (!*point) {
        fields.insert(fields.end(), 8, "-");
        continue;
      }
      const FitPoint& at = **point;
      fields.insert(fields.end(), {std::to_string(at.limit_bytes), text(at.verdict),
                                   at.slowdown ? fmt::format("{:.4g}", *at.slowdown) : "-", figure(at.wall_ns),
                                   figure(at.major_faults), figure(at.refault_file_pages), figure(at.stall_ns),
                                   std::to_string(at.trials)});
    }
    fields.push_back(std::to_string(fit.tries.size()));
    out += fmt::format("{}\n", fmt::join(fields, "\t"));
  }
  return out;
}

}  // namespace weighbridge::reports
