#include "harness/cli/progress.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "harness/cli/console.h"
#include "harness/probe/clocks.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

constexpr uint64_t kRedrawNs = 250'000'000;
constexpr uint64_t kHeartbeatNs = 60'000'000'000;

std::string bar(double fraction) {
  constexpr int kWidth = 12;
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kWidth);
  return std::string(static_cast<size_t>(full), '#') + std::string(static_cast<size_t>(kWidth - full), '-');
}

// "eager native cold in 4.00 GiB"
std::string way_of(const reports::Cell& cell) {
  std::string way =
      fmt::format("{} {}{}", printable(reports::strategy_name(cell)), cell.dtype, cell.cache == "cold" ? " cold" : "");
  if (cell.limit_bytes) way += " in " + reports::human(*cell.limit_bytes);
  return way;
}

// "limits 400 MiB (cgroup v2), none" where the cells have limits of their own; else the one that bites.
std::string limits_of(const reports::Record& record) {
  std::vector<std::string> own;
  for (const reports::Cell& cell : record.cells) {
    std::string limit =
        cell.limit_bytes ? fmt::format("{} ({})", reports::human(*cell.limit_bytes), cell.cage) : "none";
    if (std::find(own.begin(), own.end(), limit) == own.end()) own.push_back(std::move(limit));
  }
  if (own != std::vector<std::string>{"none"}) return fmt::format("limits {}", fmt::join(own, ", "));
  const reports::Limit* bites = record.limit();
  return bites == nullptr ? "no limit found"
                          : fmt::format("limit {} ({})", reports::human(bites->bytes), bites->source);
}

}  // namespace

Progress::Progress(Loudness loudness) : loudness_(loudness), redraws_(loudness != Loudness::quiet && can_redraw()) {}

Progress::~Progress() {
  finish();
}

void Progress::finish() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::line(const std::string& text) {
  if (loudness_ == Loudness::quiet) return;
  finish();
  std::fprintf(stderr, "%s\n", text.c_str());
  heard_ns_ = monotonic_ns();
}

void Progress::redraw(const std::string& text) {
  const uint64_t now = monotonic_ns();
  if (redraws_) {
    if (now - drawn_ns_ < kRedrawNs) return;
    drawn_ns_ = now;
    const size_t width = std::max(stderr_columns(), 20u) - 1;
    std::fprintf(stderr, "\r\033[K%s", text.substr(0, width).c_str());
    std::fflush(stderr);
    drawn_ = true;
  } else if (now - heard_ns_ > kHeartbeatNs) {
    line("still at it: " + text);
  }
}

void Progress::described(const reports::Record& record) {
  const reports::Checkpoint& checkpoint = record.checkpoint;
  std::string dtypes;
  for (const auto& [dtype, bytes] : checkpoint.dtypes) dtypes += (dtypes.empty() ? "" : ", ") + dtype;
  const size_t slash = checkpoint.path.find_last_of('/', checkpoint.path.size() > 1 ? checkpoint.path.size() - 2 : 0);
  line(fmt::format("weighbridge {}   {}   {}   {} tensors   {}", record.version,
                   printable(slash == std::string::npos ? checkpoint.path : checkpoint.path.substr(slash + 1)),
                   reports::human(checkpoint.bytes), checkpoint.tensors, dtypes));
  line(fmt::format("{}   swap {}   cache {}   seed {}", limits_of(record),
                   reports::human(record.machine.swap_free_bytes), record.settings.cache, record.settings.seed));
  line(fmt::format("{} x {}{}", reports::counted(record.cells.size(), "way", "ways"),
                   reports::counted(static_cast<uint64_t>(record.settings.repeat), "trial", "trials"),
                   redraws_ ? "                 Ctrl-C keeps what is done" : ""));
}

void Progress::reference(uint64_t done, uint64_t total) {
  work("reading once for reference", done, total);
}

void Progress::work(const char* what, uint64_t done, uint64_t total) {
  if (loudness_ == Loudness::quiet) return;
  const uint64_t now = monotonic_ns();
  if (work_started_ns_ == 0) work_started_ns_ = heard_ns_ = now;
  const double fraction = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total);
  std::string left;
  if (fraction > 0.05) {
    const double spent = static_cast<double>(now - work_started_ns_);
    left = "   left " + reports::human_duration(static_cast<uint64_t>(spent * (1 - fraction) / fraction));
  }
  redraw(fmt::format(" {}   {}/{} {}{}", what, reports::human(done), reports::human(total), bar(fraction), left));
}

void Progress::begins(size_t order, size_t trials, const reports::Cell& cell, int number, int repeat) {
  if (order == 0) started_ns_ = heard_ns_ = monotonic_ns();
  order_ = order;
  trials_ = trials;
  fraction_ = 0;
  what_ = fmt::format("{} ({}/{})", way_of(cell), number, repeat);
  progress({"start", 0, 0});
}

std::string Progress::time_left() const {
  const double done = static_cast<double>(order_) + fraction_;
  if (done < 0.5) return "";
  const double spent = static_cast<double>(monotonic_ns() - started_ns_);
  return "   left " +
         reports::human_duration(static_cast<uint64_t>(spent * (static_cast<double>(trials_) - done) / done));
}

void Progress::progress(const TrialProgress& progress) {
  fraction_ =
      progress.total == 0 ? 0 : std::min(1.0, static_cast<double>(progress.done) / static_cast<double>(progress.total));
  redraw(fmt::format(" [{:>{}}/{}] {}   {:<7} {}{}", order_ + 1, std::to_string(trials_).size(), trials_, what_,
                     progress.phase, bar(fraction_), time_left()));
}

void Progress::ended(const reports::Cell& cell, const reports::Trial& trial) {
  if (loudness_ != Loudness::trials) return;
  reports::Bytes need = 0;
  uint64_t wall = 0;
  for (const reports::Phase& phase : trial.phases) {
    need = std::max(need, phase.need_peak_bytes);
    wall += phase.wall_ns;
  }
  line(fmt::format("trial {}/{}  {}  {}  need {}  {}", order_ + 1, trials_, way_of(cell), trial.verdict,
                   reports::human(need), reports::human_duration(wall)));
}

void Progress::cell_ended(const reports::Cell& cell) {
  if (redraws_) return;
  line(fmt::format("[{}/{}] {}: {}, need {}", order_ + 1, trials_, way_of(cell), cell.verdict,
                   reports::human(cell.need_bytes)));
}

void Progress::tries(size_t way, size_t ways, const reports::Cell& cell, const std::string& what) {
  if (started_ns_ == 0) started_ns_ = heard_ns_ = monotonic_ns();
  order_ = way;
  trials_ = ways;
  what_ = fmt::format("{} {}: {}", printable(reports::strategy_name(cell)), cell.dtype, what);
  fraction_ = 0;
  progress({"start", 0, 0});
}

void Progress::found(const reports::Fit& fit) {
  const auto limit = [](const std::optional<reports::FitPoint>& point) {
    if (!point) return std::string("not known");
    const std::string slowdown = point->slowdown ? fmt::format(" ({:.2g} x)", *point->slowdown) : std::string();
    return reports::human(point->limit_bytes) + slowdown;
  };
  line(fmt::format("[{}/{}] {} {}: survives from {}, useful from {}", order_ + 1, trials_, printable(fit.strategy),
                   fit.dtype, limit(fit.survival), limit(fit.useful)));
}

void Progress::note(const std::string& text) {
  line(text);
}

}  // namespace weighbridge::cli
