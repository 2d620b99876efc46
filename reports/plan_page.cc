// The page that `plan` prints: the verdict, what would fit in its place, the ways from the lightest on, and what to do
// next. A person asks "does it fit", then "what would", then "by how much".
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "reports/forecast.h"
#include "reports/paragraph.h"
#include "reports/plan_table.h"
#include "reports/summary.h"
#include "reports/terminal.h"
#include "reports/tone.h"
#include "reports/units.h"
#include "reports/what_if.h"

namespace weighbridge::reports {
namespace {

constexpr size_t kMostShown = 6, kFewShown = 3;

bool does(const std::string& outcome) {
  return outcome == word_of(Outcome::fits) || outcome == word_of(Outcome::reclaims);
}

std::string needs(const Record& record, const Cell& cell) {
  const Bytes need = weight_of(cell)->bytes, cache = cell.predicted->reclaimable_bytes;
  if (cache == 0) return human(need);
  std::string text = fmt::format("{} and {} that can be taken back", human(need), human(cache));
  if (forecast(record, cell).outcome == Outcome::reclaims) {
    text += fmt::format(", for which {} would have room", limit_to_paste(limit_that_holds_all(*cell.predicted)));
  }
  return text;
}

// The lightest of the ways that fit, of those that `is` holds for.
template <typename Is>
const Cell* lightest(const std::vector<Forecast>& ways, const Is& is) {
  for (const Forecast& way : ways) {
    if ((way.outcome == Outcome::fits || way.outcome == Outcome::reclaims) && is(*way.cell)) return way.cell;
  }
  return nullptr;
}

std::string verdict_of_plan(const Record& record) {
  const std::vector<Forecast> ways = ranked(record);
  const auto fitting = static_cast<size_t>(std::count_if(ways.begin(), ways.end(), [](const Forecast& way) {
    return way.outcome == Outcome::fits || way.outcome == Outcome::reclaims;
  }));
  const Limit* bites = record.limit();
  std::string line = "Without a limit";
  if (bites != nullptr) {
    line = fmt::format("With {}", human(bites->bytes));
    if (bites->source != kAskedLimit) line += fmt::format(" ({})", bites->source);
  }
  const std::string of = fitting == 0 ? "none" : fitting == ways.size() ? "all" : std::to_string(fitting);
  line += fmt::format(": {}{} {} should fit", of, fitting == 0 || fitting < ways.size() ? " of" : "",
                      counted(ways.size(), "way", "ways"));
  if (fitting == 0) {
    const Cell& cell = *ways.front().cell;
    if (!cell.predicted) return line + ".";
    return fmt::format("{}. The lightest, {}, needs {}, and a limit of {}.", line, way_of(cell), needs(record, cell),
                       limit_to_paste(limit_to_ask_for(*cell.predicted)));
  }
  std::map<std::string, Bytes> all_weights;
  for (const Cell& cell : record.cells) {
    if (!cell.predicted) continue;
    Bytes& most = all_weights[cell.dtype];
    most = std::max(most, cell.predicted->most_weights_bytes);
  }
  const Cell* native = lightest(ways, [](const Cell& cell) { return cell.dtype == "native"; });
  const Cell* whole = lightest(ways, [&](const Cell& cell) {
    return cell.predicted->most_weights_bytes == all_weights[cell.dtype] && cell.predicted->reclaimable_bytes == 0;
  });
  std::vector<std::string> best;
  if (native != nullptr)
    best.push_back(fmt::format("keeps the values as stored is {}: {}", way_of(*native), needs(record, *native)));
  if (whole != nullptr && whole != native) {
    best.push_back(fmt::format("holds all weights in memory is {}: {}", way_of(*whole), needs(record, *whole)));
  }
  if (best.empty()) {
    const Cell& cell = *ways.front().cell;
    best.push_back(fmt::format("fits is {}: {}", way_of(cell), needs(record, cell)));
  }
  line += ".";
  for (const std::string& one : best) line += fmt::format(" The lightest that {}.", one);
  return line;
}

// Changes of one kind that come to limits within 1 % of each other are one line: "load as f16, as stream does" and the
// same for bf16.
std::vector<std::vector<const WhatIf*>> alike(const std::vector<const WhatIf*>& all) {
  std::vector<std::vector<const WhatIf*>> groups;
  for (const WhatIf* one : all) {
    const WhatIf* before = groups.empty() ? nullptr : groups.back().front();
    const bool same =
        before != nullptr && one->id == "dtype" && before->id == one->id && one->limit_bytes && before->limit_bytes &&
        *one->limit_bytes - std::min(*one->limit_bytes, *before->limit_bytes) <= *before->limit_bytes / 100;
    if (same) {
      groups.back().push_back(one);
    } else {
      groups.push_back({one});
    }
  }
  return groups;
}

std::string line_of(const Record& record, const std::vector<const WhatIf*>& group) {
  const WhatIf& first = *group.front();
  std::vector<std::string> changes;
  for (const WhatIf* one : group) changes.push_back(one->change);
  std::string line = first.saves_bytes ? fmt::format("saves {}: ", human(*first.saves_bytes)) : "";
  line += fmt::format("{}", fmt::join(changes, "; or "));
  if (!first.limit_bytes) {
    const auto reason = first.unavailable.find("limit_bytes");
    return line + ": " + (reason == first.unavailable.end() ? "not known" : reason->second);
  }
  const Limit* bites = record.limit();
  line += fmt::format(": fits in {}", limit_to_paste(*first.limit_bytes));
  if (bites == nullptr) return line;
  if (first.outcome == word_of(Outcome::reclaims)) line += ", its pages taken back and read again";
  if (first.outcome == word_of(Outcome::too_close)) line += ", too close to the limit to say";
  if (first.outcome == word_of(Outcome::too_large)) {
    line += fmt::format(", {} too much", human(*first.limit_bytes - std::min(*first.limit_bytes, bites->bytes)));
  }
  return line;
}

std::string what_if_block(const Record& record, const TerminalStyle& style) {
  const Cell* usual = usual_way(record);
  if (usual == nullptr || record.what_if.empty()) return "";
  const bool fits = fits_in(record, *usual);
  std::vector<const WhatIf*> saving, change_it, notes;
  for (const WhatIf& one : record.what_if) {
    if (!one.saves_bytes) {
      notes.push_back(&one);
      continue;
    }
    saving.push_back(&one);
    if (!fits && (does(one.outcome) || one.id == kOptimizerState)) change_it.push_back(&one);
  }
  const auto asks = [](const Cell& cell) { return limit_to_paste(limit_to_ask_for(*cell.predicted)); };
  std::string heading = fmt::format("{} fits in {}", way_of(*usual), asks(*usual));
  if (fits) {
    heading += saving.empty() ? "." : ". Lighter still, most saved first:";
  } else if (!change_it.empty()) {
    heading += ". What would fit in its place, most saved first:";
  } else {
    heading += saving.empty() ? "." : ". No one change is enough; most saved first:";
  }
  std::vector<std::vector<const WhatIf*>> groups = alike(change_it.empty() ? saving : change_it);
  const size_t most = style.verbosity > 0 ? groups.size() : change_it.empty() ? kFewShown : kMostShown;
  if (groups.size() > most) groups.resize(most);
  for (const WhatIf* note : notes) groups.push_back({note});
  std::string out = "\n" + paragraph(safe(style, heading), style.columns, "", "   ");
  for (const auto& group : groups) {
    out += paragraph(safe(style, line_of(record, group) + "."), style.columns, " - ", "   ");
  }
  return out;
}

// What the reader noted, and what cannot be mapped: known without a run.
std::string checkpoint_block(const Record& record, const TerminalStyle& style) {
  std::string out;
  const auto say = [&](const std::string& sentence) {
    out += paragraph(safe(style, sentence + "."), style.columns, " - ", "   ");
  };
  for (const Remark& remark : record.checkpoint.remarks) say(remark.text);
  for (const auto& [reason, bytes] : record.checkpoint.encodings) {
    say(fmt::format("{} cannot be mapped, and mmap reads it as eager does: {}", human(bytes), reason));
  }
  return out.empty() ? "" : "\nOf this checkpoint:\n" + out;
}

}  // namespace

std::string render_plan(const Record& record, const TerminalStyle& style) {
  if (record.cells.empty() || style.verbosity < 0) return render_verdict(record, style);
  const bool any =
      std::any_of(record.cells.begin(), record.cells.end(), [&](const Cell& cell) { return fits_in(record, cell); });
  std::string verdict = paragraph(safe(style, verdict_of_plan(record)), style.columns, "", "   ");
  verdict.pop_back();
  std::string out = toned(style, any ? Tone::good : Tone::bad, verdict) + "\n" + what_if_block(record, style) + "\n" +
                    plan_table(record, style) + checkpoint_block(record, style);
  // A command is to be copied, so it is not broken into lines.
  if (const std::string command = try_line(record); !command.empty()) out += fmt::format("\n  try   {}\n", command);
  return out;
}

}  // namespace weighbridge::reports
