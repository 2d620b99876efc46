#include "reports/verdict.h"

#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;

namespace {

Trial fitting() {
  return sample::trial(1, {6 * kGiB, 4 * kMiB, 6 * kGiB, 0});
}

Judgement judged(const Trial& trial, Figure limit = 8 * kGiB, const char* cage = "cgroup v2",
                 const char* cache = "cold") {
  Cell cell;
  cell.cache = cache;
  cell.limit_bytes = limit;
  cell.cage = cage;
  return judge(trial, sample::checkpoint(), cell, sample::machine());
}

// Without a cgroup of its own: what is left are the machine's counters.
Trial uncaged() {
  Trial trial = fitting();
  for (Phase& phase : trial.phases) {
    phase.refault_anon_pages = phase.cgroup_psi_some_ns = phase.cgroup_psi_full_ns = std::nullopt;
  }
  return trial;
}

}  // namespace

TEST_CASE("the worst verdict is the first of the order, and a trial that says nothing yields to any other") {
  CHECK(severity("failed") < severity("timed-out"));
  CHECK(severity("timed-out") < severity("oom-killed"));
  CHECK(severity("oom-killed") < severity("over-limit"));
  CHECK(severity("over-limit") < severity("refused"));
  CHECK(severity("refused") < severity("killed"));
  CHECK(severity("killed") < severity("guard-stopped"));
  CHECK(severity("guard-stopped") < severity("thrashed"));
  CHECK(severity("thrashed") < severity("swapped"));
  CHECK(severity("swapped") < severity("fits-reclaiming"));
  CHECK(severity("fits-reclaiming") < severity("fits"));
  CHECK(severity("fits") < severity("interrupted"));
  CHECK(severity("interrupted") < severity("not-run"));
  CHECK(severity("no such word") == severity("failed"));
  CHECK(does_fit("fits-reclaiming"));
  CHECK_FALSE(does_fit("swapped"));
  CHECK(ended_by_itself("thrashed"));
  CHECK_FALSE(ended_by_itself("failed"));
  CHECK_FALSE(was_tried("not-run"));
}

TEST_CASE("fits: says what was needed of what") {
  CHECK(judged(fitting()).verdict == "fits");
  CHECK(judged(fitting()).reason == "needed 6.00 GiB of 8.00 GiB");
  CHECK(judged(fitting(), std::nullopt).reason == "needed 6.00 GiB");
}

TEST_CASE("over-limit: page tables count, the kernel's error is granted") {
  const auto watched = [](const Trial& trial) { return judged(trial, 8 * kGiB, "watched"); };
  Trial trial = uncaged();
  trial.phases[1].need_peak_bytes = 8 * kGiB - kMiB;
  CHECK(watched(trial).verdict == "over-limit");
  CHECK_THAT(watched(trial).reason, ContainsSubstring("page tables of 12.0 MiB included, in phase load"));
  CHECK(judged(trial, std::nullopt).verdict == "fits");
  trial.phases[1].page_table_bytes = kMiB + 200 * 1024;
  CHECK(watched(trial).verdict == "fits");
}

TEST_CASE("over-limit: what lies in swap is not under the limit") {
  Trial trial = uncaged();
  trial.phases[1].need_peak_bytes = 10 * kGiB;
  trial.phases[1].at_peak.swap = 3 * kGiB;
  trial.phases[1].swap_peak_bytes = 3 * kGiB;
  CHECK(judged(trial, 8 * kGiB, "watched").verdict == "swapped");
}

TEST_CASE("a need that seems above a limit which the kernel holds is no over-limit") {
  Trial trial = fitting();
  trial.phases[1].need_peak_bytes = 8 * kGiB + 40 * kMiB;  // counters that lag
  for (const char* cage : {"cgroup v2", "cgroup v1"}) {
    CHECK(judged(trial, 8 * kGiB, cage).verdict == "fits");
    trial.phases[1].swap_peak_bytes = 50 * kMiB;
    CHECK(judged(trial, 8 * kGiB, cage).verdict == "swapped");
    trial.phases[1].swap_peak_bytes = 0;
  }
}

TEST_CASE("thrashed: of its own cgroup the trial's own counters are proof enough") {
  const uint64_t pages = sample::checkpoint().bytes / 4096;
  Trial trial = fitting();
  trial.phases[1].refault_anon_pages = pages / 2;
  trial.phases[2].refault_anon_pages = pages / 2 + 2;
  CHECK(judged(trial).verdict == "thrashed");
  CHECK_THAT(judged(trial).reason, ContainsSubstring("(file pages 0 B, swap 12.6 GiB)"));

  trial = fitting();
  trial.phases[2].swap_peak_bytes = kMiB;
  trial.phases[2].system_swap_in_pages = pages + 1;  // but none of them this trial's
  CHECK(judged(trial).verdict == "fits");

  trial = fitting();
  trial.phases[1].psi_full_ns = 9'000'000'000;  // of the machine, which has other reasons to wait
  trial.phases[2].swap_peak_bytes = 8192;
  CHECK(judged(trial).verdict == "fits");
  trial.phases[1].cgroup_psi_full_ns = 2'700'000'000;
  trial.phases[2].swap_peak_bytes = 0;
  CHECK(judged(trial).verdict == "thrashed");
  CHECK(judged(trial).reason == "stood still for 2.7 s of 10.4 s waiting for memory (PSI full of its own cgroup)");
  trial.phases[0].cgroup_psi_full_ns = std::nullopt;  // a sum that lacks a phase is none: the machine's then
  CHECK(judged(trial).verdict == "fits");
  trial.phases[2].swap_peak_bytes = 8192;
  CHECK_THAT(judged(trial).reason, ContainsSubstring("the machine stood still for 9.0 s"));
}

