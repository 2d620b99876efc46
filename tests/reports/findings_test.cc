#include "reports/findings/findings.h"

#include <algorithm>

#include "reports/aggregate.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;
using sample::kGiB;
using sample::kMiB;

namespace {

Record with(std::vector<Cell> cells) {
  Record record;
  record.machine = sample::machine();
  record.checkpoint = sample::checkpoint();
  record.cells = std::move(cells);
  return record;
}

const Bytes kStored = sample::checkpoint().bytes;
constexpr Bytes kFloor = 700 << 10;

Cell measured(const char* strategy, const char* dtype, Bytes cost, Bytes file = 0) {
  return sample::cell(strategy, dtype, cost, {cost + kFloor, file, cost, 0});
}

const Finding* only(const std::vector<Finding>& findings, const std::string& id) {
  const Finding* found = nullptr;
  for (const Finding& finding : findings) {
    if (finding.id != id) continue;
    CHECK(found == nullptr);
    found = &finding;
  }
  return found;
}

}  // namespace

TEST_CASE("two-copies: state-dict needs S + T where another way needs T") {
  const auto found = find(with({measured("state-dict", "native", 2 * kStored), measured("eager", "native", kStored)}));
  const Finding* finding = only(found, "two-copies");
  REQUIRE(finding != nullptr);
  CHECK(finding->severity == "medium");
  CHECK(finding->title ==
        "Two full copies exist at once while state-dict/native loads: it needs 25.1 GiB, eager/native needs 12.6 GiB");
  CHECK(finding->saves_bytes == kStored);
  CHECK(finding->cells == std::vector<std::string>{"state-dict/native"});
  CHECK_THAT(finding->remedy, ContainsSubstring("Load as eager/native does.") && ContainsSubstring("mmap=True") &&
                                  ContainsSubstring("assign=True") && ContainsSubstring("low_cpu_mem_usage=True") &&
                                  ContainsSubstring("safetensors"));
}

TEST_CASE("two-copies: the remedy is that of the library that reads the format") {
  for (const auto& [format, word] : {std::pair{"numpy", "mmap_mode"},
                                     {"hdf5", "read_direct"},
                                     {"onnx", "InferenceSession"},
                                     {"gguf", "llama.cpp"},
                                     {"pytorch", "weights_only=True"}}) {
    Record record = with({measured("state-dict", "native", 2 * kStored), measured("eager", "native", kStored)});
    record.checkpoint.format = format;
    const auto found = find(record);
    REQUIRE(only(found, "two-copies") != nullptr);
    CHECK_THAT(only(found, "two-copies")->remedy, ContainsSubstring(word));
  }
}

TEST_CASE("findings: what endangers comes before what saves") {
  Record record = with({measured("state-dict", "native", 2 * kStored), measured("eager", "native", kStored)});
  record.checkpoint.remarks = {{"asks-to-run-code", "this file asks to run os.system", 0}};
  const auto found = find(record);
  REQUIRE(found.size() == 2);
  CHECK(found[0].id == "asks-to-run-code");
}

TEST_CASE("two-copies: a killed cell is judged by its prediction, and its finding is high") {
  const auto found = find(with({sample::killed_cell("convert-after", "f16", 2 * kStored, 7 * kGiB),
                                sample::killed_cell("state-dict", "f16", 2 * kStored + kMiB, 7 * kGiB),
                                measured("mmap-drop", "f16", kStored / 2)}));
  const Finding* finding = only(found, "two-copies");
  REQUIRE(finding != nullptr);
  CHECK(finding->severity == "high");
  CHECK_THAT(finding->title, ContainsSubstring("state-dict/f16 loads: it would need 25.1 GiB"));
  CHECK(finding->cells == std::vector<std::string>{"convert-after/f16", "state-dict/f16"});
}

