// Predicted beside measured: both with the floor, on one scale.
#include <algorithm>
#include <cstdlib>

#include "reports/html/sections.h"
#include "reports/summary.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

struct Pair {
  size_t index;
  Bytes predicted, measured;
  int64_t off;  // of the predicted range
};

// Farther apart than this, the plan or the measurement deserves a look (design: 2 % and 4 MiB).
bool apart(const Pair& pair) {
  return static_cast<Bytes>(std::abs(pair.off)) > pair.predicted / 50 + (Bytes{4} << 20);
}

void write_pair(Out& out, const View& view, const Pair& pair, Bytes scale) {
  const auto at = [&](Bytes bytes) { return static_cast<double>(bytes) / static_cast<double>(scale) * 98 + 1; };
  const double a = at(pair.predicted), b = at(pair.measured);
  out.print(
      "<tr><th scope=\"row\"><a class=\"name\" href=\"#cell-{}\">{}</a></th><td>{}</td><td>{}</td><td class=\"dots\">"
      "<svg aria-hidden=\"true\" width=\"100%\" height=\"16\"><line class=\"rail\" x2=\"100%\" y1=\"8\" y2=\"8\"/>"
      "<line class=\"gap\" x1=\"{:.2f}%\" x2=\"{:.2f}%\" y1=\"8\" y2=\"8\"/><circle class=\"was\" cx=\"{:.2f}%\" "
      "cy=\"8\" r=\"5\"/><circle class=\"is\" cx=\"{:.2f}%\" cy=\"8\" r=\"3\"/></svg></td>",
      pair.index, label(view, pair.index), human(pair.predicted), human(pair.measured), a, b, a, b);
  out.print("<td>{}</td><td>{}</td><td>", human_difference(pair.measured, pair.predicted),
            human_percent(pair.measured, pair.predicted));
  if (apart(pair)) out.print("<span class=\"word warn\">{}apart</span>", mark(Outcome::strained));
  out.raw("</td></tr>\n");
}

}  // namespace

void write_predictions(Out& out, const View& view) {
  std::vector<Pair> pairs;
  Bytes scale = 1;
  for (size_t i = 0; i < view.record.cells.size(); ++i) {
    const Cell& cell = view.cell(i);
    if (!cell.predicted || !cell.need_bytes || !cell.floor_bytes || ended_early(cell) || cell.verdict.empty()) continue;
    const Bytes loaded = *cell.need_bytes - std::min(*cell.floor_bytes, *cell.need_bytes);
    pairs.push_back({i, *predicted_need(cell), *cell.need_bytes, cell.predicted->off(loaded)});
    scale = std::max({scale, pairs.back().predicted, pairs.back().measured});
  }
  out.raw(
      "<section id=\"predictions\" aria-labelledby=\"h-predictions\">\n<h2 id=\"h-predictions\">Predicted beside "
      "measured</h2>\n");
  if (pairs.empty()) {
    out.raw("<p>No way has both a prediction and a complete measurement.</p>\n</section>\n");
    return;
  }
  const auto off = static_cast<size_t>(std::count_if(pairs.begin(), pairs.end(), apart));
  out.print(
      "<p class=\"lead\">A strategy is a plan, and the prediction is the same plan on a counter. Both with the "
      "floor. {} of {} {} within 2 % and 4 MiB.</p>\n<p class=\"key\"><span><i class=\"was\"></i>predicted</span>"
      "<span><i class=\"is\"></i>measured</span></p>\n",
      pairs.size() - off, counted(pairs.size(), "way", "ways"), pairs.size() - off == 1 ? "agrees" : "agree");
  out.raw(
      "<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-predictions\" tabindex=\"0\"><table class=\"pairs\">"
      "<thead><tr><th scope=\"col\">way</th><th scope=\"col\">predicted</th><th scope=\"col\">measured</th><th "
      "scope=\"col\" class=\"dots\">from zero</th><th scope=\"col\" "
      "colspan=\"2\">difference</th><td></td></tr></thead><tbody>\n");
  for (const Pair& pair : pairs) write_pair(out, view, pair, scale);
  out.raw("</tbody></table></div>\n</section>\n");
}

}  // namespace weighbridge::reports::html
