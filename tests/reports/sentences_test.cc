#include "reports/summary.h"

#include "reports/aggregate.h"
#include "reports/findings/findings.h"
#include "reports/terminal.h"
#include "reports/verdict.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::four_ways;
using sample::kGiB;
using sample::plan;

namespace {

const Bytes kStored = sample::checkpoint().bytes;

}  // namespace

TEST_CASE("the verdict in one line") {
  TerminalStyle quiet;
  quiet.verbosity = -1;
  CHECK(render_terminal(four_ways(), quiet) == "fits: 2 of 4 ways.  Best: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  CHECK(render_verdict(sample::record(), {}) ==
        "fits: 2 of 5 ways (1 not run).  Best: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  CHECK(render_verdict(plan(), {}) == "should fit: 2 of 5 ways.  Best: mmap native, would need 0 B of 8.00 GiB.\n");
  CHECK(render_verdict(Record{}, {}) == "nothing was weighed.\n");

  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(render_verdict(record, {}) == "fits: none of 2 ways.  Lightest: eager f32, would need 25.1 GiB of 8.00 GiB.\n");
  record.cells.pop_back();
  CHECK(render_verdict(record, {}) == "does not fit: eager f32, would need 25.1 GiB of 8.00 GiB.\n");
  record.cells[0].predicted.reset();
  CHECK(render_verdict(record, {}) == "does not fit: eager f32, needs more than 8.00 GiB of 8.00 GiB.\n");
  record.cells[0] = four_ways().cells[1];
  CHECK(render_verdict(record, {}) == "fits: mmap native, needs 1.00 MiB of 8.00 GiB.\n");
  record.cells[0].limit_bytes = std::nullopt;
  record.machine.limits.clear();
  CHECK(render_verdict(record, {}) == "fits: mmap native, needs 1.00 MiB.\n");
  record.cells.push_back(four_ways().cells[0]);
  record.cells[1].limit_bytes = std::nullopt;
  CHECK(render_verdict(record, {}) == "fits: all 2 ways.  Best: mmap native, needs 1.00 MiB.\n");
}

TEST_CASE("paths that a shell would take apart are quoted") {
  Record record = four_ways();
  CHECK(try_line(record) == "");  // the best way was just measured
  record = plan();
  record.checkpoint.path = "my model's.safetensors";
  CHECK_THAT(render_plan(record, {}),
             ContainsSubstring("weighbridge run 'my model'\\''s.safetensors' --strategy mmap"));
  record.checkpoint.path = "-rf";
  CHECK_THAT(render_plan(record, {}), ContainsSubstring("weighbridge run ./-rf --strategy"));
}

TEST_CASE("after a run that nothing fits in, what to try is what was not looked at") {
  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(try_line(record) == "weighbridge plan models/llama-7b.safetensors --dtype int8 --limit 8GiB");
  record.cells[0].dtype = "int8";
  CHECK(try_line(record) == "");
}

TEST_CASE("what did not finish is said by its own word, and nothing of memory") {
  Record record = four_ways();
  record.cells.erase(record.cells.begin(), record.cells.begin() + 3);
  Cell& cell = record.cells[0];
  cell.reason = "still in load after 3.0 s.";
  for (const char* word : {"timed-out", "killed", "interrupted"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) ==
          "did not finish: " + cell.verdict + ", state-dict native: still in load after 3.0 s.");
    CHECK(try_line(record) == "");
  }
  cell.verdict = "failed";
  CHECK(verdict_line(record) == "failed: state-dict native: still in load after 3.0 s.");
  cell.verdict = "not-run";
  CHECK(verdict_line(record) == "not measured: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  for (const char* word : {"oom-killed", "over-limit", "refused", "guard-stopped"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) == "does not fit: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  }
  for (const char* word : {"swapped", "thrashed"}) {
    cell.verdict = word;
    CHECK(verdict_line(record) == "does not fit: state-dict native, needs 8.00 GiB of 8.00 GiB.");
  }
}

TEST_CASE("of several ways those that did not finish are counted apart") {
  Record record = four_ways();
  record.cells[2].verdict = "timed-out";
  CHECK(verdict_line(record) == "fits: 2 of 4 ways (1 timed-out).  Best: mmap native, needs 1.00 MiB of 8.00 GiB.");
  CHECK(heaviest_line(record).starts_with("Heaviest: state-dict native, would need 25.1 GiB"));
  record.cells.erase(record.cells.begin(), record.cells.begin() + 2);
  CHECK(verdict_line(record) ==
        "fits: none of 2 ways (1 timed-out).  Lightest: state-dict native, would need 25.1 GiB of 8.00 GiB.");
  record.cells[1].verdict = "failed";
  CHECK(verdict_line(record) == "did not finish: all 2 ways (1 failed, 1 timed-out).");
  CHECK(heaviest_line(record) == "");
  CHECK(try_line(record) == "");
  record.cells[0].verdict = "not-run";
  CHECK(verdict_line(record) == "did not finish: 1 of 2 ways (1 failed, 1 not run).");
  record.cells[1].verdict = "not-run";
  CHECK(verdict_line(record) == "not measured: 2 ways.");
  record.cells[0].verdict = record.cells[1].verdict = "failed";
  CHECK(verdict_line(record) == "failed: all 2 ways.");
}

