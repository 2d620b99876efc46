#include "tests/bench/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>

#include "harness/probe/machine.h"
#include "harness/probe/procfs.h"
#include "reports/units.h"
#include "tests/bench/ground.h"
#include "tests/bench/progress.h"

namespace weighbridge::bench {
namespace {

constexpr size_t kNameWidth = 30;

void line(const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

std::string rate(uint64_t bytes, const std::vector<double>& seconds) {
  return fmt::format("{:.2f}", static_cast<double>(bytes) / median(seconds) / 1e9);
}

std::string word(Row::Outcome::Verdict verdict) {
  switch (verdict) {
    case Row::Outcome::Verdict::held:
      return "held";
    case Row::Outcome::Verdict::missed:
      return "MISSED";
    case Row::Outcome::Verdict::undecided:
      return "open";
    case Row::Outcome::Verdict::no_bar:
      return "";
  }
  return "";
}

// "strategy/eager/native" under its heading: "  eager/native".
std::string short_name(const Row& row) {
  return "  " + row.name.substr(row.name.find('/') + 1);
}

void print_row(const Row& row) {
  const Row::Outcome& outcome = row.outcome;
  std::string text = fmt::format("{:<{}}", short_name(row), kNameWidth);
  if (outcome.seconds.empty()) return line(text + " not measured");
  text += fmt::format(" {:>7}", rate(row.bytes, outcome.seconds));
  if (!outcome.ratios.empty()) {
    text += fmt::format(" {:>7} {:>6.2f}", rate(row.bytes, outcome.limit_seconds), median(outcome.ratios));
    const auto interval = median_interval(outcome.ratios);
    text += interval ? fmt::format(" {:>5.2f} to {:<5.2f}", interval->low, interval->high) : std::string(15, ' ');
    text += row.bar ? fmt::format(" {:>4.2f} {}", *row.bar, word(outcome.verdict(row.bar))) : "";
  }
  line(text);
}

// What makes ratios noisy, said before they are read.
void print_machine() {
  const reports::Machine machine = describe_machine();
  line(fmt::format("{}, {}, {}", machine.cpu, reports::counted(machine.cpus, "processor", "processors"),
                   machine.kernel));
  line(fmt::format("The file: {}, in the page cache.", Ground::get().description()));
  line(fmt::format("Memory: {}, fresh each time, no huge pages, as in trials.", Ground::get().allocator_version()));
  double load = 0;
  const bool before_others = sched_getscheduler(0) != SCHED_OTHER;
  if (!before_others && getloadavg(&load, 1) == 1 && load > machine.cpus / 2.0) {
    line(
        fmt::format("Other programs are at work (load average {:.1f}): ratios are noisy. As root,\n"
                    "`chrt --fifo 1 scripts/bench` runs before them.",
                    load));
  }
  const ProcText governor = read_proc("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (governor.text && !governor.text->starts_with("performance")) {
    line(fmt::format("The processors' frequency changes (governor {}): ratios are noisy.",
                     governor.text->substr(0, governor.text->find('\n'))));
  }
}

}  // namespace

bool Table::ReportContext(const Context&) {
  print_machine();
  line(fmt::format("\n{:<{}} {:>7} {:>7} {:>6} {:<14} {:>4}", "GB/s, medians", kNameWidth, "THIS", "LIMIT", "RATIO",
                   "95 % INTERVAL", "BAR"));
  return true;
}

void Table::ReportRuns(const std::vector<Run>& runs) {
  if (runs.empty()) return;
  Row* row = find_row(runs.front().run_name.function_name);
  if (row == nullptr) {  // one of Google Benchmark's ordinary cases
    for (const Run& run : runs) {
      const auto bytes = run.counters.find("bytes_per_second");
      line(fmt::format("{:<{}} {:>7.2f}", run.benchmark_name(), kNameWidth,
                       bytes == run.counters.end() ? 0.0 : bytes->second.value / 1e9));
    }
    return;
  }
  if (!printed_.insert(row).second) return;
  clear_progress();
  const std::string heading =
      row->outcome.limit.empty() ? row->group : fmt::format("{}, against {}", row->group, row->outcome.limit);
  if (heading != heading_) line(heading);
  heading_ = heading;
  if (!row->outcome.error.empty()) {
    line(fmt::format("{}  NOT TESTED:\n    {}", short_name(*row), row->outcome.error));
  } else {
    print_row(*row);
  }
}

void Table::Finalize() {
  bool any = false;
  for (const Row* row : rows()) {
    const Row::Outcome& outcome = row->outcome;
    if (!outcome.weighed) continue;
    if (!any) {
      line(fmt::format("\n{:<{}} {:>9} {:>9} {:>9} {:>6} {:>7} {:>5}", "What one load needs", kNameWidth - 4, "NEED",
                       "PREDICTED", "HEAP", "ALLOCS", "MINOR", "MAJOR"));
      any = true;
    }
    line(fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>6} {:>7} {:>5}", short_name(*row), kNameWidth - 4,
                     reports::human(outcome.weighed->need_bytes),
                     row->predicted_bytes ? reports::human(*row->predicted_bytes) : "-",
                     outcome.heap ? reports::human(static_cast<uint64_t>(outcome.heap->peak_bytes)) : "-",
                     outcome.heap ? std::to_string(outcome.heap->allocations) : "-", outcome.weighed->minor_faults,
                     outcome.weighed->major_faults));
  }
}

bool print_verdict() {
  size_t held = 0, undecided = 0, untested = 0;
  std::vector<std::string> missed;
  for (const Row* row : rows()) {
    if (!row->bar || !row->outcome.asked_for) continue;
    if (!row->outcome.error.empty()) ++untested;
    if (row->outcome.ratios.empty()) continue;
    switch (row->outcome.verdict(row->bar)) {
      case Row::Outcome::Verdict::held:
        ++held;
        break;
      case Row::Outcome::Verdict::missed:
        missed.push_back(fmt::format("{} ({:.2f} of {:.2f})", row->name, median(row->outcome.ratios), *row->bar));
        break;
      default:
        ++undecided;
    }
  }
  line(fmt::format("\n{}: {} held, {} missed, {} not decided, {} not tested{}{}",
                   missed.empty() ? "no bar is missed" : "BARS ARE MISSED", held, missed.size(), undecided, untested,
                   missed.empty() ? "" : "\n  ", fmt::join(missed, "\n  ")));
  return missed.empty();
}

}  // namespace weighbridge::bench
