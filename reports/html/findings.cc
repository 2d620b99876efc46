// What to change, in the record's order, savings on one scale.
#include <algorithm>

#include "reports/evidence.h"
#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

void write_finding(Out& out, const Finding& finding, Bytes scale) {
  out.print("<li class=\"finding s-{}\">\n<div class=\"saves\">", finding.severity);
  if (finding.saves_bytes) {
    const double width = static_cast<double>(*finding.saves_bytes) / static_cast<double>(scale) * 100;
    out.print("saves <b>{}</b>{}", human(*finding.saves_bytes), bar(bar_part("f-ok", 0, width)));
  } else {
    out.raw("<span class=\"nil\">no saving in bytes</span>");
  }
  out.print("</div>\n<div>\n<h3>{} <small class=\"severity\">{} severity</small></h3>\n<p>{}</p>\n", finding.title,
            finding.severity, finding.remedy);
  if (!finding.evidence.empty()) {
    out.raw("<dl class=\"evidence\">");
    for (const auto& [name, value] : finding.evidence) {
      out.print("<div><dt>{}</dt><dd>{}</dd></div>", figure_name(name), figure_text(name, value));
    }
    out.raw("</dl>\n");
  }
  if (!finding.cells.empty()) {
    out.raw("<p class=\"note\">seen in ");
    const size_t shown = std::min<size_t>(finding.cells.size(), 6);
    for (size_t i = 0; i < shown; ++i) out.print("{}<span class=\"name\">{}</span>", i ? ", " : "", finding.cells[i]);
    if (finding.cells.size() > shown) out.print(" and {} more", finding.cells.size() - shown);
    out.raw("</p>\n");
  }
  out.raw("</div>\n</li>\n");
}

}  // namespace

void write_findings(Out& out, const View& view) {
  const std::vector<Finding>& findings = view.record.findings;  // in the order of find()
  Bytes scale = 1;
  for (const Finding& finding : findings) scale = std::max(scale, finding.saves_bytes.value_or(0));
  out.raw("<section id=\"findings\" aria-labelledby=\"h-findings\">\n<h2 id=\"h-findings\">What to change</h2>\n");
  if (findings.empty()) {
    out.raw("<p>No cause stood out that a change would remove.</p>\n");
  } else {
    out.raw(
        "<p class=\"lead\">What endangers first, then the largest saving; the bars share one scale.</p>\n<ol "
        "class=\"findings\">\n");
    for (const Finding& finding : findings) write_finding(out, finding, scale);
    out.raw("</ol>\n");
  }
  out.raw("</section>\n");
}

}  // namespace weighbridge::reports::html