TEST_CASE("two-copies: that a smaller limit kills it makes the finding high, whatever the larger does") {
  Cell copied = measured("state-dict", "native", 2 * kStored), lighter = measured("eager", "native", kStored);
  copied.limit_bytes = lighter.limit_bytes = 64 * kGiB;
  const auto found = find(with({copied, lighter, sample::killed_cell("state-dict", "native", 2 * kStored, 7 * kGiB),
                                measured("eager", "native", kStored)}));
  REQUIRE(only(found, "two-copies") != nullptr);
  CHECK(only(found, "two-copies")->severity == "high");
  CHECK_THAT(only(found, "two-copies")->title, ContainsSubstring("it needs 25.1 GiB"));
}

TEST_CASE("two-copies: silent for one copy, for another dtype, another limit, or a lighter way that does not fit") {
  CHECK_FALSE(
      only(find(with({measured("convert-after", "native", kStored), measured("mmap", "native", 0)})), "two-copies"));
  CHECK_FALSE(only(find(with({measured("state-dict", "f32", 3 * kStored), measured("eager", "native", kStored)})),
                   "two-copies"));
  Cell eager = measured("eager", "native", kStored);
  eager.limit_bytes = std::nullopt;
  CHECK_FALSE(only(find(with({measured("state-dict", "native", 2 * kStored), eager})), "two-copies"));
  CHECK_FALSE(only(find(with({measured("state-dict", "native", 2 * kStored),
                              sample::killed_cell("eager", "native", kStored, kGiB)})),
                   "two-copies"));
  CHECK_FALSE(
      only(find(with({measured("eager", "native", 2 * kStored), measured("mmap", "native", 0)})), "two-copies"));
}

TEST_CASE("upcast: a 16-bit checkpoint loaded as f32") {
  Record record = with({measured("eager", "f32", 2 * kStored), measured("eager", "native", kStored)});
  auto found = find(record);
  const Finding* finding = only(found, "upcast");
  REQUIRE(finding != nullptr);
  CHECK(finding->title == "The checkpoint stores 16-bit numbers; as f32 its 12.6 GiB become 25.1 GiB");
  CHECK(finding->severity == "medium");
  CHECK(finding->saves_bytes == kStored);
  CHECK_THAT(finding->remedy, ContainsSubstring("dtype=\"auto\"") && ContainsSubstring("torch_dtype"));

  record.cells[0] = sample::killed_cell("eager", "f32", 2 * kStored, 7 * kGiB);
  CHECK(only(find(record), "upcast")->severity == "high");

  record.checkpoint.dtypes = {{"bf16", kStored / 2}, {"f32", kStored / 2}};
  CHECK_FALSE(only(find(record), "upcast"));
  CHECK_FALSE(only(find(with({measured("eager", "bf16", kStored)})), "upcast"));
}

TEST_CASE("cache-is-not-need: most of the resident set is page cache") {
  const auto found =
      find(with({measured("mmap", "native", 0, kStored), measured("eager", "native", kStored, kStored / 2)}));
  const Finding* finding = only(found, "cache-is-not-need");
  REQUIRE(finding != nullptr);
  CHECK(finding->cells == std::vector<std::string>{"mmap/native"});
  CHECK(finding->title == "Peak RSS misleads: mmap/native shows 12.6 GiB, but needs 700 KiB; the rest is page cache");
  CHECK_FALSE(finding->saves_bytes);
  CHECK_FALSE(only(find(with({measured("mmap", "native", 0, 10 * kMiB)})), "cache-is-not-need"));
}

TEST_CASE("prediction-differs: beyond 2 % + 4 MiB and what the kernel's counters may be off") {
  const Bytes allowed = kStored / 50 + 4 * kMiB + sample::machine().error_bytes;
  Cell cell = measured("eager", "native", kStored);
  cell.predicted->need_bytes = kStored;
  cell.need_bytes = kStored + kFloor + allowed;
  CHECK_FALSE(only(find(with({cell})), "prediction-differs"));
  cell.need_bytes = *cell.need_bytes + 1;
  const auto found = find(with({cell}));
  REQUIRE(only(found, "prediction-differs") != nullptr);
  CHECK_THAT(only(found, "prediction-differs")->title,
             ContainsSubstring("eager/native was predicted to need 12.6 GiB"));
  cell.need_bytes = kStored + kFloor - allowed - 1;
  CHECK(only(find(with({cell})), "prediction-differs"));
  cell.floor_bytes.reset();  // then what loading itself needed is not known
  CHECK_FALSE(only(find(with({cell})), "prediction-differs"));
  cell.floor_bytes = kFloor;
  cell.predicted.reset();
  CHECK_FALSE(only(find(with({cell})), "prediction-differs"));
  // What a killed cell reached says nothing about its prediction.
  CHECK_FALSE(only(find(with({sample::killed_cell("eager", "f32", kStored, kGiB)})), "prediction-differs"));
}

