// Every way with all its figures; the script adds sorting to it, the order without is the record's.
#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

// A figure's cell carries its plain number for sorting; one that is not known sorts last.
void write_figure(Out& out, const Figure& value, const Markup& shown) {
  if (value) {
    out.print("<td data-v=\"{}\">{}</td>", *value, shown);
  } else {
    out.print("<td>{}</td>", shown);
  }
}

Markup count_or_dash(const Figure& count) {
  return count ? markup("{}", human_count(*count)) : bytes_or_dash({});
}
Markup time_or_dash(const Figure& ns) {
  return ns ? markup("{}", human_duration(*ns)) : bytes_or_dash({});
}

void write_difference(Out& out, const Cell& cell) {
  const Figure floor = cell.floor_bytes;
  if (!cell.predicted || !cell.need_bytes || !floor || ended_early(cell)) {
    out.print("<td>{}</td>", bytes_or_dash({}));
    return;
  }
  const Bytes measured = *cell.need_bytes > *floor ? *cell.need_bytes - *floor : 0;
  out.print("<td data-v=\"{}\">{}</td>",
            static_cast<int64_t>(measured) - static_cast<int64_t>(cell.predicted->need_bytes),
            human_difference(measured, cell.predicted->need_bytes));
}

void write_row(Out& out, const View& view, size_t index) {
  const Cell& cell = view.cell(index);
  const bool fails = outcome(cell.verdict) == Outcome::fails;
  out.print("<tr{}><th scope=\"row\"><a class=\"name\" href=\"#cell-{}\">{}</a></th>",
            Markup{fails ? " class=\"no\"" : ""}, index, label(view, index));
  out.print("<td class=\"n\"{}><span>{}<b>{}</b>",
            Markup{cell.need_bytes ? fmt::format(" data-v=\"{}\"", *cell.need_bytes) : ""},
            fails && cell.need_bytes ? "\u2265 " : "", bytes_or_dash(cell.need_bytes));
  const Figure limit = view.limit_of(cell);
  if (limit && cell.need_bytes) out.print(" <small>{}</small>", share(*cell.need_bytes, *limit));
  out.print("</span>{}</td><td class=\"v\">{}</td>", need_bar(view, cell), verdict_word(cell.verdict));
  write_figure(out, cell.reclaimable_bytes, bytes_or_dash(cell.reclaimable_bytes));
  const Figure predicted = predicted_need(cell);
  write_figure(out, predicted, bytes_or_dash(predicted));
  write_difference(out, cell);
  write_figure(out, cell.cpu_ns, time_or_dash(cell.cpu_ns));
  write_figure(out, cell.wall_ns, time_or_dash(cell.wall_ns));
  write_figure(out, cell.minor_faults, count_or_dash(cell.minor_faults));
  write_figure(out, cell.major_faults, count_or_dash(cell.major_faults));
  write_figure(out, cell.swap_peak_bytes, bytes_or_dash(cell.swap_peak_bytes));
  out.raw("</tr>\n");
}

}  // namespace

void write_table(Out& out, const View& view) {
  if (view.record.cells.empty()) return;
  out.raw(
      "<section id=\"cells\" aria-labelledby=\"h-cells\">\n<h2 id=\"h-cells\">All figures</h2>\n<p class=\"lead\">"
      "The floor is in the need and in the prediction. Times and faults "
      "are medians over the trials.</p>\n<p class=\"key\"><span><i class=\"f-need\"></i>need</span><span><i "
      "class=\"f-file\"></i>"
      "reclaimable, on top</span>");
  if (view.failing > 0) {
    out.raw(
        "<span><i class=\"f-no\"></i>ended early: need until then</span><span><i class=\"f-hatch\"></i>predicted "
        "rest</span>");
  }
  if (view.limit_on_scale) {
    out.print("<span><i class=\"l-limit\"></i>limit{}</span>", view.limit ? ", " + human(*view.limit) : " of each");
  } else if (view.limit) {
    out.print("<span>The limit of {} lies far to the right of the bars.</span>", human(*view.limit));
  }
  out.raw(
      "</p>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-cells\" tabindex=\"0\">\n<table class=\"cells "
      "sortable\"><thead><tr><th scope=\"col\">way</th><th scope=\"col\" class=\"t\">need</th><th scope=\"col\" "
      "class=\"t\">verdict</th>"
      "<th scope=\"col\">reclaim\u00ADable</th><th scope=\"col\">predicted</th><th scope=\"col\">difference</th>"
      "<th scope=\"col\">CPU time</th><th scope=\"col\">wall time</th><th scope=\"col\">minor faults</th>"
      "<th scope=\"col\">major faults</th><th scope=\"col\">swap peak</th></tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < view.record.cells.size(); ++i) write_row(out, view, i);
  out.raw("</tbody></table>\n</div>\n</section>\n");
}

}  // namespace weighbridge::reports::html
