#include "reports/terminal.h"

#include <fmt/format.h>

#include <vector>

#include "reports/cells_table.h"
#include "reports/fit_table.h"
#include "reports/paragraph.h"
#include "reports/summary.h"
#include "reports/tone.h"
#include "reports/units.h"
#include "reports/warnings.h"

namespace weighbridge::reports {
namespace {

constexpr size_t kFindingsShown = 3;

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

std::string render_warnings(const Record& record, const TerminalStyle& style) {
  const std::vector<std::string> all = warnings(record, style.verbosity > 0);
  if (all.empty()) return "";
  if (all.size() == 1) return "\n" + paragraph(safe(style, "1 warning: " + all[0]), style.columns, "", "   ");
  std::string out = "\n" + paragraph(fmt::format("{} warnings:", all.size()), style.columns, "", "");
  for (const std::string& one : all) out += paragraph(safe(style, one), style.columns, " - ", "   ");
  return out;
}

std::string render_terminal(const Record& record, const TerminalStyle& style) {
  if (record.cells.empty() && !record.fits.empty()) return render_fit(record, style);
  if (style.verbosity < 0) return render_verdict(record, style);
  return cells_table(record, style) + render_warnings(record, style) + findings_block(record, style) +
         verdict_block(record, style);
}

}  // namespace weighbridge::reports
