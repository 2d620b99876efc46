#include "reports/aggregate.h"

#include "reports/verdict.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;

TEST_CASE("a cell's figures are medians over its trials") {
  Cell cell;
  for (int i : {3, 1, 2}) {
    Trial trial = sample::trial(i, {static_cast<Bytes>(i) * kGiB, 40 * kMiB + i * kMiB, i * kGiB, 0});
    for (Phase& phase : trial.phases) phase.cpu_ns = 1000u * i;
    trial.phases[1].swap_peak_bytes = i * kMiB;
    cell.trials.push_back(trial);
  }
  aggregate(cell, 77);
  CHECK(cell.verdict == "fits");
  CHECK(cell.need_bytes == 2 * kGiB);
  CHECK(cell.need_error_bytes == 77u);
  CHECK(cell.at_peak->weights == 2 * kGiB);
  CHECK(cell.peak_phase == "load");
  CHECK(cell.floor_bytes == 700u << 10);
  CHECK(cell.reclaimable_bytes == 39 * kMiB);
  CHECK(cell.peak_rss_bytes == 2 * kGiB + 42 * kMiB);
  CHECK(cell.page_table_bytes == 4 * kMiB + 40960);
  CHECK(cell.cpu_ns == 6000u);
  CHECK(cell.wall_ns == 10'404'000'000u);
  CHECK(cell.swap_peak_bytes == 2 * kMiB);
  CHECK(cell.major_faults == 36u);
  CHECK(cell.checksum == "9f86d081884c7d65");
  CHECK(cell.unavailable.empty());

  cell.trials.pop_back();  // an even number: the lower of the middle two, a figure that was measured
  aggregate(cell, 77);
  CHECK(cell.need_bytes == 1 * kGiB);
  CHECK(cell.at_peak->weights == 1 * kGiB);
}

TEST_CASE("the worst trial's verdict is the cell's, and its figures come from those that ended by themselves") {
  Cell cell;
  cell.trials = {sample::trial(1, {6 * kGiB, kMiB, 6 * kGiB, 0}), sample::killed(2, 8 * kGiB),
                 sample::trial(3, {6 * kGiB, kMiB, 6 * kGiB, 0})};
  cell.trials[2].verdict = verdict::interrupted;
  aggregate(cell, 0);
  CHECK(cell.verdict == "oom-killed");
  // The one that was interrupted says nothing of the cell.
  CHECK(cell.reason == "1 of 2 trials: killed by the container's limit at 41.2 s, phase load (oom_kill 1)");
  CHECK(cell.need_bytes == 6 * kGiB);
  CHECK(cell.wall_ns.has_value());
  CHECK(cell.reclaimable_bytes == 0u);  // less than the floor's own pages: not below 0
}

TEST_CASE("of killed trials the cell says what they reached, and why times are not known") {
  const Cell cell = sample::killed_cell("eager", "f32", 0, 7 * kGiB);
  CHECK(cell.verdict == "oom-killed");
  CHECK(cell.need_bytes == 7 * kGiB);
  CHECK_FALSE(cell.wall_ns);
  CHECK(cell.unavailable.at("wall_ns") == "no trial ended by itself");
  CHECK(cell.unavailable.at("minor_faults") == "no trial ended by itself");
  CHECK(cell.checksum.empty());
  // Only the phase that was finished has a VmHWM.
  CHECK(cell.peak_rss_bytes == (700u << 10) + 3 * kMiB);
}

TEST_CASE("a figure that no trial knows keeps the trials' reason, the harness's own before it") {
  Cell cell;
  cell.trials = {sample::trial(1, {kGiB, kMiB, kGiB, 0})};
  for (Phase& phase : cell.trials[0].phases) phase.page_table_bytes = phase.peak_rss_bytes = std::nullopt;
  cell.trials[0].phases[0].major_faults = std::nullopt;  // one phase unknown: the sum would be too small
  cell.trials[0].unavailable = {{"peak_rss_bytes", "clear_refs: Permission denied"}};
  cell.unavailable = {{"page_table_bytes", "no VmPTE here"}, {"wall_ns", "stale"}};
  aggregate(cell, 0);
  CHECK(cell.unavailable.at("peak_rss_bytes") == "clear_refs: Permission denied");
  CHECK(cell.unavailable.at("page_table_bytes") == "no VmPTE here");
  CHECK(cell.unavailable.at("major_faults") == "no trial knows it");
  CHECK(cell.unavailable.count("wall_ns") == 0);
}

TEST_CASE("a floor that is not known is not 0, and what rests on it is not known either") {
  Cell cell;
  cell.trials = {sample::trial(1, {kGiB, 40 * kMiB, kGiB, 0}), sample::trial(2, {kGiB, 40 * kMiB, kGiB, 0})};
  cell.trials[0].floor_bytes = cell.trials[0].floor_file_bytes = std::nullopt;
  aggregate(cell, 0);
  CHECK(cell.floor_bytes == 700u << 10);  // of the trial that knows it
  CHECK(cell.reclaimable_bytes == 37 * kMiB);
  cell.trials[1].floor_bytes = cell.trials[1].floor_file_bytes = std::nullopt;
  cell.trials[1].unavailable = {{"floor_bytes", "it was gone"}, {"floor_file_bytes", "status was gone"}};
  aggregate(cell, 0);
  CHECK_FALSE(cell.floor_bytes);
  CHECK_FALSE(cell.reclaimable_bytes);
  CHECK(cell.unavailable.at("floor_bytes") == "it was gone");
  CHECK(cell.unavailable.at("reclaimable_bytes") == "status was gone");
  CHECK(cell.need_bytes == kGiB);
}

TEST_CASE("a cell without trials was not run, and later trials take its reasons away") {
  Cell cell;
  cell.predicted = Prediction{};
  aggregate(cell, 0);
  CHECK(cell.verdict == "not-run");
  CHECK(cell.unavailable.at("need_bytes") == "not run");
  CHECK(cell.unavailable.at("at_peak") == "not run");
  cell.trials = {sample::killed(1, kGiB)};
  aggregate(cell, 0);
  CHECK(cell.unavailable.count("need_bytes") == 0);
  CHECK(cell.unavailable.at("wall_ns") == "no trial ended by itself");
  cell.trials[0].phases.clear();
  aggregate(cell, 0);
  CHECK(cell.unavailable.at("need_bytes") == "no trial got as far as its first phase");
}

TEST_CASE("a trial without a cgroup of its own says so of every figure that is counted in one") {
  constexpr Figure Phase::*kCounted[] = {
      &Phase::refault_file_pages, &Phase::refault_anon_pages, &Phase::limit_hits,         &Phase::cgroup_usage_bytes,
      &Phase::cgroup_anon_bytes,  &Phase::cgroup_file_bytes,  &Phase::cgroup_shmem_bytes, &Phase::cgroup_kernel_bytes,
      &Phase::cgroup_psi_some_ns, &Phase::cgroup_psi_full_ns,
  };
  Record record = sample::record();
  Cell& cell = record.cells[0];
  Trial& trial = cell.trials[1];
  for (Phase& phase : trial.phases) {
    for (Figure Phase::*figure : kCounted) phase.*figure = std::nullopt;
  }
  trial.cgroup_peak_bytes = trial.cgroup_swap_peak_bytes = std::nullopt;
  trial.unavailable = {{"limit_hits", "no memory.events here"}};
  CHECK(unexplained(record).size() == 3 * 9 + 2);
  aggregate(cell, 0);
  CHECK(unexplained(record).empty());
  CHECK(cell.trials[0].unavailable.empty());
  REQUIRE(trial.unavailable.size() == 12);
  for (const auto& [figure, reason] : trial.unavailable) {
    INFO(figure);
    CHECK(reason == (figure == "limit_hits" ? "no memory.events here"  // the harness's own stays
                                            : "the trial had no cgroup of its own to count in"));
  }
}

TEST_CASE("a null of a fit gets its reason, the caller's own before it") {
  Record record;
  record.fits = sample::fits();
  CHECK(unexplained(record).empty());
  CHECK(record.fits[0].unavailable ==
        Reasons{{"slowdown", "no trial ended by itself in some of the limits tried"},
                {"wall_ns", "no trial ended by itself in some of the limits tried"},
                {"major_faults", "no trial ended by itself in some of the limits tried"},
                {"refault_file_pages", "no trial ended by itself in some of the limits tried"},
                {"stall_ns", "no trial ended by itself in some of the limits tried"}});
  CHECK(record.fits[1].unavailable.empty());
  CHECK(record.fits[2].unavailable.at("survival") == "it was stopped in every limit that was tried");
  CHECK(record.fits[2].unavailable.at("predicted_bytes") == "this way has no plan to predict from");

  Fit& fit = record.fits[1];
  fit.useful->stall_ns = std::nullopt;
  fit.tries[0].stall_ns = fit.tries[0].slowdown = std::nullopt;
  CHECK(unexplained(record) == std::vector<std::string>{"fits[1].slowdown", "fits[1].stall_ns"});
  fit.unavailable = {{"stall_ns", "no PSI here"}};
  fit.useful = std::nullopt;
  explain(fit);
  CHECK(fit.unavailable == Reasons{{"stall_ns", "no PSI here"},
                                   {"slowdown", "it could not be counted here"},
                                   {"useful", "the search ended before it was found"}});
  fit.tries.clear();
  fit.survival = std::nullopt;
  fit.unavailable.clear();
  explain(fit);
  CHECK(fit.unavailable == Reasons{{"survival", "no limit was tried"}, {"useful", "no limit was tried"}});
}

TEST_CASE("the limit that bites is the smallest, but for what only locked memory counts against") {
  Record record;
  CHECK(record.limit() == nullptr);
  record.machine.limits = {{"ulimit -l", 64 << 10, Limit::kBoundsLocked}};
  CHECK(record.limit() == nullptr);
  record.machine.limits = {{"physical memory", 8 * kGiB},
                           {"ulimit -v", 2 * kGiB, Limit::kBoundsAddressSpace},
                           {"ulimit -l", 64 << 10, Limit::kBoundsLocked}};
  CHECK(record.limit()->source == "ulimit -v");
  record.machine.limits[1].bytes = 9 * kGiB;
  CHECK(record.limit()->source == "physical memory");
}

TEST_CASE("a null without a reason is found") {
  Record record = sample::record();
  CHECK(unexplained(record).empty());
  record.cells[2].unavailable.erase("wall_ns");
  record.cells[0].trials[1].phases[2].psi_some_ns = std::nullopt;
  record.cells[0].trials[0].cached_before_bytes = std::nullopt;
  record.cells[0].trials[0].floor_bytes = record.cells[0].trials[0].floor_file_bytes = std::nullopt;
  record.cells[0].trials[1].phases[0].need_end_bytes = std::nullopt;
  CHECK(unexplained(record) ==
        std::vector<std::string>{"cells[0].trials[0].floor_bytes", "cells[0].trials[0].floor_file_bytes",
                                 "cells[0].trials[0].cached_before_bytes",
                                 "cells[0].trials[1].phases[0].need_end_bytes",
                                 "cells[0].trials[1].phases[2].psi_some_ns", "cells[2].wall_ns"});
}
