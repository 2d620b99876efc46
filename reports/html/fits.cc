// What `fit` found: each way's limits against its predicted need, and every limit that was tried.
#include "reports/fit_table.h"

#include <algorithm>

#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

Bytes limit_bytes(const std::optional<FitPoint>& point) {
  return point ? point->limit_bytes : 0;
}

Bytes scale_of(const Record& record) {
  Bytes largest = 1;
  for (const Fit& fit : record.fits) {
    largest = std::max({largest, limit_bytes(fit.survival), limit_bytes(fit.useful), fit.predicted_bytes.value_or(0)});
  }
  return largest;
}

// Where it loads and is slow, where it is useful, and what was predicted; decorative, the figures stand beside it.
Markup picture(const Fit& fit, Bytes scale) {
  const auto at = [&](Bytes bytes) { return static_cast<double>(bytes) / static_cast<double>(scale) * 90; };
  std::string parts;
  if (fit.useful) parts += bar_part("f-ok", at(fit.useful->limit_bytes), 100);
  if (fit.survival) {
    const double from = at(fit.survival->limit_bytes);
    // How far up it stays slow is not known without a useful limit: then only where it begins is drawn.
    const double to = fit.useful ? at(fit.useful->limit_bytes) : from + 1;
    parts += bar_part("f-swap", from, std::max(from, to));
  }
  if (fit.predicted_bytes) {
    parts +=
        markup(R"(<line class="l-predicted" x1="{0:.2f}%" x2="{0:.2f}%" y2="12"/>)", at(*fit.predicted_bytes)).html;
  }
  return bar(parts);
}

void write_point(Out& out, const std::optional<FitPoint>& point) {
  if (!point) {
    out.print("<td>{0}</td><td>{0}</td>", bytes_or_dash({}));
    return;
  }
  out.print("<td><b>{}</b></td><td>", human(point->limit_bytes));
  if (point->slowdown) {
    out.print("{}</td>", human_slowdown(point->slowdown));
  } else {
    out.print("{}</td>", bytes_or_dash({}));
  }
}

void write_try(Out& out, const Fit& fit, const FitPoint& point, const char* what, Bytes page_bytes) {
  const auto figure = [&](const Figure& value, const Markup& shown) {
    out.print("<td{}>{}</td>", Markup{value ? fmt::format(" data-v=\"{}\"", *value) : ""}, shown);
  };
  const auto time = [](const Figure& ns) { return ns ? markup("{}", human_duration(*ns)) : bytes_or_dash({}); };
  out.print("<tr><th scope=\"row\" class=\"name\">{}</th><td data-v=\"{}\">{}</td><td class=\"v\">{}</td>", way_of(fit),
            point.limit_bytes, human(point.limit_bytes), verdict_word(point.verdict));
  out.print("<td class=\"v\">{}</td><td{}>{}</td>", what,
            Markup{point.slowdown ? fmt::format(" data-v=\"{}\"", *point.slowdown) : ""},
            point.slowdown ? markup("{}", human_slowdown(point.slowdown)) : bytes_or_dash({}));
  figure(point.wall_ns, time(point.wall_ns));
  figure(point.major_faults, point.major_faults ? markup("{}", human_count(*point.major_faults)) : bytes_or_dash({}));
  const Figure again =
      point.refault_file_pages ? Figure(*point.refault_file_pages * (page_bytes == 0 ? 4096 : page_bytes)) : Figure();
  figure(again, bytes_or_dash(again));
  figure(point.stall_ns, time(point.stall_ns));
  out.print("<td>{}</td></tr>\n", human_count(point.trials));
}

