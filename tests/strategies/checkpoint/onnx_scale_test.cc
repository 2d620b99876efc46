// What large ONNX models cost to open: little for large tensors, in proportion to their number for many.
#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/wire.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

struct Cost {
  double ms = 0;
  uint64_t read = 0;
  size_t tensors = 0;
};

Cost opening(const std::string& path) {
  const uint64_t before = bytes_read();
  const auto begin = std::chrono::steady_clock::now();
  const Checkpoint checkpoint = open_checkpoint(path);
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  return {taken.count(), bytes_read() - before, checkpoint.tensors.size()};
}

}  // namespace

TEST_CASE("a model of gibibytes is listed by reading a few KiB of it") {
  // Beyond the 2 GiB that protobuf's own readers hold: lengths are written by hand, the data is a hole in the file.
  constexpr uint64_t kWeight = 3ull << 30;
  const auto length_of = [](std::string_view begin, uint64_t content) {
    return std::string(begin) + wire::varint(content);
  };
  const std::string fields = wire::tensor("large", 2, {kWeight}) + length_of(wire::tag(9, 2), kWeight);
  const std::string small = wire::bytes(5, wire::tensor("small", 2, {5}) + wire::raw_data("after"));
  const std::string initializer = length_of(wire::tag(5, 2), fields.size() + kWeight) + fields;
  const std::string model =
      wire::number(1, 8) + length_of(wire::tag(7, 2), initializer.size() + kWeight + small.size()) + initializer;
  TemporaryFolder folder;
  const std::string path = folder.write("model.onnx", model);
  std::filesystem::resize_file(path, model.size() + kWeight);
  std::ofstream(path, std::ios::binary | std::ios::app) << small;

  const Cost cost = opening(path);
  CHECK(cost.tensors == 2);
  CHECK(cost.read < 64 << 10);
  const uint64_t growth = peak_growth([&] { open_checkpoint(path); });
  CHECK((kSanitized || growth < 4 << 20));
  std::cout << fmt::format("onnx: a model of 3 GiB: opened in {:.2f} ms, {} bytes read, {:.1f} MiB at the most\n",
                           cost.ms, cost.read, static_cast<double>(growth) / (1 << 20));
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(checkpoint.tensors.at(0).extent.offset == model.size());
  CHECK(checkpoint.tensors.at(0).extent.bytes == kWeight);
  CHECK(checkpoint.tensors.at(1).extent.offset == std::filesystem::file_size(path) - 5);
}

TEST_CASE("a model of 100,000 small initializers costs memory in proportion to them") {
  std::string initializers;
  for (int i = 0; i < 100'000; ++i) {
    initializers += wire::bytes(
        5, wire::tensor(fmt::format("decoder.layers.{}.weight", i), 1, {3, 4}) + wire::raw_data(std::string(48, 'x')));
  }
  TemporaryFolder folder;
  const std::string path = folder.write("model.onnx", wire::model(wire::bytes(2, "graph") + initializers));
  const Cost cost = opening(path);
  CHECK(cost.tensors == 100'000);
  CHECK(cost.read < 3 * std::filesystem::file_size(path));
  const uint64_t growth = peak_growth([&] { open_checkpoint(path); });
  CHECK((kSanitized || growth < std::filesystem::file_size(path) + (64 << 20)));
  std::cout << fmt::format("onnx: 100,000 initializers in {:.1f} MiB: opened in {:.0f} ms, {:.1f} MiB at the most\n",
                           static_cast<double>(std::filesystem::file_size(path)) / (1 << 20), cost.ms,
                           static_cast<double>(growth) / (1 << 20));
}

TEST_CASE("a table of tensors without elements may not outgrow its file") {
  // Each in a graph of its own, so that the names may be the same: 25 bytes of the file for one tensor.
  const std::string empty = wire::node_with(wire::bytes(6, wire::bytes(5, wire::tensor("a", 2, {0}))));
  for (const int count : {250'000, 1'000'000}) {
    TemporaryFolder folder;
    const std::string path = folder / "model.onnx";
    {
      std::string nodes;
      for (int i = 0; i < count; ++i) nodes += empty;
      folder.write("model.onnx", wire::model(wire::graph({}, nodes)));
    }
    size_t tensors = 0;
    const uint64_t growth = peak_growth([&] {
      try {
        open_checkpoint(path);
      } catch (const Error&) {
      }
    });
    CHECK((kSanitized || growth < std::filesystem::file_size(path) + (64 << 20)));
    if (count == 1'000'000) {
      CHECK_THAT(refusal(path), ContainsSubstring("byte 0: found more tensors than a file of 25000018 bytes can be "
                                                  "believed to hold (their table takes 1"));
    } else {
      tensors = open_checkpoint(path).tensors.size();
      CHECK(tensors == 250'000);
    }
    std::cout << fmt::format("onnx: {} empty tensors in {:.1f} MiB: {:.1f} MiB at the most, {} listed\n", count,
                             static_cast<double>(std::filesystem::file_size(path)) / (1 << 20),
                             static_cast<double>(growth) / (1 << 20), tensors);
  }
}