TEST_CASE("thrashed: read again more than one pass touches, or stood still for a quarter of the time") {
  const uint64_t pages = sample::checkpoint().bytes / 4096;
  Trial trial = uncaged();
  trial.phases[1].refault_file_pages = pages / 2;
  trial.phases[2].refault_file_pages = pages / 2 + 2;
  CHECK(judged(trial).verdict == "thrashed");

  trial = uncaged();
  trial.phases[2].swap_peak_bytes = 2 * kMiB;
  trial.phases[2].system_swap_in_pages = pages + 1;
  CHECK(judged(trial).verdict == "thrashed");
  trial.phases[2].swap_peak_bytes = 0;  // then somebody else's pages were swapped in
  CHECK(judged(trial).verdict == "fits");

  trial = uncaged();
  trial.phases[1].psi_full_ns = 2'700'000'000;
  CHECK(judged(trial).verdict == "fits");  // the machine stood still, but this trial lost nothing
  trial.phases[2].swap_peak_bytes = 8192;
  CHECK(judged(trial).verdict == "thrashed");
  CHECK(judged(trial).reason ==
        "the machine stood still for 2.7 s of 10.4 s waiting for memory (PSI full), and the trial itself had up to "
        "8.00 KiB in swap");
  trial.phases[2].refault_file_pages = 256;
  CHECK_THAT(judged(trial).reason, ContainsSubstring("the trial itself read 1.00 MiB again"));
  trial.phases[1].psi_full_ns = 2'500'000'000;
  CHECK(judged(trial).verdict == "fits");

  trial = uncaged();
  trial.phases[1].psi_full_ns = 2'700'000'000;
  trial.phases[2].major_faults = 300;  // of which the program's own code explains 256, all phases together
  CHECK(judged(trial).verdict == "thrashed");
  CHECK_THAT(judged(trial).reason, ContainsSubstring("the trial itself had 68 major faults beyond a first cold pass"));
  trial.phases[2].major_faults = 200;
  CHECK(judged(trial).verdict == "fits");
}

TEST_CASE("every verdict either fits, does not fit, did not finish or was not run, and no two of these") {
  for (const char* word : {"fits", "fits-reclaiming"})
    CHECK((does_fit(word) && !does_not_fit(word) && !did_not_finish(word)));
  for (const char* word : {"oom-killed", "over-limit", "refused", "guard-stopped", "swapped", "thrashed"}) {
    CHECK((!does_fit(word) && does_not_fit(word) && !did_not_finish(word)));
  }
  for (const char* word : {"failed", "timed-out", "killed", "interrupted"}) {
    CHECK((!does_fit(word) && !does_not_fit(word) && did_not_finish(word)));
  }
  CHECK_FALSE(did_not_finish("not-run"));
  CHECK_FALSE(does_not_fit("not-run"));
}

TEST_CASE("swapped: above 1 MiB") {
  Trial trial = fitting();
  trial.phases[2].swap_peak_bytes = kMiB;
  CHECK(judged(trial).verdict == "fits");
  trial.phases[2].swap_peak_bytes = kMiB + 4096;
  CHECK(judged(trial).verdict == "swapped");
}

TEST_CASE("fits-reclaiming: more than 1 % of the stored bytes read again") {
  const uint64_t pages = sample::checkpoint().bytes / 4096;
  Trial trial = fitting();
  trial.phases[2].refault_file_pages = pages / 100;
  CHECK(judged(trial).verdict == "fits");
  trial.phases[2].refault_file_pages = pages / 100 + 2;
  CHECK(judged(trial).verdict == "fits-reclaiming");
}

TEST_CASE("after a warm start one pass is no refault: a cold start reads the same for the first time") {
  const uint64_t pages = sample::checkpoint().file_bytes / 4096;
  Trial trial = fitting();
  trial.phases[1].refault_file_pages = pages;
  CHECK(judged(trial).verdict == "thrashed");
  CHECK(judged(trial, 8 * kGiB, "cgroup v2", "warm").verdict == "fits");
  trial.phases[2].refault_file_pages = pages / 50;
  CHECK(judged(trial, 8 * kGiB, "cgroup v2", "warm").verdict == "fits-reclaiming");
  trial.phases[2].refault_file_pages = pages + 2;
  CHECK(judged(trial, 8 * kGiB, "cgroup v2", "warm").verdict == "thrashed");
}

TEST_CASE("without a refault counter, major faults count beyond one cold pass") {
  const Checkpoint checkpoint = sample::checkpoint();
  const uint64_t pages = (checkpoint.file_bytes + 4095) / 4096;
  Trial trial = fitting();
  for (Phase& phase : trial.phases) {
    phase.refault_file_pages = std::nullopt;
    phase.major_faults = 0;
  }
  trial.cached_before_bytes = 0;
  trial.phases[2].major_faults = pages;  // a cold first read without readahead
  CHECK(refaulted_bytes(trial, checkpoint, Cell{}, 4096) == 0);
  CHECK(judged(trial).verdict == "fits");

  trial.cached_before_bytes = checkpoint.file_bytes;  // nothing was cold, so all but the program's own are refaults
  CHECK(refaulted_bytes(trial, checkpoint, Cell{}, 4096) == (pages - 256) * 4096);
  trial.phases[2].major_faults = pages / 50;
  CHECK(judged(trial).verdict == "fits-reclaiming");
  trial.phases[2].major_faults = 200;
  CHECK(judged(trial).verdict == "fits");

  trial.cached_before_bytes = std::nullopt;  // not known: as if cold
  trial.phases[2].major_faults = pages;
  CHECK(refaulted_bytes(trial, checkpoint, Cell{}, 4096) == 0);
}
