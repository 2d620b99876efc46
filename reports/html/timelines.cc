// Each way's memory over time, its phases, and the rows that the zoom draws from.
#include <algorithm>
#include <utility>

#include "reports/evidence.h"
#include "reports/html/chart.h"
#include "reports/html/columns.h"
#include "reports/html/sections.h"
#include "reports/units.h"
#include "reports/verdict.h"

namespace weighbridge::reports::html {
namespace {

// Rows for the zoom over all cells together, and for one: the page stays below a megabyte without the library, and
// dygraphs draws what it gets in well under a second.
constexpr size_t rows_of_page = 18'000, rows_of_cell = 4'000, rows_at_least = 400;

void write_key(Out& out, const View& view, const Cell& cell, const Trial& trial) {
  const Layers layers(trial.timeline);
  out.raw("<p class=\"key\"><span><i class=\"f-need\"></i>anonymous</span>");
  if (layers.shmem) out.raw("<span><i class=\"f-shmem\"></i>shared</span>");
  if (layers.swap) out.raw("<span><i class=\"f-swap\"></i>swapped out</span>");
  out.raw(layers.shmem || layers.swap ? "<span>(together the need)</span>" : "<span>(the need)</span>");
  if (layers.file) out.raw("<span><i class=\"f-file\"></i>file-backed, on top (reclaimable)</span>");
  if (const Figure limit = view.limit_of(cell)) {
    out.print("<span><i class=\"l-limit\"></i>limit of the need, {}</span>", human(*limit));
  }
  out.raw("</p>\n");
}

// Why there is nothing to draw, in the record's own words where it has some.
std::string why_empty(const View& view, const Cell& cell, const Trial* trial) {
  if (!trial) return "No timeline: this way was not run.";
  for (const Reasons* reasons : {&trial->unavailable, &cell.unavailable}) {
    const auto found = reasons->find("timeline");
    if (found != reasons->end()) return "No timeline: " + found->second;
  }
  if (view.record.settings.sample_interval_ns == 0) {
    return "No timeline: the sampler was off. The peaks are exact without it.";
  }
  return "No timeline: the trial ended before the first sample.";
}

void write_phases(Out& out, const Trial& trial) {
  if (trial.phases.empty()) return;
  out.raw(
      "<div class=\"scroll\" role=\"region\" aria-label=\"phases\" tabindex=\"0\"><table class=\"phases\"><thead><tr>"
      "<th scope=\"col\">phase</th><th scope=\"col\">wall</th><th scope=\"col\">CPU</th><th scope=\"col\">need, "
      "peak</th>"
      "<th scope=\"col\">need, end</th><th scope=\"col\">file, peak</th><th scope=\"col\">RSS, peak</th>"
      "<th scope=\"col\">minor faults</th><th scope=\"col\">major</th></tr></thead><tbody>\n");
  for (const Phase& phase : trial.phases) {
    const auto count = [](const Figure& figure) {
      return figure ? markup("{}", human_count(*figure)) : bytes_or_dash({});
    };
    out.print(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td></tr>\n",
        phase.name, human_duration(phase.wall_ns), human_duration(phase.cpu_ns), human(phase.need_peak_bytes),
        bytes_or_dash(phase.need_end_bytes), human(phase.file_peak_bytes), bytes_or_dash(phase.peak_rss_bytes),
        count(phase.minor_faults), count(phase.major_faults));
  }
  out.raw("</tbody></table></div>\n");
}

void write_split(Out& out, const Cell& cell) {
  if (!cell.at_peak) return;
  const Split& split = *cell.at_peak;
  out.print("<p>At the need's peak{}: <b>{}</b> weights, <b>{}</b> staging, <b>{}</b> overhead",
            cell.peak_phase.empty() ? "" : ", in " + cell.peak_phase, human(split.weights), human(split.staging),
            human(split.overhead));
  if (split.swap > 0) out.print("; {} of it swapped out", human(split.swap));
  if (split.hugetlb > 0) out.print("; {} of it in reserved huge pages", human(split.hugetlb));
  if (split.file > 0) out.print("; beside it {} file-backed", human(split.file));
  out.raw(".</p>\n");
}

template <class Value>
void write_deltas(Out& out, const char* name, const std::vector<size_t>& rows, Value value) {
  out.print(",\"{}\":[", name);
  int64_t before = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto now = static_cast<int64_t>(value(rows[i]));
    out.print("{}{}", i ? "," : "", now - before);
    before = now;
  }
  out.raw("]");
}

// Columns of differences to the row before, in microseconds and KiB; a column that is nothing but zeros is left out.
void write_data(Out& out, const View& view, size_t index, const Trial& trial) {
  const Timeline& line = trial.timeline;
  const size_t most = std::clamp(rows_of_page / view.record.cells.size(), rows_at_least, rows_of_cell);
  const std::vector<size_t> rows = rows_for_zoom(line, most);
  const Peak peak = peak_of(trial);
  out.print("<script type=\"application/json\" id=\"data-{}\">{{\"end\":{},\"peak\":[{},{}],\"phases\":[", index,
            end_of(trial) / 1000, peak.t_ns / 1000, peak.need_bytes / 1024);
  for (size_t i = 0; i < trial.phase_start_ns.size(); ++i) {
    const auto& [name, start] = trial.phase_start_ns[i];
    out.print("{}[{},{}]", i ? "," : "", Markup{json_string(name)}, start / 1000);
  }
  out.raw("]");
  if (const Figure limit = view.limit_of(view.cell(index))) out.print(",\"limit\":{}", *limit / 1024);
  write_deltas(out, "t", rows, [&](size_t row) { return line.t_ns[row] / 1000; });
  const std::pair<const char*, const std::vector<uint32_t>*> columns[] = {
      {"anon", &line.anon_kib}, {"shmem", &line.shmem_kib},     {"swap", &line.swap_kib},
      {"file", &line.file_kib}, {"weights", &line.weights_kib}, {"staging", &line.staging_kib}};
  for (const auto& [name, column] : columns) {
    const auto& kib = *column;
    if (std::any_of(rows.begin(), rows.end(), [&](size_t row) { return kib[row] > 0; })) {
      write_deltas(out, name, rows, [&](size_t row) { return kib[row]; });
    }
  }
  out.raw("}</script>\n");
}

void write_caption(Out& out, const Cell& cell, const Trial& trial) {
  const Peak peak = peak_of(trial);
  out.print("<figcaption>Trial {} of {}, the one whose need lies in the middle; {}.", trial.number, cell.trials.size(),
            counted(trial.timeline.samples_taken, "sample", "samples"));
  if (peak.need_bytes > peak.sampled_bytes + std::max<Bytes>(peak.sampled_bytes / 100, 256 << 10)) {
    out.print(" The peak was read between samples, of which the highest is {}.", human(peak.sampled_bytes));
  }
  out.raw("</figcaption>\n</figure>\n");
}

// What held the limit, and what it did where that explains the verdict.
void write_cage(Out& out, const View& view, const Cell& cell) {
  const std::string pressure = under_pressure(cell, view.record.machine.page_bytes);
  if (!pressure.empty()) out.print("<p>In its limit: {}.</p>\n", pressure);
  if (!cell.limit_bytes || cell.cage.empty()) return;
  out.print("<p class=\"note\">The limit of {} was {}", human(*cell.limit_bytes),
            cell.cage == kWatchedCage ? "watched, not held: cache pressure and swap were not emulated"
                                      : "held by " + cell.cage);
  if (cell.swap_limit_bytes) out.print(", with {} of swap", human(*cell.swap_limit_bytes));
  out.raw(".</p>\n");
}

void write_timeline(Out& out, const View& view, size_t index) {
  const Cell& cell = view.cell(index);
  const Trial* trial = median_trial(cell);
  const bool open = index == 0 || view.best == index || view.heaviest == index;
  out.print(
      "<details class=\"cell\" {}><summary><span class=\"name\">{}</span> {} <span class=\"need\">need {}<b>{}</b>"
      "</span>{}</summary>\n<div class=\"body\" id=\"cell-{}\">\n",
      Markup{open ? "open" : ""}, view.labels[index], verdict_word(cell.verdict),
      ended_early(cell) && cell.need_bytes ? "\u2265 " : "", bytes_or_dash(cell.need_bytes), need_bar(view, cell),
      index);
  if (!cell.reason.empty()) out.print("<p class=\"reason\">{}</p>\n", cell.reason);
  write_cage(out, view, cell);
  if (trial && trial->timeline.size() > 0) {
    out.print("<figure data-cell=\"{}\">\n", index);
    write_key(out, view, cell, *trial);
    write_chart(out, view, index, *trial);
    write_caption(out, cell, *trial);
    write_data(out, view, index, *trial);
  } else {
    out.print("<p class=\"empty\">{}</p>\n", why_empty(view, cell, trial));
  }
  write_split(out, cell);
  if (trial) write_phases(out, *trial);
  if (cell.kept_native_tensors > 0) {
    out.print("<p class=\"note\">{} could not be converted and kept the stored dtype.</p>\n",
              counted(cell.kept_native_tensors, "tensor", "tensors"));
  }
  if (!cell.checksum.empty())
    out.print("<p class=\"note\">Checksum of what was loaded: <code>{}</code></p>\n", cell.checksum);
  out.raw("</div>\n</details>\n");
}

}  // namespace

void write_timelines(Out& out, const View& view) {
  if (view.record.cells.empty()) return;
  out.raw(
      "<section id=\"timelines\" aria-labelledby=\"h-timelines\">\n<h2 id=\"h-timelines\">Memory over time</h2>\n"
      "<p class=\"lead\">Solid is the need, light above it what the kernel may take back. The limit binds the need: a "
      "light area above the line is no failure.</p>\n");
  for (size_t i = 0; i < view.record.cells.size(); ++i) write_timeline(out, view, i);
  out.raw("</section>\n");
}

}  // namespace weighbridge::reports::html