void write_tries(Out& out, const View& view) {
  size_t tries = 0;
  for (const Fit& fit : view.record.fits) tries += fit.tries.size();
  if (tries == 0) return;
  out.print("<details class=\"all\"><summary>Each of the {}</summary>\n",
            counted(tries, "limit tried", "limits tried"));
  out.raw(
      "<div class=\"scroll\" role=\"region\" aria-label=\"each limit tried\" tabindex=\"0\"><table class=\"tries "
      "sortable\"><thead><tr><th scope=\"col\">way</th><th scope=\"col\">limit</th><th scope=\"col\" "
      "class=\"v\">verdict</th><th scope=\"col\" class=\"v\">found as</th><th scope=\"col\">time</th><th "
      "scope=\"col\">wall time</th><th scope=\"col\">major faults</th><th scope=\"col\">read again</th><th "
      "scope=\"col\">stood still</th><th scope=\"col\">trials</th></tr></thead><tbody>\n");
  for (const Fit* fit : by_survival(view.record)) {
    for (const FitPoint& point : fit->tries) {
      const bool survives = fit->survival && fit->survival->limit_bytes == point.limit_bytes;
      const bool useful = fit->useful && fit->useful->limit_bytes == point.limit_bytes;
      const char* what = survives && useful ? "smallest, and useful" : survives ? "smallest" : useful ? "useful" : "";
      write_try(out, *fit, point, what, view.record.machine.page_bytes);
    }
  }
  out.raw("</tbody></table></div>\n</details>\n");
}

}  // namespace

void write_fits(Out& out, const View& view) {
  const Record& record = view.record;
  if (record.fits.empty()) return;
  const Bytes scale = scale_of(record);
  out.raw(
      "<section id=\"fits\" aria-labelledby=\"h-fits\">\n<h2 id=\"h-fits\">The smallest limits</h2>\n<p class=\"lead\">"
      "Below the first limit a way is stopped; from the second on it is of use. Time is against the same load without "
      "a "
      "limit. The predicted need is without page cache.</p>\n<p class=\"key\"><span><i class=\"f-swap\"></i>loads, but "
      "slowly</span><span><i class=\"f-ok\"></i>useful</span><span><i class=\"l-predicted\"></i>predicted need</span>"
      "</p>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-fits\" tabindex=\"0\"><table class=\"fits\">"
      "<thead><tr><th scope=\"col\">way</th><th scope=\"col\" class=\"dots\">from zero</th><th scope=\"col\">predicted "
      "need</th><th scope=\"col\">survives in</th><th scope=\"col\">time there</th><th scope=\"col\">useful from</th>"
      "<th scope=\"col\">time there</th></tr></thead><tbody>\n");
  for (const Fit* fit : by_survival(record)) {
    out.print("<tr><th scope=\"row\" class=\"name\">{}</th><td class=\"dots\">{}</td><td>{}</td>", way_of(*fit),
              picture(*fit, scale), bytes_or_dash(fit->predicted_bytes));
    write_point(out, fit->survival);
    write_point(out, fit->useful);
    out.raw("</tr>\n");
  }
  out.raw("</tbody></table></div>\n<div class=\"found\">\n");
  for (const Fit* fit : by_survival(record)) {
    for (const auto* point : {&fit->survival, &fit->useful}) {
      if (!*point || (point == &fit->useful && fit->survival == fit->useful)) continue;
      out.print("<p class=\"note\"><b class=\"name\">{}</b> in {}: {}.</p>\n", way_of(*fit),
                human((*point)->limit_bytes), said_of(**point, record.machine.page_bytes));
    }
  }
  out.raw("</div>\n");
  write_tries(out, view);
  out.raw("</section>\n");
}

std::string fits_headline(const Record& record) {
  const auto fits = by_survival(record);
  Figure survival, useful;
  for (const Fit* fit : fits) {
    if (fit->survival) survival = std::min(survival.value_or(~Bytes{0}), fit->survival->limit_bytes);
    if (fit->useful) useful = std::min(useful.value_or(~Bytes{0}), fit->useful->limit_bytes);
  }
  if (!survival && !useful) return "No limit was found in which it loads";
  if (!survival) return "Useful from " + human(*useful);
  return "The smallest limit is " + human(*survival) + (useful ? "; useful from " + human(*useful) : "");
}

}  // namespace weighbridge::reports::html
