// What a pickle made to hurt costs: memory in proportion to its file and no more than 64 MiB beyond, and a time that
// ends.
#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <iostream>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/torch_fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace std::string_literals;
using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

constexpr uint64_t kMiB = 1 << 20;
// A sanitizer's bookkeeping makes memory mean nothing and the full size slow: there only the behaviour is tested.
constexpr size_t kSize = kSanitized ? 1'000'000 : 12'000'000;

std::string repeated(std::string_view opcodes, size_t bytes = kSize) {
  std::string all;
  all.reserve(bytes + opcodes.size());
  while (all.size() < bytes) all += opcodes;
  return all;
}

// Opens a file in a child: it must end in a list or a bad_input, and stay below the file's size and 64 MiB.
void expect_bounded(std::string_view what, const std::string& content) {
  const TemporaryFolder folder;
  const std::string path = folder.write("m.pt", content);
  ::malloc_trim(0);  // what earlier tests gave back must not serve this one
  const auto began = std::chrono::steady_clock::now();
  const uint64_t growth = peak_growth([&] {
    try {
      open_checkpoint(path);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::bad_input) throw;
    }
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  if (kSanitized) return;
  std::cout << fmt::format("hostile pickle, {}: {:.1f} MiB for {:.1f} MiB of file, {:.2f} s\n", what,
                           static_cast<double>(growth) / kMiB, static_cast<double>(content.size()) / kMiB, seconds);
  CHECK(growth <= content.size() + 64 * kMiB);
}

const std::string kTensor = floats("0", 1);

std::string with_tensor(const std::string& value) {
  return torch_zip("}" + text("w") + kTensor + "q\x01s" + text("x") + value + "s", {{"0", "aaaa"}});
}

}  // namespace

TEST_CASE("a pickle of nothing but lists") {
  expect_bounded("lists", pickle(repeated("]")));
}

TEST_CASE("a pickle of nothing but marks") {
  expect_bounded("marks", pickle(repeated("(")));
}

TEST_CASE("a list that names one tensor over and over") {
  expect_bounded("one tensor, many names", with_tensor("](" + repeated("h\x01") + "e"));
}

TEST_CASE("a dict of one key over and over") {
  expect_bounded("one key", with_tensor("}(" + repeated("K\x01N") + "u"));
}

TEST_CASE("a dict of millions of keys") {
  std::string pairs;
  for (int64_t i = 0; pairs.size() < kSize; ++i) pairs += integer(i) + "N";
  expect_bounded("many keys", with_tensor("}(" + pairs + "u"));
}

TEST_CASE("a list and a tuple of millions of nothings") {
  expect_bounded("a list", with_tensor("](" + repeated("N") + "e"));
  expect_bounded("a tuple", with_tensor("(" + repeated("N") + "t"));
}

TEST_CASE("items that are appended one by one") {
  expect_bounded("one by one", with_tensor("]" + repeated("Na")));
}

TEST_CASE("a pickle of nothing but globals") {
  expect_bounded("globals", with_tensor("](" + repeated("c\n\n") + "e"));
}

TEST_CASE("a pickle of nothing but calls") {
  expect_bounded("calls", with_tensor("](" + repeated("N)R") + "e"));
}

TEST_CASE("a pickle of nothing but ids") {
  expect_bounded("ids", legacy_head() + pickle("](" + repeated("NQ") + "e"));
  std::string ids;
  for (int i = 0; ids.size() < kSize; ++i) ids += storage_id("FloatStorage", fmt::format("{}", i), 0);
  expect_bounded("storages", legacy_head() + pickle("](" + ids + "e"));
}

TEST_CASE("texts that just do not fit beside each other") {
  expect_bounded("texts", with_tensor("](" + repeated(text(std::string(33'000, 'x'))) + "e"));
}

TEST_CASE("tensors under names that grow with each level") {
  std::string opcodes;
  for (int i = 0; i < 400; ++i) opcodes += "}(" + text(std::string(20'000, 'k')) + "h\x01" + text("m");
  opcodes += "N";
  for (int i = 0; i < 400; ++i) opcodes += "u";
  expect_bounded("long names", with_tensor(opcodes));
}

TEST_CASE("one long text in millions of places") {
  const std::string long_text = text(std::string(60'000, 'k')) + "q\x02" + "0";
  expect_bounded("one long key", with_tensor(long_text + "}(" + repeated("h\x02N") + "u"));
  expect_bounded("two equal long keys", with_tensor(long_text + text(std::string(60'000, 'k')) + "q\x03" + "0}(" +
                                                    repeated("h\x02Nh\x03N") + "u"));
  expect_bounded("keys made of a long text",
                 with_tensor(long_text + "h\x02\x85q\x02" + "0}(" + repeated("h\x02N") + "u"));
  expect_bounded("globals of one long name", with_tensor(long_text + text(std::string(60'000, 'k')) + "q\x03" + "0](" +
                                                         repeated("h\x02h\x03\x93h\x03h\x02\x93") + "e"));
}

TEST_CASE("one storage inside of the pickle, for a million tensors") {
  const std::string inside = torch_legacy(storage_id("FloatStorage", "5", 1), {{"5", std::string(1'000'000, 'x')}});
  const std::string bytes = "B" + little_endian(inside.size(), 4) + inside;
  expect_bounded("one storage inside", pickle(bytes + "q\x01" + "0" + global("torch.storage", "_load_from_bytes") +
                                              "q\x02" + "0](" + repeated("h\x02h\x01\x85R") + "e"));
}

TEST_CASE("a deflated pickle that is a thousand times its file") {
  expect_bounded("bomb", torch_zip("](" + repeated("]") + "e", {}, {}, true));
  expect_bounded("bomb of nothing", torch_zip("](" + repeated("N", kSize * 4) + "e", {}, {}, true));
  expect_bounded("bomb of text", torch_zip(text(std::string(kSize * 8, 'x')), {}, {}, true));
}

TEST_CASE("many small tensors cost one entry each, and a model of 100,000 is listed") {
  const size_t count = kSanitized ? 5'000 : 100'000;
  std::vector<Stored> storages;
  // The globals once, then by the memo, as torch writes them.
  std::string pairs = global("torch._utils", "_rebuild_tensor_v2") + "q\x01" + "0" + global("torch", "FloatStorage") +
                      "q\x02" + "0" + global("collections", "OrderedDict") + "q\x03" + "0" + "}(";
  for (size_t i = 0; i < count; ++i) {
    storages.push_back({fmt::format("{}", i), "aaaa"});
    pairs += text(fmt::format("model.layers.{}.weight", i)) + "h\x01((" + text("storage") + "h\x02" +
             text(storages.back().key) + text("cpu") + "K\x01tQK\0"s + "K\x01\x85K\x01\x85\x89h\x03)RtR";
  }
  const std::string content = torch_legacy(pairs + "u", storages);
  const TemporaryFolder folder;
  const std::string path = folder.write("m.pt", content);
  CHECK(open_checkpoint(path).tensors.size() == count);
  expect_bounded("100,000 tensors", content);
}

TEST_CASE("many different views of one storage are refused before they are read for ever") {
  std::vector<std::string> views;
  const int64_t elements = 1'000'000;
  for (int64_t i = 0; i < 60; ++i)
    views.push_back(tensor(storage_id("FloatStorage", "0", elements), i, {elements - i}, {1}));
  const TemporaryFolder folder;
  CHECK_THAT(refusal(folder.write("m.pt", torch_zip(list(views), {{"0", std::string(4'000'000, 'x')}}))),
             ContainsSubstring("found views of one storage of 4000000 bytes that come to "));
}
