#include "reports/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "reports/bar.h"
#include "reports/paragraph.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "reports/warnings.h"

namespace weighbridge::reports {
namespace {

constexpr unsigned kNarrowestBar = 10, kWidestBar = 42;
constexpr size_t kFindingsShown = 3;

enum class Tone : uint8_t { none, good, bad, faint, strong };

std::string toned(const TerminalStyle& style, Tone tone, const std::string& text) {
  if (!style.colour || tone == Tone::none || text.empty()) return text;
  const int code = tone == Tone::good ? 32 : tone == Tone::bad ? 31 : tone == Tone::faint ? 2 : 1;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string safe(const TerminalStyle& style, std::string_view text) {
  return printable(text, style.utf8);
}

// ---- The table ------------------------------------------------------------------------------------------------------

struct Column {
  std::string heading;
  bool right = false;
  size_t width = 0;
  int dropped = 0;  // 1 is left out first; 0 never
  bool shown = true;
};

struct Row {
  const Cell* cell = nullptr;
  std::vector<std::string> texts;  // one for each column but the bar
  std::string mark;
  Tone tone = Tone::none;
};

std::string mark_of(const Record& record, const Cell& cell, bool plan) {
  if (plan) return !cell.predicted ? "?" : fits_in(record, cell) ? "ok" : "x";
  return !was_tried(cell.verdict) ? "-" : does_fit(cell.verdict) ? "ok" : "x";
}

class Table {
 public:
  Table(const Record& record, const TerminalStyle& style, bool plan) : record_(record), style_(style), plan_(plan) {
    for (const Cell& cell : record.cells) {
      const Figure limit = limit_of(record, cell);
      if (&cell == &record.cells.front()) limit_ = limit;
      if (limit != limit_) limits_differ_ = true;
      if (cell.cache != record.cells.front().cache) caches_differ_ = true;
      if (const auto weight = weight_of(cell)) largest_ = std::max(largest_, weight->bytes);
    }
    make_columns();
    for (const Cell& cell : record.cells) make_row(cell);
    fit();
  }

  bool fits() const { return fits_; }

  std::string render() const {
    std::string out = heading();
    for (const Row& row : rows_) {
      out += line(row);
      out += below(*row.cell, "   ");
    }
    return out;
  }

  // For terminals that have no room for a table.
  std::string sentences() const {
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
    columns_[kPredicted] = {"PREDICTED", true, 0, 1, !plan_};
    columns_[kCpu] = {"CPU", true, 0, 3, !plan_};
  }

  void make_row(const Cell& cell) {
    Row row;
    row.cell = &cell;
    row.mark = mark_of(record_, cell, plan_);
    row.tone = row.mark == "ok" ? Tone::good : row.mark == "x" ? Tone::bad : Tone::faint;
    row.texts.resize(kColumns);
    row.texts[kStrategy] = safe(style_, strategy_name(cell));
    row.texts[kDtype] = safe(style_, cell.dtype);
    row.texts[kCache] = safe(style_, cell.cache);
    row.texts[kLimit] = human(limit_of(record_, cell));
    const Figure predicted = cell.predicted ? Figure(cell.predicted->need_bytes) : std::nullopt;
    if (plan_) {
      row.texts[kNeed] = human(predicted);
      row.texts[kReclaimable] = human(cell.predicted ? Figure(cell.predicted->reclaimable_bytes) : std::nullopt);
    } else {
      const bool whole = ended_by_itself(cell.verdict);
      row.texts[kNeed] = (cell.need_bytes && !whole ? ">" : "") + human(cell.need_bytes);
      row.texts[kReclaimable] = human(cell.reclaimable_bytes);
      // With the floor, so that it can be compared with the need beside it.
      row.texts[kPredicted] = human(predicted ? Figure(*predicted + cell.floor_bytes.value_or(0)) : std::nullopt);
      row.texts[kCpu] = human_duration(cell.cpu_ns);
    }
    rows_.push_back(std::move(row));
  }

  // Widths from the texts; then columns are left out until the bar has room, and at last the bar itself.
  void fit() {
    for (size_t i = 0; i < kColumns; ++i) {
      columns_[i].width = columns_of(columns_[i].heading);
      for (const Row& row : rows_) columns_[i].width = std::max(columns_[i].width, columns_of(row.texts[i]));
    }
    for (int dropping = 1; dropping <= 5; ++dropping) {
      const size_t taken = width_without_bar();
      const size_t bar = bar_columns_ == 0 ? 0 : kNarrowestBar + 2;
      if (taken + bar <= style_.columns) {
        if (bar_columns_ != 0) {
          bar_columns_ = static_cast<unsigned>(std::min<size_t>(style_.columns - taken - 2, kWidestBar));
        }
        return;
      }
      if (dropping == 2) bar_columns_ = 0;
      for (Column& column : columns_) {
        if (column.dropped == dropping) column.shown = false;
      }
    }
    fits_ = false;
  }

  size_t width_without_bar() const {
    size_t width = 1 + 2;  // the mark
    bool first = true;
    for (const Column& column : columns_) {
      if (!column.shown) continue;
      width += column.width + (first ? 0 : 2);
      first = false;
    }
    return width;
  }

  std::string bar_heading() const {
    const std::string what = limits_differ_ ? "LIMIT" : limit_ ? human(*limit_) : "LARGEST";
    const std::string full = (limits_differ_ || limit_ ? "AGAINST " : "AGAINST THE ") + what;
    if (full.size() <= bar_columns_) return full;
    return what.size() + 3 <= bar_columns_ ? "OF " + what : what;
  }

  void put(std::string& out, const Column& column, const std::string& text) const {
    if (!out.empty()) out += "  ";
    const std::string pad(column.width - std::min(column.width, columns_of(text)), ' ');
    out += column.right ? pad + text : text + pad;
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
    const Bytes cache =
        plan_ ? cell.predicted ? cell.predicted->reclaimable_bytes : 0 : cell.reclaimable_bytes.value_or(0);
    return draw({weight->bytes, cache, limit_of(record_, cell), largest_, bar_columns_, style_.utf8});
  }

  // The reason of a cell that does more or less than fit, and with -v its trials.
  std::string below(const Cell& cell, std::string_view indent) const {
    std::string out;
    if (!plan_ && cell.verdict != verdict::fits) {
      const std::string reason = safe(style_, cell.verdict + (cell.reason.empty() ? "" : ": " + cell.reason));
      out += paragraph(reason, style_.columns, indent, std::string(indent) + "  ");
    }
    if (style_.verbosity < 1) return out;
    for (const Trial& trial : cell.trials) {
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
      out += paragraph(safe(style_, text), style_.columns, indent, std::string(indent) + "  ");
    }
    return out;
  }

  const Record& record_;
  const TerminalStyle& style_;
  bool plan_;
  Figure limit_;
  bool limits_differ_ = false, caches_differ_ = false, fits_ = true;
  Bytes largest_ = 0;
  unsigned bar_columns_ = kNarrowestBar;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

std::string table(const Record& record, const TerminalStyle& style, bool plan) {
  if (record.cells.empty()) return "";
  const Table table(record, style, plan);
  return table.fits() ? table.render() : table.sentences();
}

// ---- Below the table ------------------------------------------------------------------------------------------------

std::string warnings_block(const Record& record, const TerminalStyle& style) {
  const std::vector<std::string> all = warnings(record, style.verbosity > 0);
  if (all.empty()) return "";
  if (all.size() == 1) return "\n" + paragraph(safe(style, "1 warning: " + all[0]), style.columns, "", "   ");
  std::string out = "\n" + paragraph(fmt::format("{} warnings:", all.size()), style.columns, "", "");
  for (const std::string& one : all) out += paragraph(safe(style, one), style.columns, " - ", "   ");
  return out;
}

// What to change, most saved first. Those that make a way fail come with their remedy, the rest with -v.
std::string findings_block(const Record& record, const TerminalStyle& style) {
  std::string out;
  size_t shown = 0;
  for (const Finding& finding : record.findings) {
    const bool all = style.verbosity > 0;
    if (!all && (finding.severity == "low" || shown == kFindingsShown)) continue;
    ++shown;
    const std::string saves = finding.saves_bytes ? fmt::format("saves {}: ", human(*finding.saves_bytes)) : "";
    out += paragraph(safe(style, saves + finding.title + "."), style.columns, " - ", "   ");
    if (all || finding.severity == "high") out += paragraph(safe(style, finding.remedy), style.columns, "   ", "   ");
  }
  if (out.empty()) return "";
  return "\n" + paragraph("What to change, most saved first:", style.columns, "", "") + out;
}

std::string verdict_block(const Record& record, const TerminalStyle& style) {
  const Summary summary = summarise(record);
  const Tone tone = summary.best != nullptr ? Tone::good : summary.not_run == summary.ways ? Tone::faint : Tone::bad;
  std::string first = paragraph(safe(style, verdict_line(record)), style.columns, "", "   ");
  first.pop_back();
  std::string out = "\n" + toned(style, tone, first) + "\n";
  if (const std::string heaviest = heaviest_line(record); !heaviest.empty()) {
    out += paragraph(safe(style, heaviest), style.columns, "", "   ");
  }
  // A command is to be copied, so it is not broken into lines.
  if (const std::string command = try_line(record); !command.empty()) out += fmt::format("  try   {}\n", command);
  return out;
}

}  // namespace

std::string render_verdict(const Record& record, const TerminalStyle& style) {
  return safe(style, verdict_line(record)) + "\n";
}

std::string render_terminal(const Record& record, const TerminalStyle& style) {
  if (style.verbosity < 0) return render_verdict(record, style);
  return table(record, style, false) + warnings_block(record, style) + findings_block(record, style) +
         verdict_block(record, style);
}

std::string render_plan(const Record& record, const TerminalStyle& style) {
  if (style.verbosity < 0) return render_verdict(record, style);
  const std::string note = paragraph(
      "NEED is predicted, without the floor: what a process needs that has loaded nothing.", style.columns, "", "   ");
  return table(record, style, true) + "\n" + note + verdict_block(record, style);
}

}  // namespace weighbridge::reports
