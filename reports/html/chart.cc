#include "reports/html/chart.h"

#include <algorithm>
#include <cmath>

#include "reports/html/columns.h"
#include "reports/printable.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

constexpr size_t columns = 550;
constexpr int depth = 400;  // units of the areas' height
constexpr double phases_top = 22, plot_top = 42, plot_height = 210, plot_bottom = plot_top + plot_height;

double percent(uint64_t part, uint64_t whole) {
  return std::min(100.0, static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(whole, 1)) * 100);
}

// The vertical axis, from zero. Ticks at powers of two: they are whole in binary units.
struct Axis {
  Bytes top, step;
  bool limit_inside = false;

  Axis(Bytes highest, const Figure& limit) : top(std::max<Bytes>(highest, 4096)), step(1024) {
    // A limit half as high again is worth the room; farther off it is said in words.
    limit_inside = limit && *limit <= top + top / 2;
    if (limit_inside) top = std::max(top, *limit);
    top += top / 16;
    while (top / step > 5) step *= 2;
  }
  double y(Bytes bytes) const {
    return plot_bottom - plot_height * static_cast<double>(std::min(bytes, top)) / static_cast<double>(top);
  }
  int units(Bytes bytes) const {
    return static_cast<int>(std::lround(depth * static_cast<double>(std::min(bytes, top)) / static_cast<double>(top)));
  }
};

std::string tick_label(Bytes bytes) {
  const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return bytes == 0 ? "0" : fmt::format("{:g} {}", value, units[unit]);
}

uint64_t time_step(uint64_t end_ns) {
  uint64_t step = 1;
  for (int i = 0; end_ns / step > 5; ++i) step = step / (i % 3 == 1 ? 2 : 1) * (i % 3 == 1 ? 5 : 2);
  return step;
}

