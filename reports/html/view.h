// What several sections of the page need to know about the record beyond its figures: which cells fit, how they are
// called when axes vary, on which scale their bars stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reports/html/out.h"
#include "reports/record.h"
#include "reports/summary.h"

namespace weighbridge::reports::html {

// The verdicts in four kinds, each with a mark of its own.
enum class Outcome { fits, strained, fails, missing };
Outcome outcome(std::string_view word);

struct View {
  explicit View(const Record& record_);

  const Record& record;
  std::vector<std::string> labels;  // of each cell: "stream/f16", with limit and cache where they vary
  size_t measured = 0, fitting = 0, strained = 0, failing = 0;
  std::optional<size_t> best, lightest, heaviest;  // as summary.h has them
  Figure limit;     // that every cell is weighed against; nullopt: none, or not the same for all
  Bytes scale = 1;  // the right end of every bar of need
  bool limit_on_scale = false;

  // A record of `fit`: its cells are the ways that were fitted, at the limits that were found. Not a run with fits
  // beside.
  bool of_fit() const;
  const Cell& cell(size_t index) const { return record.cells[index]; }
  Figure limit_of(const Cell& cell) const { return reports::limit_of(record, cell); }
};

// A cell that ended early was heavier than what was seen of it.
bool ended_early(const Cell& cell);
// The whole need that a cell stands for: measured, or if it ended early at least the predicted one.
Figure expected_need(const Cell& cell);
// The trial whose need lies in the middle, with a timeline if any has one; nullptr without trials.
const Trial* median_trial(const Cell& cell);
// The largest need of a trial: exact where its phases are known, else the timeline's; nullopt without both.
Figure trial_need(const Trial& trial);
uint64_t trial_wall_ns(const Trial& trial);
uint64_t trial_cpu_ns(const Trial& trial);

// A cell's label that may break behind its strategy.
Markup label(const View& view, size_t index);

// Mark and word: never colour alone.
Markup mark(Outcome outcome);
Markup verdict_word(std::string_view verdict);
// "-" stands for what is not known; said aloud as such.
Markup bytes_or_dash(const Figure& bytes);
// A bar as wide as its column, from parts between 0 and 100 percent.
std::string bar_part(std::string_view fill, double from, double to);
Markup bar(std::string_view parts);
// The need against the limit as a bar; decorative, the figures stand beside it.
Markup need_bar(const View& view, const Cell& cell);
// "48 %" of a whole, "< 1 %" and "> 999 %" at the ends.
std::string share(Bytes part, Bytes whole);

}  // namespace weighbridge::reports::html