TEST_CASE("kept-native: one finding a dtype, with the largest count") {
  Cell a = measured("eager", "q4_0", kStored), b = measured("stream", "q4_0", kStored),
       c = measured("stream", "int8", 1);
  a.kept_native_tensors = 65;
  b.kept_native_tensors = 66;
  const auto found = find(with({a, b, c}));
  const Finding* finding = only(found, "kept-native");
  REQUIRE(finding != nullptr);
  CHECK(finding->title == "66 of 291 tensors could not become q4_0 and stayed as stored");
  CHECK(finding->cells == std::vector<std::string>{"eager/q4_0", "stream/q4_0"});
}

TEST_CASE("findings come by bytes saved, then severity") {
  const auto found = find(sample::record());
  REQUIRE(found.size() == 4);
  CHECK(found[0].id == "two-copies");
  CHECK(found[1].id == "upcast");
  CHECK(std::is_sorted(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
    return a.saves_bytes.value_or(0) > b.saves_bytes.value_or(0);
  }));
  CHECK(find(Record{}).empty());
}

TEST_CASE("asks-to-run-code: a pickle's names are told, with how to load it safely") {
  Record record = with({measured("eager", "native", kStored)});
  CHECK_FALSE(only(find(record), "asks-to-run-code"));
  record.checkpoint.remarks = {{"left-out", "one tensor was left out", 0},
                               {"asks-to-run-code", "this file asks to run os.system", 0},
                               {"asks-to-run-code", "this file asks to run builtins.eval", 0}};
  const auto found = find(record);
  const Finding* finding = only(found, "asks-to-run-code");
  REQUIRE(finding != nullptr);
  CHECK(finding->severity == "high");
  CHECK(finding->title == "This file asks to run os.system, and 1 more");
  CHECK_THAT(finding->remedy, ContainsSubstring("weights_only=True") && ContainsSubstring("Nothing of it was run"));
  record.checkpoint.remarks.pop_back();
  CHECK(only(find(record), "asks-to-run-code")->title == "This file asks to run os.system");
}

TEST_CASE("optimizer-state: what a training checkpoint holds beside the weights") {
  Record record = with({measured("eager", "native", kStored)});
  record.checkpoint.remarks = {{"optimizer-state", "24 tensors are optimizer state", kStored / 2}};
  const auto found = find(record);
  const Finding* finding = only(found, "optimizer-state");
  REQUIRE(finding != nullptr);
  CHECK(finding->severity == "medium");
  CHECK_FALSE(finding->saves_bytes);  // bytes of the file: what a way saves depends on the way
  CHECK(finding->title ==
        "6.28 GiB of the 12.6 GiB in this checkpoint are optimizer state, which inference does not use");
  record.checkpoint.remarks[0].bytes = 0;
  CHECK_FALSE(only(find(record), "optimizer-state"));
}

TEST_CASE("not-mapped: a mapping that had to read, with the reason the format gave") {
  Record record = with({measured("mmap", "native", kStored), measured("eager", "native", kStored)});
  CHECK_FALSE(only(find(record), "not-mapped"));
  record.cells[0].fallen_back = {{"compressed with deflate", kStored / 2}, {"big-endian", kStored / 4}};
  const auto found = find(record);
  const Finding* finding = only(found, "not-mapped");
  REQUIRE(finding != nullptr);
  CHECK(finding->severity == "medium");
  CHECK(finding->cells == std::vector<std::string>{"mmap/native"});
  CHECK_THAT(finding->title, ContainsSubstring("9.41 GiB of the 12.6 GiB cannot be mapped") &&
                                 ContainsSubstring("big-endian; compressed with deflate"));
}
