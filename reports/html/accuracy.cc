// What a dtype costs in accuracy. All ways to the same dtype convert alike, so one row stands for all that agree.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

struct Row {
  const Cell* cell;
  std::vector<std::string> labels;
};

bool agree(const Cell& a, const Cell& b) {
  const Accuracy &x = *a.accuracy, &y = *b.accuracy;
  return a.dtype == b.dtype && x.elements == y.elements && x.overflowed == y.overflowed && x.flushed == y.flushed &&
         x.clipped == y.clipped && x.nan_lost == y.nan_lost && x.worst_tensor == y.worst_tensor &&
         std::abs(x.sqnr_db.value_or(-1) - y.sqnr_db.value_or(-1)) < 0.005 &&
         a.kept_native_tensors == b.kept_native_tensors;
}

// Counts that should be zero stand out when they are not.
Markup lost(uint64_t count) {
  return count == 0 ? Markup{"0"} : markup("<b class=\"warn\">{}</b>", human_count(count));
}

void write_row(Out& out, const Row& row, size_t rows_of_dtype) {
  const Accuracy& accuracy = *row.cell->accuracy;
  out.print("<tr><th scope=\"row\">{}", row.cell->dtype);
  if (rows_of_dtype > 1) {
    out.raw("<small>");
    for (size_t i = 0; i < row.labels.size(); ++i) out.print("{}{}", i ? ", " : "", row.labels[i]);
    out.raw("</small>");
  }
  out.raw("</th>");
  if (accuracy.sqnr_db) {
    const double width = std::clamp(*accuracy.sqnr_db, 0.0, 120.0) / 120 * 100;
    out.print("<td class=\"n\"><b>{:.1f} dB</b>{}</td>", *accuracy.sqnr_db, bar(bar_part("f-need", 0, width)));
  } else {
    out.print("<td class=\"n\"><b>{}</b></td>", accuracy.max_abs_error == 0 ? "exact" : "no signal");
  }
  out.print("<td>{:.2e}</td><td>{:.2e}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>", accuracy.rmse,
            accuracy.max_abs_error, lost(accuracy.overflowed), lost(accuracy.flushed), lost(accuracy.clipped),
            lost(accuracy.nan_lost));
  if (accuracy.worst_tensor.empty()) {
    out.print("<td class=\"t\">{}</td>", Markup{"<span class=\"nil\">none</span>"});
  } else {
    out.print("<td class=\"t\"><span class=\"name\">{}</span>", accuracy.worst_tensor);
    if (accuracy.worst_sqnr_db) out.print(" <small>{:.1f} dB</small>", *accuracy.worst_sqnr_db);
    out.raw("</td>");
  }
  out.print("<td>{}</td></tr>\n", human_count(row.cell->kept_native_tensors));
}

}  // namespace

void write_accuracy(Out& out, const View& view) {
  std::vector<Row> rows;
  for (size_t i = 0; i < view.record.cells.size(); ++i) {
    const Cell& cell = view.cell(i);
    if (!cell.accuracy) continue;
    const auto same = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return agree(*row.cell, cell); });
    if (same == rows.end()) {
      rows.push_back({&cell, {view.labels[i]}});
    } else {
      same->labels.push_back(view.labels[i]);
    }
  }
  out.raw("<section id=\"accuracy\" aria-labelledby=\"h-accuracy\">\n<h2 id=\"h-accuracy\">Accuracy</h2>\n");
  if (rows.empty()) {
    out.raw("<p>Nothing was converted: every way kept the stored values.</p>\n</section>\n");
    return;
  }
  out.raw(
      "<p class=\"lead\">Against the stored values. SQNR is the signal over the error: 20 dB more is an error ten "
      "times "
      "smaller. All ways to one dtype convert alike.</p>\n<div class=\"scroll\" role=\"region\" "
      "aria-labelledby=\"h-accuracy\" tabindex=\"0\"><table class=\"accuracy\"><thead><tr><th "
      "scope=\"col\">dtype</th><th "
      "scope=\"col\">SQNR</th><th scope=\"col\">RMS error</th><th scope=\"col\">largest error</th><th scope=\"col\">"
      "overflowed</th><th scope=\"col\">flushed to 0</th><th scope=\"col\">clipped</th><th scope=\"col\">NaN lost</th>"
      "<th scope=\"col\" class=\"t\">worst tensor</th><th scope=\"col\">kept native</th></tr></thead><tbody>\n");
  for (const Row& row : rows) {
    write_row(out, row, static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [&](const Row& other) {
                return other.cell->dtype == row.cell->dtype;
              })));
  }
  out.raw("</tbody></table></div>\n</section>\n");
}

}  // namespace weighbridge::reports::html
