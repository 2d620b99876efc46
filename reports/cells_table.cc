#include "reports/cells_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "reports/bar.h"
#include "reports/column.h"
#include "reports/evidence.h"
#include "reports/paragraph.h"
#include "reports/summary.h"
#include "reports/tone.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports {
namespace {

constexpr unsigned kNarrowestBar = 10, kWidestBar = 42;

struct Row {
  const Cell* cell = nullptr;
  std::vector<std::string> texts;  // one for each column but the bar
  std::string mark;
  Tone tone = Tone::none;
};

std::string mark_of(const Cell& cell) {
  return !was_tried(cell.verdict) ? "-" : does_fit(cell.verdict) ? "ok" : "x";
}

// Where limits differ, each limit's ways together, the largest first: so that it is seen what fits in it.
std::vector<const Cell*> by_limit(const Record& record) {
  std::vector<const Cell*> cells;
  for (const Cell& cell : record.cells) cells.push_back(&cell);
  std::stable_sort(cells.begin(), cells.end(), [](const Cell* a, const Cell* b) {
    return a->limit_bytes && b->limit_bytes ? *a->limit_bytes > *b->limit_bytes : !a->limit_bytes && b->limit_bytes;
  });
  return cells;
}

class Table {
 public:
  Table(const Record& record, const TerminalStyle& style) : record_(record), style_(style) {
    for (const Cell& cell : record.cells) {
      const Figure limit = limit_of(record, cell);
      if (&cell == &record.cells.front()) limit_ = limit;
      if (limit != limit_) limits_differ_ = true;
      if (cell.cache != record.cells.front().cache) caches_differ_ = true;
      if (const auto weight = weight_of(cell)) largest_ = std::max(largest_, weight->bytes);
    }
    make_columns();
    for (const Cell* cell : by_limit(record)) make_row(*cell);
    fit();
  }

  bool fits() const { return fits_; }

  std::string render() {
    std::string out = heading();
    for (const Row& row : rows_) {
      out += line(row);
      out += below(*row.cell, "   ");
    }
    return out;
  }

  // For terminals that have no room for a table.
  std::string sentences() {
    std::string out;
    for (const Row& row : rows_) {
      const auto weight = weight_of(*row.cell);
      const Figure limit = limit_of(record_, *row.cell);
      std::string text = fmt::format("{} {}", row.mark, safe(style_, way_of(*row.cell)));
      if (weight) {
        text += fmt::format(": {}{}{}", weight->source == Weight::Source::reached ? ">" : "", human(weight->bytes),
                            limit ? " of " + human(*limit) : "");
      }
      out += paragraph(text, style_.columns, "", "   ");
      out += below(*row.cell, "   ");
    }
    return out;
  }

 private:
  enum Index : size_t { kStrategy, kDtype, kCache, kLimit, kNeed, kReclaimable, kPredicted, kCpu, kColumns };

  void make_columns() {
    columns_.resize(kColumns);
    columns_[kStrategy] = {"STRATEGY"};
    columns_[kDtype] = {"DTYPE"};
    columns_[kCache] = {"START", false, 0, 0, caches_differ_};
    columns_[kLimit] = {"LIMIT", true, 0, 0, limits_differ_};
    columns_[kNeed] = {"NEED", true};
    columns_[kReclaimable] = {"+CACHE", true, 0, 4};
    columns_[kPredicted] = {"PREDICTED", true, 0, 1};
    columns_[kCpu] = {"CPU", true, 0, 3};
  }

  void make_row(const Cell& cell) {
    Row row;
    row.cell = &cell;
    row.mark = mark_of(cell);
    row.tone = row.mark == "ok" ? Tone::good : row.mark == "x" ? Tone::bad : Tone::faint;
    row.texts.resize(kColumns);
    row.texts[kStrategy] = safe(style_, strategy_name(cell));
    row.texts[kDtype] = safe(style_, cell.dtype);
    row.texts[kCache] = safe(style_, cell.cache);
    row.texts[kLimit] = human(limit_of(record_, cell));
    const bool whole = ended_by_itself(cell.verdict);
    row.texts[kNeed] = (cell.need_bytes && !whole ? ">" : "") + human(cell.need_bytes);
    row.texts[kReclaimable] = human(cell.reclaimable_bytes);
    row.texts[kPredicted] = human(predicted_need(cell));
    row.texts[kCpu] = human_duration(cell.cpu_ns);
    rows_.push_back(std::move(row));
  }

  // Columns are left out until the bar has room, and at last the bar itself.
  void fit() {
    std::vector<std::vector<std::string>> texts;
    for (const Row& row : rows_) texts.push_back(row.texts);
    measure(columns_, texts);
    for (int dropping = 1; dropping <= 5; ++dropping) {
      const size_t taken = width_of(columns_) + 1 + 2;  // the mark
      const size_t bar = bar_columns_ == 0 ? 0 : kNarrowestBar + 2;
      if (taken + bar <= style_.columns) {
        if (bar_columns_ != 0) {
          bar_columns_ = static_cast<unsigned>(std::min<size_t>(style_.columns - taken - 2, kWidestBar));
        }
        return;
      }
      if (dropping == 2) bar_columns_ = 0;
      leave_out(columns_, dropping);
    }
    fits_ = false;
  }