std::string time_label(uint64_t ns, uint64_t step) {
  if (ns == 0) return "0";
  const double value = static_cast<double>(ns);
  if (step >= 10'000'000) return fmt::format("{:g} s", value / 1e9);
  if (step >= 1'000) return fmt::format("{:g} ms", value / 1e6);
  return fmt::format("{:g} us", value / 1e3);
}

template <class Value>
std::string area(const std::vector<size_t>& rows, const Axis& axis, Value kib_of) {
  std::string path = fmt::format("M0 {}", depth);
  int height = 0, run = 0;
  for (const size_t row : rows) {
    const int next = row == SIZE_MAX ? 0 : axis.units(kib_of(row) * 1024);
    if (next != height) {
      if (run > 0) path += fmt::format("h{}", run);
      path += fmt::format("v{}", height - next);
      height = next;
      run = 0;
    }
    ++run;
  }
  return path + fmt::format("h{}V{}z", run, depth);
}

// A text that may not fit into its phase is left out where it would not: at any width, or on a narrow screen.
const char* fitting_class(double share, size_t letters) {
  const double width = 7.0 * static_cast<double>(letters) + 10;
  if (share * 6.2 < width) return nullptr;
  return share * 2.4 < width ? "wide" : "";
}

void write_phases(Out& out, const Trial& trial, uint64_t end_ns) {
  const auto& starts = trial.phase_start_ns;
  for (size_t i = 0; i < starts.size(); ++i) {
    const uint64_t until = i + 1 < starts.size() ? starts[i + 1].second : end_ns;
    const double from = percent(starts[i].second, end_ns);
    const double width = std::max(0.0, percent(until, end_ns) - from);
    out.print(R"(<rect class="band b{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"/>)", i % 2, from, phases_top,
              width, plot_bottom - phases_top);
    if (const char* shown = fitting_class(width, columns_of(starts[i].first))) {
      out.print(R"(<text class="phase {}" x="{:.2f}%" dx="5" y="{}">{}</text>)", shown, from, phases_top + 14,
                starts[i].first);
    }
  }
}

void write_axes(Out& out, const Axis& axis, uint64_t end_ns) {
  for (Bytes number = 0; number <= axis.top / axis.step; ++number) {
    const Bytes tick = number * axis.step;
    const double y = axis.y(tick);
    out.print(
        R"(<line class="grid" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/><text class="tick" x="-8" y="{1:.1f}">{2}</text>)",
        y, y + 4, tick_label(tick));
  }
  const uint64_t step = time_step(end_ns);
  for (uint64_t tick = 0; tick <= end_ns / step; ++tick) {  // not t += step, which may wrap
    const uint64_t t = tick * step;
    const double x = percent(t, end_ns);
    out.print(R"(<text class="time{}" x="{:.2f}%" y="{}">{}</text>)",
              t == 0   ? " first"
              : x > 93 ? " last"
                       : "",
              x, plot_bottom + 17, time_label(t, step));
  }
}

void write_peak(Out& out, const Peak& peak, const Axis& axis, uint64_t end_ns) {
  const double x = percent(peak.t_ns, end_ns);
  const double y = axis.y(peak.need_bytes);
  const char* anchor = x < 35 ? "start" : x > 65 ? "end" : "middle";
  out.print(R"(<line class="flag" x1="{0:.2f}%" x2="{0:.2f}%" y1="17" y2="{1:.1f}"/>)"
            R"(<circle class="flag" cx="{0:.2f}%" cy="{1:.1f}" r="4"/>)"
            R"(<text class="flag" x="{0:.2f}%" y="12" text-anchor="{2}">need {3} at {4}</text>)",
            x, y, anchor, human(peak.need_bytes), human_duration(peak.t_ns));
}

std::string description(const Trial& trial, const Layers& layers, const Peak& peak, const Figure& limit) {
  const Timeline& line = trial.timeline;
  std::string text = fmt::format("Over {} the need is highest at {}, {} after the start.",
                                 human_duration(end_of(trial)), human(peak.need_bytes), human_duration(peak.t_ns));
  if (layers.file) {
    const uint32_t most = *std::max_element(line.file_kib.begin(), line.file_kib.end());
    text += fmt::format(" File-backed memory reaches {}.", human(Bytes{most} * 1024));
  }
  if (layers.swap) {
    const uint32_t most = *std::max_element(line.swap_kib.begin(), line.swap_kib.end());
    text += fmt::format(" Swap reaches {}.", human(Bytes{most} * 1024));
  }
  if (limit) text += fmt::format(" The limit is {}.", human(*limit));
  for (const auto& [name, start] : trial.phase_start_ns)
    text += fmt::format(" {} from {}.", name, human_duration(start));
  return text;
}

}  // namespace

Layers::Layers(const Timeline& line) {
  const auto any = [](const std::vector<uint32_t>& column) {
    return std::any_of(column.begin(), column.end(), [](uint32_t kib) { return kib > 0; });
  };
  shmem = any(line.shmem_kib);
  swap = any(line.swap_kib);
  file = any(line.file_kib);
}

uint64_t end_of(const Trial& trial) {
  uint64_t end = trial.timeline.size() > 0 ? trial.timeline.t_ns.back() : 0;
  for (const auto& [name, start] : trial.phase_start_ns) end = std::max(end, start);
  return std::max<uint64_t>(end, 1);
}

Peak peak_of(const Trial& trial) {
  const size_t row = peak_row(trial.timeline);
  Peak peak;
  peak.t_ns = trial.timeline.t_ns[row];
  peak.sampled_bytes = need_kib(trial.timeline, row) * 1024;
  peak.need_bytes = std::max(peak.sampled_bytes, trial_need(trial).value_or(0));
  return peak;
}

void write_chart(Out& out, const View& view, size_t index, const Trial& trial) {
  const Timeline& line = trial.timeline;
  const Layers layers(line);
  const Peak peak = peak_of(trial);
  const uint64_t end_ns = end_of(trial);
  const Figure limit = view.limit_of(view.cell(index));
  const auto need = [&](size_t row) { return need_kib(line, row); };
  const auto total = [&](size_t row) { return need_kib(line, row) + line.file_kib[row]; };
  Bytes highest = peak.need_bytes;
  for (size_t row = 0; row < line.size(); ++row) highest = std::max(highest, total(row) * 1024);
  const Axis axis(highest, limit);
  const std::vector<size_t> rows = rows_by_column(line, end_ns, columns);

  out.print(
      R"(<svg class="chart" role="img" aria-labelledby="t{0} d{0}" height="{1}"><title id="t{0}">Memory of {2} over)"
      R"( time</title><desc id="d{0}">{3}</desc>)",
      index, plot_bottom + 24, view.labels[index], description(trial, layers, peak, limit));
  write_phases(out, trial, end_ns);
  write_axes(out, axis, end_ns);
  out.print(R"(<svg y="{}" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">)", plot_top,
            plot_height, columns, depth);
  if (layers.file) out.print(R"(<path class="f-file" d="{}"/>)", area(rows, axis, total));
  if (layers.swap) out.print(R"(<path class="f-swap" d="{}"/>)", area(rows, axis, need));
  if (layers.shmem) {
    out.print(R"(<path class="f-shmem" d="{}"/>)",
              area(rows, axis, [&](size_t row) { return uint64_t{line.anon_kib[row]} + line.shmem_kib[row]; }));
  }
  out.print(R"(<path class="f-need" d="{}"/></svg>)",
            area(rows, axis, [&](size_t row) { return uint64_t{line.anon_kib[row]}; }));
  if (axis.limit_inside) {
    out.print(
        R"(<line class="l-limit" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/><text class="limit" x="5" y="{1:.1f}">limit {2}</text>)",
        axis.y(*limit), axis.y(*limit) - 5, human(*limit));
  }
  write_peak(out, peak, axis, end_ns);
  out.raw("</svg>\n");
}

}  // namespace weighbridge::reports::html
