// A row holds one thing against the limit of this machine for the same work: pairs in one process, the one right after
// the other and first in turn, so that whatever disturbs the machine falls on both alike.
//
// In Google Benchmark's terms a row is a case with one iteration a repetition, and a repetition is a pair: real_time is
// that of the thing, the counter `ratio` is the limit's time over it (1: as fast as the limit), `limit_ms` the limit's.
// So its JSON holds every pair, compare.py can test two builds against each other, and the aggregates `low95` and
// `high95` are the ends of the median's interval (interval.h). A bar is missed when the whole interval lies below it.
//
// Where the limit is the best of several ways (or the slower of two halves), all of them are timed in turn before the
// first pair, and the pairs are made with the one whose median was it.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/ground.h"
#include "tests/bench/heap_meter.h"
#include "tests/bench/interval.h"

namespace weighbridge::bench {

// Does it once; the seconds of the part that counts. Throws Error.
using Work = std::function<double()>;

struct Limit {
  std::string name;  // "read() of 1 MiB into fresh memory"
  Work work;
};

struct Row {
  enum class Against : uint8_t { fastest, slowest };

  std::string name;    // of the case: "strategy/eager/native"
  std::string group;   // heading of its table: "Strategies, native: load and release"
  uint64_t bytes = 0;  // that the thing works through, for bytes_per_second
  Work work;
  std::vector<Limit> limits;  // empty: a limit itself, timed alone
  Against against = Against::fastest;
  std::optional<double> bar;
  bool weighs = false;  // need and faults are measured, in a run apart
  std::optional<uint64_t> predicted_bytes;
  bool reads_file = false;  // the file must be in the page cache before each pair
  // Called before anything else of the row, where its limits depend on what only a run can tell. May throw Error.
  std::function<void(Row&)> prepare;

  // What came of it.
  struct Outcome {
    bool asked_for = false;  // it was not filtered out
    std::string limit;       // the one that was taken
    std::vector<double> seconds, limit_seconds, ratios;
    std::optional<Weighed> weighed;
    std::optional<HeapUse> heap;
    std::string error;

    enum class Verdict : uint8_t { no_bar, held, missed, undecided };
    Verdict verdict(std::optional<double> bar) const;
  } outcome;
};

// Rows live until the process ends.
Row& add_row(Row row);
std::vector<Row*>& rows();
Row* find_row(const std::string& name);
// Registers every row with Google Benchmark, `pairs` repetitions each.
void register_rows(int pairs);

}  // namespace weighbridge::bench