  std::string bar_heading() const {
    const std::string what = limits_differ_ ? "LIMIT" : limit_ ? human(*limit_) : "LARGEST";
    const std::string full = (limits_differ_ || limit_ ? "AGAINST " : "AGAINST THE ") + what;
    if (full.size() <= bar_columns_) return full;
    return what.size() + 3 <= bar_columns_ ? "OF " + what : what;
  }

  std::string heading() const {
    std::string out;
    for (size_t i = 0; i < kColumns; ++i) {
      if (i == kCpu) {
        out += fmt::format("{}{:{}}   ", bar_columns_ == 0 ? "" : "  ", bar_columns_ == 0 ? "" : bar_heading(),
                           bar_columns_);
      }
      if (columns_[i].shown) put(out, columns_[i], columns_[i].heading);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return toned(style_, Tone::strong, out) + "\n";
  }

  std::string line(const Row& row) const {
    std::string out;
    for (size_t i = 0; i < kColumns; ++i) {
      if (i == kCpu) {
        if (bar_columns_ != 0) out += "  " + toned(style_, row.tone, bar(*row.cell));
        out += " " + toned(style_, row.tone, fmt::format("{:2}", row.mark));
      }
      if (columns_[i].shown) put(out, columns_[i], row.texts[i]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out + "\n";
  }

  std::string bar(const Cell& cell) const {
    const auto weight = weight_of(cell);
    if (!weight) return std::string(bar_columns_, ' ');
    const auto bound = bound_of(record_, cell);
    Bar bar{weight->bytes, 0, limit_of(record_, cell), largest_, bar_columns_, style_.utf8};
    if (bound && bound->mappings) {
      bar.need = counted_against(*bound, cell);  // a mapping takes address space as a need does
    } else {
      bar.cache = cell.reclaimable_bytes.value_or(0);
    }
    return draw(bar);
  }

  // The reason of a cell that does more or less than fit, what its limit did to it, and with -v its trials. Of the
  // first that was stopped also who says so, of the others with -v.
  std::string below(const Cell& cell, std::string_view indent) {
    const std::string deeper = std::string(indent) + "  ";
    std::string out;
    if (cell.verdict != verdict::fits) {
      const std::string reason = safe(style_, cell.verdict + (cell.reason.empty() ? "" : ": " + cell.reason));
      out += paragraph(reason, style_.columns, indent, deeper);
      if (const std::string pressure = under_pressure(cell, record_.machine.page_bytes); !pressure.empty()) {
        out += paragraph(pressure, style_.columns, deeper, deeper + "  ");
      }
    }
    if (style_.verbosity < 1) {
      const Trial* trial = telling_trial(cell);
      const Evidence* evidence = trial == nullptr || evidence_shown_ ? nullptr : most_telling(*trial);
      if (evidence != nullptr) {
        out += paragraph(safe(style_, sentence(*evidence)), style_.columns, deeper, deeper + "  ");
        evidence_shown_ = true;
      }
      return out;
    }
    for (const Trial& trial : cell.trials) out += of_trial(trial, indent, deeper);
    return out;
  }

  std::string of_trial(const Trial& trial, std::string_view indent, const std::string& deeper) const {
    Bytes need = 0;
    uint64_t wall_ns = 0, cpu_ns = 0;
    for (const Phase& phase : trial.phases) {
      need = std::max(need, phase.need_peak_bytes);
      wall_ns += phase.wall_ns;
      cpu_ns += phase.cpu_ns;
    }
    std::string text = fmt::format("trial {}: {}, need {}, wall {}, CPU {}", trial.number, trial.verdict, human(need),
                                   human_duration(wall_ns), human_duration(cpu_ns));
    if (!trial.reached.empty()) text += ", reached " + trial.reached;
    std::string out = paragraph(safe(style_, text), style_.columns, indent, deeper);
    for (const Evidence& evidence : trial.evidence) {
      out += paragraph(safe(style_, sentence(evidence)), style_.columns, deeper, deeper + "  ");
    }
    return out;
  }

  const Record& record_;
  const TerminalStyle& style_;
  Figure limit_;
  bool limits_differ_ = false, caches_differ_ = false, fits_ = true, evidence_shown_ = false;
  Bytes largest_ = 0;
  unsigned bar_columns_ = kNarrowestBar;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace

std::string cells_table(const Record& record, const TerminalStyle& style) {
  if (record.cells.empty()) return "";
  Table table(record, style);
  return table.fits() ? table.render() : table.sentences();
}

}  // namespace weighbridge::reports
