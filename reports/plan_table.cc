#include "reports/plan_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "reports/column.h"
#include "reports/forecast.h"
#include "reports/paragraph.h"
#include "reports/summary.h"
#include "reports/tone.h"
#include "reports/units.h"

namespace weighbridge::reports {
namespace {

constexpr Bytes kMiB = 1 << 20;

const char* mark_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::fits:
      return "ok";
    case Outcome::reclaims:
      return "ok*";
    case Outcome::too_close:
      return "~";
    case Outcome::too_large:
      return "x";
    case Outcome::unknown:
      break;
  }
  return "?";
}

Tone tone_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::fits:
    case Outcome::reclaims:
      return Tone::good;
    case Outcome::too_large:
      return Tone::bad;
    case Outcome::too_close:
    case Outcome::unknown:
      break;
  }
  return Tone::faint;
}

// "1.71 GiB", "-17.1 GiB": what is left of the limit by what counts against it.
std::string left_of(const Record& record, const Forecast& forecast) {
  const auto bound = bound_of(record, *forecast.cell);
  if (!bound || !forecast.cell->predicted) return "-";
  const Bytes counts = counted_against(*bound, *forecast.cell);
  return counts > bound->bytes ? "-" + human(counts - bound->bytes) : human(bound->bytes - counts);
}

class Table {
 public:
  Table(const Record& record, const TerminalStyle& style)
      : record_(record), style_(style), ways_(ranked(record)), columns_(kColumns) {
    Figure limit = ways_.front().limit;
    bool differ = false;
    for (const Forecast& way : ways_) differ = differ || way.limit != limit;
    columns_[kStrategy] = {"STRATEGY"};
    columns_[kDtype] = {"DTYPE"};
    columns_[kNeed] = {"NEED", true, 0, 3};
    columns_[kCache] = {"+CACHE", true, 0, 1};
    columns_[kFitsIn] = {"FITS IN", true};
    columns_[kLeft] = {differ || !limit ? "LEFT" : "LEFT OF " + human(*limit), true, 0, 2, differ || limit};
    for (const Forecast& way : ways_) make_row(way);
    measure(columns_, rows_);
    for (int dropping = 1; room_taken() > style.columns && dropping <= 3; ++dropping) leave_out(columns_, dropping);
  }

  std::string render() const {
    if (room_taken() > style_.columns) return sentences() + legend();
    std::string out;
    for (size_t i = 0; i < kColumns; ++i) {
      if (columns_[i].shown) put(out, columns_[i], columns_[i].heading);
    }
    out = toned(style_, Tone::strong, out) + "\n";
    for (size_t row = 0; row < rows_.size(); ++row) {
      std::string line;
      for (size_t i = 0; i < kColumns; ++i) {
        if (columns_[i].shown) put(line, columns_[i], rows_[row][i]);
      }
      out += line + "  " + toned(style_, tone_of(ways_[row].outcome), mark_of(ways_[row].outcome)) + "\n";
    }
    return out + legend();
  }

 private:
  enum Index : size_t { kStrategy, kDtype, kNeed, kCache, kFitsIn, kLeft, kColumns };

  size_t room_taken() const { return width_of(columns_) + 2 + 3; }  // the mark

  void make_row(const Forecast& way) {
    const Cell& cell = *way.cell;
    const auto weight = weight_of(cell);
    rows_.push_back({safe(style_, strategy_name(cell)), safe(style_, cell.dtype),
                     human(weight ? Figure(weight->bytes) : std::nullopt),
                     human(cell.predicted ? Figure(cell.predicted->reclaimable_bytes) : std::nullopt),
                     cell.predicted ? limit_to_paste(limit_to_ask_for(*cell.predicted)) : "-", left_of(record_, way)});
  }

  std::string sentences() const {
    std::string out;
    for (size_t row = 0; row < rows_.size(); ++row) {
      const std::string text = fmt::format("{} {}: fits in {}", mark_of(ways_[row].outcome),
                                           safe(style_, way_of(*ways_[row].cell)), rows_[row][kFitsIn]);
      out += paragraph(text, style_.columns, "", "   ");
    }
    return out;
  }

  std::string legend() const {
    const auto has = [&](Outcome outcome) {
      return std::any_of(ways_.begin(), ways_.end(), [&](const Forecast& way) { return way.outcome == outcome; });
    };
    std::string out = paragraph(
        "NEED is predicted, with the floor of a worker here. FITS IN adds page tables and what reading takes: "
        "the smallest limit to ask for, without swap; weighbridge fit measures it.",
        style_.columns, "", "   ");
    if (has(Outcome::reclaims)) {
      out += paragraph(
          "ok* should end as fits-reclaiming: +CACHE has not room for all, and what is taken back is read again when "
          "used.",
          style_.columns, "", "   ");
    }
    if (has(Outcome::too_close)) {
      out += paragraph("~   is too close to say: what must be held fits, what reading takes beside it may not.",
                       style_.columns, "", "   ");
    }
    // Each strategy once, with its largest file.
    std::map<std::string, Bytes> files;
    for (const Forecast& way : ways_) {
      if (!way.cell->predicted || way.cell->predicted->disk_bytes == 0) continue;
      Bytes& most = files[strategy_name(*way.cell)];
      most = std::max(most, way.cell->predicted->disk_bytes);
    }
    for (const auto& [strategy, bytes] : files) {
      out += paragraph(
          fmt::format("{} leaves a file on the disk, of {} at the most.", safe(style_, strategy), human(bytes)),
          style_.columns, "", "   ");
    }
    if (has(Outcome::unknown)) {
      out += paragraph("?   has no plan that could be counted.", style_.columns, "", "   ");
    }
    return "\n" + out;
  }

  const Record& record_;
  const TerminalStyle& style_;
  std::vector<Forecast> ways_;
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace

std::string limit_to_paste(Bytes bytes) {
  return fmt::format("{}MiB", bytes / kMiB + (bytes % kMiB == 0 ? 0 : 1));
}

std::string plan_table(const Record& record, const TerminalStyle& style) {
  return record.cells.empty() ? "" : Table(record, style).render();
}

}  // namespace weighbridge::reports
