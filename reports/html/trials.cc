// How far the trials of each way lie apart: peaks hardly, times more. A dot a trial; three points make no box plot.
#include <algorithm>

#include "reports/evidence.h"
#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

struct Range {
  uint64_t least = UINT64_MAX, most = 0;
  void add(uint64_t value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

// From zero to the way's slowest trial: a spread shows as what it is against the whole.
void write_dots(Out& out, const Cell& cell, const Range& range) {
  out.raw(
      "<td class=\"dots\"><svg aria-hidden=\"true\" width=\"100%\" height=\"16\"><line class=\"rail\" x2=\"100%\" "
      "y1=\"8\" "
      "y2=\"8\"/>");
  for (const Trial& trial : cell.trials) {
    if (trial_cpu_ns(trial) == 0) continue;
    const double x = static_cast<double>(trial_cpu_ns(trial)) / static_cast<double>(std::max<uint64_t>(range.most, 1));
    out.print("<circle class=\"dot\" cx=\"{:.2f}%\" cy=\"8\" r=\"4\"/>", x * 96 + 2);
  }
  out.raw("</svg></td>");
}

void write_summary(Out& out, const View& view, size_t index) {
  const Cell& cell = view.cell(index);
  Range need, cpu;
  for (const Trial& trial : cell.trials) {
    if (const Figure bytes = trial_need(trial)) need.add(*bytes);
    if (const uint64_t ns = trial_cpu_ns(trial)) cpu.add(ns);
  }
  out.print("<tr><th scope=\"row\"><a class=\"name\" href=\"#cell-{}\">{}</a></th><td class=\"marks\">", index,
            label(view, index));
  for (const Trial& trial : cell.trials) out.raw(mark(outcome(trial.verdict)));
  out.print("<span class=\"sr\">{}</span></td>", counted(cell.trials.size(), "trial", "trials"));
  if (need.least <= need.most) {
    out.print("<td>{}</td><td>{}</td>", human(need.most), human(need.most - need.least));
  } else {
    out.print("<td>{0}</td><td>{0}</td>", bytes_or_dash({}));
  }
  if (cpu.least <= cpu.most) {
    out.print("<td>{}</td><td>{}</td>", human_duration(cpu.least), human_duration(cpu.most));
  } else {
    out.print("<td>{0}</td><td>{0}</td>", bytes_or_dash({}));
  }
  write_dots(out, cell, cpu);
  out.raw("</tr>\n");
}

// Who says so, each with its figures.
void write_evidence(Out& out, const Trial& trial) {
  if (trial.evidence.empty()) return;
  out.raw("<ul class=\"said\">");
  for (const Evidence& evidence : trial.evidence) {
    out.print("<li><b>{}</b> {}", evidence.source, evidence.said);
    for (const auto& [name, value] : untold_figures(evidence)) {
      out.print(" <small>{} {}</small>", figure_name(name), figure_text(name, value));
    }
    out.raw("</li>");
  }
  out.raw("</ul>");
}

void write_each(Out& out, const View& view) {
  out.raw(
      "<div class=\"scroll\" role=\"region\" aria-label=\"each trial\" tabindex=\"0\"><table class=\"trials "
      "sortable\"><thead>"
      "<tr><th scope=\"col\">way</th><th scope=\"col\">trial</th><th scope=\"col\">order</th><th "
      "scope=\"col\">verdict</th>"
      "<th scope=\"col\">need</th><th scope=\"col\">CPU time</th><th scope=\"col\">wall time</th><th scope=\"col\" "
      "class=\"t\">what happened</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < view.record.cells.size(); ++i) {
    for (const Trial& trial : view.cell(i).trials) {
      const Figure need = trial_need(trial);
      out.print(
          "<tr><th scope=\"row\" class=\"name\">{}</th><td>{}</td><td>{}</td><td class=\"v\">{}</td><td{}>{}</td>",
          view.labels[i], trial.number, trial.order, verdict_word(trial.verdict),
          Markup{need ? fmt::format(" data-v=\"{}\"", *need) : ""}, bytes_or_dash(need));
      out.print("<td data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td><td class=\"t\">{}", trial_cpu_ns(trial),
                human_duration(trial_cpu_ns(trial)), trial_wall_ns(trial), human_duration(trial_wall_ns(trial)),
                trial.reason);
      if (outcome(trial.verdict) != Outcome::fits && !trial.reached.empty()) out.print(" Reached {}.", trial.reached);
      write_evidence(out, trial);
      out.raw("</td></tr>\n");
    }
  }
  out.raw("</tbody></table></div>\n");
}

}  // namespace

void write_trials(Out& out, const View& view) {
  size_t trials = 0;
  for (const Cell& cell : view.record.cells) trials += cell.trials.size();
  if (trials == 0) return;
  out.print(
      "<section id=\"trials\" aria-labelledby=\"h-trials\">\n<h2 id=\"h-trials\">Trials</h2>\n<p class=\"lead\">{} in "
      "shuffled order (seed {}). Peaks hardly vary; times do, so compare them within one run only.</p>\n",
      counted(trials, "trial", "trials"), view.record.settings.seed);
  out.raw(
      "<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-trials\" tabindex=\"0\"><table "
      "class=\"spread\"><thead><tr>"
      "<th scope=\"col\">way</th><th scope=\"col\" class=\"t\">trials</th><th scope=\"col\">largest need</th><th "
      "scope=\"col\">spread</th><th scope=\"col\">CPU time, least</th><th scope=\"col\">most</th><th scope=\"col\" "
      "class=\"dots\">from zero, a dot a trial</th></tr></thead><tbody>\n");
  for (size_t i = 0; i < view.record.cells.size(); ++i) write_summary(out, view, i);
  out.print("</tbody></table></div>\n<details class=\"all\"><summary>{}</summary>\n",
            trials == 1 ? "The one trial" : "Each of the " + counted(trials, "trial", "trials"));
  write_each(out, view);
  out.raw("</details>\n</section>\n");
}

}  // namespace weighbridge::reports::html
