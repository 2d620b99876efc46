// A checkpoint that no machine here could load is still listed: what `inspect` costs follows the number of tensors.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kShards = 100, kPerShard = 1000, kTensorBytes = 10u << 20;

// 100,000 bf16 tensors in 100 files of 9.8 GiB, which are sparse and take some MiB of disk.
void write_large(const Scratch& scratch) {
  nlohmann::json map;
  for (uint64_t shard = 1; shard <= kShards; ++shard) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard, kShards);
    nlohmann::json header;
    for (uint64_t tensor = 0; tensor < kPerShard; ++tensor) {
      const std::string of = fmt::format("model.layers.{}.part.{}.weight", shard, tensor);
      header[of] = {{"dtype", "BF16"},
                    {"shape", {1024, kTensorBytes / 2048}},
                    {"data_offsets", {tensor * kTensorBytes, (tensor + 1) * kTensorBytes}}};
      map[of] = name;
    }
    const std::string text = header.dump();
    const uint64_t length = text.size();
    std::ofstream file(scratch / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof(length));
    file << text;
    file.close();
    std::filesystem::resize_file(scratch / name, sizeof(length) + length + kPerShard * kTensorBytes);
  }
  write_file(scratch / "model.safetensors.index.json", nlohmann::json{{"metadata", {}}, {"weight_map", map}}.dump());
}

TEST_CASE("100,000 tensors of 1 TB are listed within 200 MiB of address space") {
  const Scratch scratch;
  try {
    write_large(scratch);
  } catch (const std::filesystem::filesystem_error& error) {
    fmt::print("skipped: no sparse files of 10 GiB here ({})\n", error.what());
    return;
  }
  // Everything counts against address space: what fits there needs less than that.
  const auto began = std::chrono::steady_clock::now();
  const Outcome outcome =
      run({"/bin/sh", "-c", "ulimit -v 204800; exec \"$@\"", "sh", weighbridge(), "inspect", scratch.path(), "--json"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto listed_at = std::chrono::steady_clock::now();
  const auto listed = nlohmann::json::parse(outcome.out);
  const auto parsed_at = std::chrono::steady_clock::now();
  CHECK(listed.at("tensors").size() == kShards * kPerShard);
  CHECK(listed.at("bytes") == kShards * kPerShard * kTensorBytes);
  CHECK(listed.at("remarks").at(0).at("text") == "of this folder model.safetensors.index.json was read");
  // Its time beside that of parsing what it printed: here 0.2 s and 0.1 s. Ten times as long is allowed.
  const std::chrono::duration<double> listing = listed_at - began, parsing = parsed_at - listed_at;
  fmt::print("inspect of 100,000 tensors: {:.2f} s; to parse its {} bytes of JSON: {:.2f} s\n", listing.count(),
             outcome.out.size(), parsing.count());
  CHECK(listing < 10 * parsing);
  CHECK(listed.at("layers").size() == 1);
  CHECK(listed.at("layers").at(0).at("count") == kShards);
  const Outcome summary =
      run({"/bin/sh", "-c", "ulimit -v 204800; exec \"$@\"", "sh", weighbridge(), "inspect", scratch.path()});
  CHECK(summary.status == 0);
  CHECK_THAT(summary.out, ContainsSubstring("100 layers of 9.77 GiB each"));
  CHECK(std::count(summary.out.begin(), summary.out.end(), '\n') < 40);
}

}  // namespace
}  // namespace weighbridge::test
