#include "reports/warnings.h"

#include "reports/aggregate.h"
#include "reports/verdict.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::four_ways;
using sample::kGiB;
using sample::kMiB;

TEST_CASE("warnings: unsteady times and needs, a cache that was not cold, counters that lag, an interruption") {
  CHECK(warnings(four_ways()).empty());

  Record record = four_ways();
  for (Phase& phase : record.cells[1].trials[2].phases) phase.cpu_ns = phase.cpu_ns / 2 * 3;
  CHECK(warnings(record) ==
        std::vector<std::string>{
            "times here vary by 50 % (mmap native): compare them within this run only; memory does not "
            "vary."});
  record = four_ways();
  record.cells[0].trials[1].phases[1].need_peak_bytes += kGiB;
  CHECK_THAT(warnings(record).at(0), ContainsSubstring("the need varies between trials of stream int8 (1.00 GiB)"));

  record = four_ways();
  record.cells[1].cache = "cold";
  CHECK_THAT(warnings(record).at(0),
             ContainsSubstring("12.6 GiB of the checkpoint was still cached before cold trials"));
  record.cells[1].trials.clear();
  CHECK(warnings(record).empty());

  record.machine.error_bytes = 32 * kMiB;
  CHECK_THAT(warnings(record).at(0), ContainsSubstring("may lag by 32.0 MiB (Linux before 6.2: 64 pages a thread)"));

  record = four_ways();
  record.cells[1].peak_rss_bytes = std::nullopt;
  record.cells[1].unavailable["accuracy"] = "no tensor was converted";
  record.cells[1].unavailable["peak_rss_bytes"] = "clear_refs: Permission denied";
  CHECK(warnings(record) == std::vector<std::string>{"not known: peak_rss_bytes (clear_refs: Permission denied)."});
  for (const std::string& warning : warnings(record, true)) CHECK_THAT(warning, !ContainsSubstring("accuracy"));

  CHECK_THAT(warnings(sample::record()).at(0),
             ContainsSubstring("not measured: 1 of 5 ways. Run it again with: weighbridge run models/"));
}