TEST_CASE("a cold cell is told from its warm twin in names, findings and the best") {
  Record record = four_ways();
  record.cells[1].cache = "cold";
  CHECK(cell_name(record.cells[1]) == "mmap/native cold");
  CHECK(cell_name(record.cells[0]) == "stream/int8");
  CHECK(verdict_line(record) == "fits: 2 of 4 ways.  Best: mmap native cold, needs 1.00 MiB of 8.00 GiB.");
}

TEST_CASE(
    "of several limits the verdict says how many ways fit in each, and which is best in the smallest that any does") {
  Record record = four_ways();
  for (const Cell& cell : four_ways().cells) {
    record.cells.push_back(cell);
    record.cells.back().limit_bytes = 4 * kGiB;
  }
  record.cells[4] = sample::killed_cell("stream", "int8", kStored / 2, 4 * kGiB);  // 6.28 GiB do not fit in 4
  record.cells[4].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) ==
        "fits: 2 of 4 ways in 8.00 GiB; 1 of 4 in 4.00 GiB.  Best in 4.00 GiB: mmap native, needs 1.00 MiB.");
  CHECK(heaviest_line(record).starts_with("Heaviest: eager f32, would need 25.1 GiB"));
  CHECK(summarise(record).limits.size() == 2);

  record.cells[5].verdict = "oom-killed";
  CHECK(verdict_line(record) ==
        "fits: 2 of 4 ways in 8.00 GiB; none of 4 in 4.00 GiB.  Best in 8.00 GiB: mmap native, needs 1.00 MiB.");
  record.cells[5].verdict = "timed-out";
  record.cells[0].verdict = record.cells[1].verdict = "oom-killed";
  CHECK(
      verdict_line(record) ==
      "fits: none of 4 ways in 8.00 GiB; none of 4 in 4.00 GiB (1 timed-out).  Lightest: mmap native, needs more than "
      "1.00 MiB of 8.00 GiB.");
  CHECK(try_line(record) == "");  // int8 was looked at
  for (const size_t i : {0u, 1u, 2u, 3u}) record.cells[i].limit_bytes = std::nullopt;
  record.machine.limits.clear();
  record.cells[3].verdict = "fits";
  CHECK_THAT(verdict_line(record), ContainsSubstring("1 of 4 ways without a limit; none of 4 in 4.00 GiB"));
}

TEST_CASE("one way in several limits is told by its name") {
  Record record = four_ways();
  record.cells = {record.cells[0], record.cells[0], record.cells[0]};
  record.cells[1].limit_bytes = 7 * kGiB;
  record.cells[2] = sample::killed_cell("stream", "int8", kStored / 2, 4 * kGiB);
  record.cells[2].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) == "fits: stream int8 in 8.00 GiB, in 7.00 GiB, not in 4.00 GiB; needs 6.28 GiB.");
  CHECK(heaviest_line(record) == "");
  record.cells[1].verdict = "timed-out";
  CHECK(verdict_line(record) == "fits: stream int8 in 8.00 GiB, not in 4.00 GiB (1 timed-out); needs 6.28 GiB.");
  record.cells[1].cache = "cold";  // as it starts in a limit of its own
  CHECK_THAT(verdict_line(record), ContainsSubstring("stream int8 in 8.00 GiB, not in 4.00 GiB"));
  record.cells[0].verdict = "oom-killed";
  CHECK(verdict_line(record) ==
        "does not fit: stream int8 in 8.00 GiB, in 4.00 GiB (1 timed-out); needs more than 6.28 GiB.");
}

TEST_CASE("a plan for several limits counts in each, and goes on with the best in its limit") {
  Record record = plan();
  for (const Cell& cell : plan().cells) {
    record.cells.push_back(cell);
    record.cells.back().limit_bytes = 26 * kGiB;
  }
  CHECK(verdict_line(record) ==
        "should fit: 4 of 5 ways in 26.0 GiB; 2 of 5 in 8.00 GiB.  Best in 8.00 GiB: mmap native, would need 0 B.");
  CHECK(try_line(record).ends_with("--strategy mmap --dtype native --limit 8GiB"));
  record.cells = {record.cells[0], record.cells[5]};
  record.cells[0].limit_bytes = 4 * kGiB;
  CHECK(verdict_line(record) == "should fit: stream int8 in 26.0 GiB, not in 4.00 GiB; would need 6.28 GiB.");
}
