// What a plan says: what its predictions mean for a limit, what would fit in place of the usual way, and the page.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "reports/aggregate.h"
#include "reports/forecast.h"
#include "reports/json.h"
#include "reports/plan_table.h"
#include "reports/printable.h"
#include "reports/summary.h"
#include "reports/terminal.h"
#include "reports/what_if.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;
using sample::lines;

namespace {

constexpr Bytes kFloor = 896 << 10, kTables = 25 * kMiB;
const Bytes kStored = sample::checkpoint().bytes;

Cell planned(const char* strategy, const char* dtype, Bytes need, Bytes cache, Bytes most_weights) {
  Cell cell;
  cell.strategy = strategy;
  cell.dtype = dtype;
  cell.predicted = Prediction{need, cache, most_weights, need - most_weights, 0};
  cell.predicted->floor_bytes = kFloor;
  cell.predicted->page_table_bytes = kTables;
  cell.predicted->limit_bytes = limit_to_ask_for(*cell.predicted);
  cell.predicted->most_weights_bytes = most_weights;
  aggregate(cell, 0);
  return cell;
}

// 12.5 GiB of bf16 against 8 GiB: the usual way, and what was asked for beside it.
Record plan() {
  Record record = sample::record();
  record.cells = {planned("state-dict", "native", 2 * kStored, 0, kStored),
                  planned("stream", "native", kStored + 8 * kMiB, 0, kStored),
                  planned("stream", "f32", 2 * kStored + 8 * kMiB, 0, 2 * kStored),
                  planned("stream", "int8", kStored / 2 + 8 * kMiB, 0, kStored / 2),
                  planned("mmap", "native", 0, kStored, 0)};
  record.findings.clear();
  record.fits.clear();
  record.settings.interrupted = false;
  record.machine.limits = {{kAskedLimit, 8 * kGiB}};
  record.checkpoint.largest_layer = "model.embed_tokens";
  record.checkpoint.largest_layer_bytes = 250 * kMiB;
  return record;
}

std::vector<Cell> others() {
  return {planned("stream", "f16", kStored + 8 * kMiB, 0, kStored),
          planned("eager", "q4_0", kStored / 4 + 90 * kMiB, 0, kStored / 4),
          planned("stream", "q4_0", kStored / 4 + 8 * kMiB, 0, kStored / 4)};
}

Record planned_record() {
  Record record = plan();
  record.what_if = what_if(record, others());
  return record;
}

const WhatIf* find_id(const std::vector<WhatIf>& all, const std::string& id) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const WhatIf& one) { return one.id == id; });
  return found == all.end() ? nullptr : &*found;
}

