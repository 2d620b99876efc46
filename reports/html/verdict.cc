// The verdict in words, first: what fits, the lightest way, the heaviest and why, what to do now.
#include <algorithm>

#include "reports/fit_table.h"
#include "reports/html/sections.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "reports/warnings.h"

namespace weighbridge::reports::html {
namespace {

Outcome overall(const View& view) {
  if (view.of_fit()) {
    const auto& fits = view.record.fits;
    const bool any = std::any_of(fits.begin(), fits.end(), [](const Fit& fit) { return fit.survival || fit.useful; });
    return any ? Outcome::fits : Outcome::fails;
  }
  if (view.measured == 0) return Outcome::missing;
  if (view.fitting == view.measured) return Outcome::fits;
  return view.fitting > 0 ? Outcome::strained : Outcome::fails;
}

// Why a cell is as heavy as it is: the cause, as the terminal has it, and what is held at its peak.
std::string why(const View& view, const Cell& cell) {
  std::string text = why_heavy(view.record, cell);
  if (!text.empty()) {
    if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
    text += ". ";
  }
  const auto parts = parts_of(cell);
  if (!parts) return text + cell.reason;
  text += parts->predicted ? "At its predicted peak" : "At its peak";
  if (!parts->predicted && !cell.peak_phase.empty()) text += ", in " + cell.peak_phase;
  text += fmt::format(": {} of weights", human(parts->weights));
  if (parts->staging > 0) text += fmt::format(", {} of staging", human(parts->staging));
  return text + fmt::format(", {} of overhead.", human(parts->overhead));
}

const Cell* first_unfinished(const View& view) {
  for (const Cell& cell : view.record.cells) {
    if (did_not_finish(cell.verdict)) return &cell;
  }
  return nullptr;
}

// "498 MiB of 1.00 GiB (48 %)".
Markup need_of_limit(const View& view, const Cell& cell) {
  const Bytes need = weight_of(cell)->bytes;
  const Figure limit = view.limit_of(cell);
  if (!limit) return markup("<b class=\"big\">{}</b>", human(need));
  return markup("<b class=\"big\">{}</b> of {} ({})", human(need), human(*limit), share(need, *limit));
}

void write_way(Out& out, const View& view, const char* title, size_t index, std::string_view note) {
  const Cell& cell = view.cell(index);
  const char* verb = !ended_early(cell) ? "needs" : cell.predicted ? "would need, as predicted," : "needs at least";
  out.print(
      "<div><dt>{}</dt><dd><p><a class=\"name\" href=\"#cell-{}\">{}</a> {}</p>\n<p>{} {}</p>\n{}<p "
      "class=\"note\">{}</p></dd></div>\n",
      title, index, view.labels[index], verdict_word(cell.verdict), verb, need_of_limit(view, cell),
      need_bar(view, cell), note);
}

std::string why_light(const Cell& cell) {
  std::string text;
  if (cell.reclaimable_bytes.value_or(0) > 0) {
    text = fmt::format("And {} that the kernel may take back. ", human(*cell.reclaimable_bytes));
  }
  if (cell.cpu_ns) text += fmt::format("It takes {} of CPU time.", human_duration(cell.cpu_ns));
  return text;
}

// Beside the verdict, as they may change what it is worth.
void write_warnings(Out& out, const View& view) {
  for (const std::string& sentence : warnings(view.record)) {
    out.print("<p class=\"alert note\">{}<span>{}</span></p>\n", mark(Outcome::strained), sentence);
  }
}

// A command that breaks between its words only, never after a hyphen.
void write_command(Out& out, std::string_view line) {
  if (line.empty()) return;
  out.raw("<p class=\"try\"><code>");
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    out.print("<span>{}</span> ", line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  out.raw("</code></p>");
}

// By how much the lightest way passes its limit: 0 where one fits, or where it only swaps or thrashes below it.
Bytes missing_bytes(const View& view) {
  if (!view.lightest) return 0;
  const Bytes need = weight_of(view.cell(*view.lightest))->bytes;
  const Figure limit = view.limit_of(view.cell(*view.lightest));
  return limit && need > *limit ? need - *limit : 0;
}

void write_first_step(Out& out, const View& view) {
  const auto& findings = view.record.findings;
  const auto first = findings.begin();  // find() puts it there
  out.raw("<div class=\"first\"><dt>Do this first</dt><dd>");
  if (first != findings.end()) {
    out.print("<p><b>{}</b></p>\n<p class=\"note\">{}</p>", first->title, first->remedy);
    if (first->saves_bytes) out.print("<p>saves <b class=\"big\">{}</b></p>", human(*first->saves_bytes));
  } else if (view.best) {
    out.print("<p>Load it with <b>{}</b>: of the ways that fit it needs least.</p>", view.labels[*view.best]);
  } else if (const Bytes missing = missing_bytes(view); missing > 0) {
    out.print("<p>Raise the limit by at least <b>{}</b>, or load with a smaller dtype.</p>", human(missing));
  } else {
    out.raw("<p>Nothing stands out.</p>");
  }
  write_command(out, try_line(view.record));
  out.raw("</dd></div>\n");
}

// "9 of 12 ways fit in 4.00 GiB, 3 of 12 in 1.00 GiB".
std::string in_each_limit(const Summary& summary) {
  std::string text;
  for (const InLimit& limit : summary.limits) {
    const std::string where = limit.limit ? "in " + human(*limit.limit) : "without a limit";
    const std::string how_many = limit.fitting == 0 ? "none" : std::to_string(limit.fitting);
    text += text.empty() ? fmt::format("{} of {} {} {}", limit.fitting == 0 ? "None" : how_many,
                                       counted(limit.ways, "way", "ways"), limit.fitting < 2 ? "fits" : "fit", where)
                         : fmt::format(", {} of {} {}", how_many, limit.ways, where);
  }
  return text;
}

}  // namespace

std::string headline(const View& view) {
  if (view.of_fit()) return fits_headline(view.record);
  const Summary summary = summarise(view.record);
  if (view.measured == 0 && summary.unfinished == 0) return "Nothing was measured";
  const size_t tried = summary.ways - summary.not_run;
  const size_t told = tried - summary.unfinished;  // the others say nothing of memory
  std::string text;
  if (told == 0) {
    const auto failed =
        static_cast<size_t>(std::count_if(view.record.cells.begin(), view.record.cells.end(),
                                          [](const Cell& cell) { return cell.verdict == verdict::failed; }));
    if (tried == 1) {
      text = failed == 1 ? "The one way tried failed"
                         : "The one way tried did not finish: " + first_unfinished(view)->verdict;
    } else {
      text = failed == tried ? fmt::format("All {} ways failed", tried)
                             : fmt::format("None of the {} ways finished", tried);
    }
  } else if (summary.limits.size() > 1) {
    text = in_each_limit(summary);
  } else if (view.fitting == tried) {
    text = tried == 1 ? "The one way measured fits" : fmt::format("All {} ways fit", tried);
  } else if (view.fitting > 0) {
    text = fmt::format("{} of {} ways {}", view.fitting, tried, view.fitting == 1 ? "fits" : "fit");
  } else if (told == 1) {
    text = "The one way measured does not fit";
  } else {
    text = fmt::format("None of the {} ways{} fits", told, told < tried ? " measured" : "");
  }
  if (told > 0 && view.limit) text += " in " + human(*view.limit);
  if (told > 0 && summary.unfinished > 0) {
    text += fmt::format("; {} not finish", counted(summary.unfinished, "way did", "ways did"));
  }
  if (summary.not_run > 0) text += fmt::format("; {} not run", counted(summary.not_run, "way was", "ways were"));
  return text;
}

void write_verdict(Out& out, const View& view) {
  const Outcome what = overall(view);
  const char* classes[] = {"ok", "warn", "no", "none"};
  out.print(
      "<section id=\"verdict\" class=\"verdict {}\" aria-labelledby=\"h-verdict\">\n<h2 "
      "id=\"h-verdict\">{}<span>{}.</span></h2>\n",
      classes[static_cast<int>(what)], mark(what), headline(view));
  if (view.of_fit()) {
    out.print("<p>{}</p>\n", fit_line(view.record));
    write_warnings(out, view);
    out.raw("</section>\n");
    return;
  }
  if (view.strained > 0) {
    out.print("<p class=\"alert\">{}{} only by swapping, or by reading the same again and again.</p>\n",
              mark(Outcome::strained), counted(view.strained, "way finishes", "ways finish"));
  }
  out.raw("<dl class=\"ways\">\n");
  if (view.best) {
    const bool several = summarise(view.record).limits.size() > 1;
    write_way(out, view, several ? "Best way in the smallest limit" : "Lightest way that fits", *view.best,
              why_light(view.cell(*view.best)));
  } else if (view.lightest) {
    write_way(out, view, "Lightest way", *view.lightest, view.cell(*view.lightest).reason);
  } else if (const Cell* cell = first_unfinished(view)) {
    out.print("<div><dt>Why</dt><dd><p>{}{}</p></dd></div>\n", cell->verdict,
              cell->reason.empty() ? "" : ": " + cell->reason);
  }
  if (view.heaviest && view.heaviest != view.best && view.heaviest != view.lightest) {
    write_way(out, view, "Heaviest way", *view.heaviest, why(view, view.cell(*view.heaviest)));
  } else if (view.heaviest && !view.best) {
    out.print("<div><dt>Why</dt><dd><p>{}</p></dd></div>\n", why(view, view.cell(*view.heaviest)));
  }
  write_first_step(out, view);
  out.raw("</dl>\n");
  write_warnings(out, view);
  out.raw(
      "<p class=\"gloss\"><b>Need</b> is memory that cannot be given up without swap; it decides what fits. "
      "The <b>floor</b>, what a process needs that has loaded nothing, is part of it. <b>Reclaimable</b> is clean "
      "file cache that the kernel takes back when it must.</p>\n</section>\n");
}

}  // namespace weighbridge::reports::html