// As the page should be, to the letter: tests/reports/golden.
std::string golden(const std::string& name) {
  std::ifstream file(std::string(WEIGHBRIDGE_SOURCE_DIR "/tests/reports/golden/") + name, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> order_of(const Record& record) {
  std::vector<std::string> names;
  for (const Forecast& way : ranked(record)) names.push_back(cell_name(*way.cell));
  return names;
}

}  // namespace

TEST_CASE("a limit must hold need, floor and page tables; one to ask for has room for reading, too") {
  const Cell reads = planned("stream", "native", kGiB, 0, kGiB), maps = planned("mmap", "native", 0, kGiB, 0);
  CHECK(must_hold(*reads.predicted) == kGiB + kFloor + kTables);
  CHECK(limit_to_ask_for(*reads.predicted) == must_hold(*reads.predicted) + 2 * kMiB);
  CHECK(limit_that_holds_all(*reads.predicted) == limit_to_ask_for(*reads.predicted));
  CHECK(limit_to_ask_for(*maps.predicted) == must_hold(*maps.predicted) + 34 * kMiB);
  CHECK(limit_that_holds_all(*maps.predicted) == must_hold(*maps.predicted) + 2 * kMiB + kGiB);
  const Cell small = planned("mmap", "native", 0, 3 * kMiB, 0);
  CHECK(limit_to_ask_for(*small.predicted) == limit_that_holds_all(*small.predicted));
  Prediction old;  // of a record before there were floors in it
  old.need_bytes = kGiB;
  CHECK(must_hold(old) == kGiB);
  old.need_bytes = ~Bytes{0};
  old.floor_bytes = old.page_table_bytes = ~Bytes{0};
  CHECK(limit_that_holds_all(old) == ~Bytes{0});
  CHECK(limit_to_paste(0) == "0MiB");
  CHECK(limit_to_paste(6 * kGiB) == "6144MiB");
  CHECK(limit_to_paste(6 * kGiB + 1) == "6145MiB");
}

TEST_CASE("an outcome changes at its limit to the byte") {
  Record record = plan();
  const auto outcome_in = [&](const Cell& cell, Bytes limit) {
    record.machine.limits = {{kAskedLimit, limit}};
    return forecast(record, cell).outcome;
  };
  const Cell reads = planned("stream", "native", kGiB, 0, kGiB), maps = planned("mmap", "native", 0, kGiB, 0);
  for (const Cell& cell : {reads, maps}) {
    const Prediction& predicted = *cell.predicted;
    CHECK(outcome_in(cell, must_hold(predicted) - 1) == Outcome::too_large);
    CHECK(outcome_in(cell, must_hold(predicted)) == Outcome::too_close);
    CHECK(outcome_in(cell, limit_to_ask_for(predicted) - 1) == Outcome::too_close);
    CHECK(outcome_in(cell, limit_that_holds_all(predicted)) == Outcome::fits);
  }
  CHECK(outcome_in(maps, limit_to_ask_for(*maps.predicted)) == Outcome::reclaims);
  CHECK(outcome_in(maps, limit_that_holds_all(*maps.predicted) - 1) == Outcome::reclaims);

  record.machine.limits.clear();
  CHECK(forecast(record, maps).outcome == Outcome::fits);
  CHECK_FALSE(forecast(record, maps).limit);
  Cell foreign = reads;
  foreign.predicted.reset();
  CHECK(forecast(record, foreign).outcome == Outcome::unknown);
  // Address space is taken when it is mapped, and nothing of it given back.
  record.machine.limits = {{"ulimit -v", kGiB, Limit::kBoundsAddressSpace}};
  CHECK(forecast(record, maps).outcome == Outcome::too_large);
  record.machine.limits[0].bytes = 2 * kGiB;
  CHECK(forecast(record, maps).outcome == Outcome::fits);
}

TEST_CASE("ways are ranked alike in whatever order they come, but for equals") {
  Record record = plan();
  Cell foreign = record.cells[0];
  foreign.strategy = "train.py";
  foreign.predicted.reset();
  record.cells.push_back(foreign);
  const std::vector<std::string> expected = {"mmap/native",       "stream/int8", "stream/native",
                                             "state-dict/native", "stream/f32",  "train.py/native"};
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    CHECK(order_of(record) == expected);
    std::shuffle(record.cells.begin(), record.cells.end(), random);
  }
  record.cells = {planned("stream", "bf16", kGiB, 0, kGiB), planned("stream", "f16", kGiB, 0, kGiB)};
  CHECK(order_of(record) == std::vector<std::string>{"stream/bf16", "stream/f16"});
  std::swap(record.cells[0], record.cells[1]);
  CHECK(order_of(record) == std::vector<std::string>{"stream/f16", "stream/bf16"});
}

TEST_CASE("what would fit: each change with its saving, the most saved first") {
  const Record record = planned_record();
  std::vector<std::string> ids, cells;
  for (const WhatIf& one : record.what_if) {
    ids.push_back(one.id);
    cells.push_back(one.cell);
    CHECK(one.instead == "state-dict/native");
    if (one.saves_bytes) CHECK(*one.saves_bytes == limit_to_ask_for(*record.cells[0].predicted) - *one.limit_bytes);
    CHECK(one.saves_bytes.has_value() != one.unavailable.contains("saves_bytes"));
  }
  CHECK(ids ==
        std::vector<std::string>{"mapping", "layer-wise", "dtype", "dtype", "strategy", "dtype", "sparse-zeros"});
  CHECK(cells ==
        std::vector<std::string>{"mmap/native", "", "stream/q4_0", "stream/int8", "stream/native", "stream/f16", ""});
  CHECK(record.what_if[0].outcome == "fits-reclaiming");
  CHECK(record.what_if[2].outcome == "fits");
  CHECK(record.what_if[4].outcome == "too-large");
  CHECK(record.what_if.back().outcome == "unknown");
  CHECK(record.what_if[2].change == "load as q4_0, as stream does");
  // One layer at a time, in place of two copies of all.
  CHECK(*record.what_if[1].limit_bytes == 250 * kMiB + kFloor + kTables + kReading);
  CHECK(what_if(record, others()) == record.what_if);
  CHECK(what_if(Record{}, others()).empty());
}

TEST_CASE("a way that goes layer by layer is named, where there is one") {
  const Record record = plan();
  const WhatIf found = *find_id(what_if(record, {planned("layerwise", "native", kGiB, 0, kGiB)}), "layer-wise");
  CHECK(found.cell == "layerwise/native");
  CHECK(found.limit_bytes == kGiB + kFloor + kTables + kReading);
  CHECK(found.change == "load layer by layer, as layerwise does");
}

TEST_CASE("optimizer state is counted in every copy, and tied tensors would cost more untied") {
  Record record = plan();
  record.checkpoint.remarks = {{kOptimizerState, "optimizer state", kStored / 2}};
  record.checkpoint.tied_bytes = kStored / 10;
  const std::vector<WhatIf> all = what_if(record, {});
  const WhatIf& state = *find_id(all, "optimizer-state");
  CHECK(state.saves_bytes == kStored);  // of two copies
  CHECK(state.outcome == "too-large");
  const WhatIf& untied = *find_id(all, "untied");
  CHECK_FALSE(untied.saves_bytes);
  CHECK(untied.unavailable.at("saves_bytes") == "it saves nothing");
  const Bytes more = *untied.limit_bytes - limit_to_ask_for(*record.cells[0].predicted);
  CHECK(more == kStored / 10 * 2);
}

TEST_CASE("a plan for 80 columns, word for word") {
  CHECK(render_plan(planned_record(), {}) == golden("plan.txt"));
}

TEST_CASE("a plan that nothing fits in says what the lightest asks for") {
  Record record = plan();
  record.machine.limits = {{"available memory (MemAvailable)", 40 * kMiB}};
  record.what_if = what_if(record, {});
  CHECK(render_plan(record, {}) == golden("plan_none_fits.txt"));
}

TEST_CASE("a plan whose usual way fits says what is lighter still, and what comes without a limit") {
  Record record = planned_record();
  record.machine.limits = {{kAskedLimit, 64 * kGiB}};
  record.what_if = what_if(record, others());
  const std::string text = render_plan(record, {});
  CHECK(text.starts_with("With 64.0 GiB: all 5 ways should fit."));
  CHECK_THAT(text, ContainsSubstring("Lighter still, most saved first:"));
  CHECK_THAT(text, ContainsSubstring("--limit 64GiB\n"));
  record.machine.limits.clear();
  CHECK(render_plan(record, {}).starts_with("Without a limit: all 5 ways should fit."));
  CHECK(render_plan(record, {}).find("LEFT") == std::string::npos);
}

TEST_CASE("no line of a plan is wider than the terminal unless one word is") {
  const Record record = planned_record();
  for (unsigned columns : {10u, 24u, 40u, 59u, 66u, 79u, 80u, 100u, 200u}) {
    for (const std::string& line : lines(render_plan(record, {columns, false, false, 0}))) {
      const bool command = line.starts_with("  try   ");
      const size_t word = line.find_first_not_of(" -~*");
      const bool one_word = word == std::string::npos || line.find(' ', word) == std::string::npos ||
                            std::count(line.begin() + static_cast<std::ptrdiff_t>(word), line.end(), ' ') == 1;
      INFO(columns << ": " << line);
      CHECK((columns_of(line) <= columns || command || one_word));
    }
  }
}

TEST_CASE("a plan's record reads back as it was written") {
  const Record record = planned_record();
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  write_record(stream, record);
  std::fclose(stream);
  const std::string json(text, size);
  std::free(text);
  CHECK(parse_record(json, "r.json") == record);
}
