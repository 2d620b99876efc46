// The fuzzers' rule (fuzz.h) over a fixed set of damaged files, for every build.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <random>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/fuzz.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace fs = std::filesystem;

namespace {

void check(const Format* format, const std::string& bytes) {
  check_input(format, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

constexpr uintmax_t kSeedBytes = 64 << 10;  // at the most: larger files are the same at greater length

void gather(const fs::path& folder, std::vector<std::string>& seeds) {
  std::error_code missing;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder, missing)) {
    if (entry.is_regular_file() && entry.file_size() <= kSeedBytes) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) seeds.push_back(content_of(path.string()));
}

// Files of a format: those that once were found to be trouble, and what write_FORMAT.py makes.
std::vector<std::string> seeds_of(std::string_view format) {
  const fs::path here = WEIGHBRIDGE_SOURCE_DIR "/tests/strategies/checkpoint";
  std::vector<std::string> seeds;
  gather(here / "regressions" / format, seeds);
  const TemporaryFolder made;
  written_by(format, made);
  gather(made.path(), seeds);
  return seeds;
}

// A few edits of the kinds that break parsers: bits, extreme numbers, pieces doubled or gone, an early end.
std::string damaged(std::string bytes, const std::vector<std::string>& seeds, std::mt19937& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
    // Headers are at the beginning or at the end: half of the edits go there.
    const size_t near = std::min<size_t>(bytes.size(), 512);
    const size_t at = below(2) == 0   ? below(bytes.size())
                      : below(2) == 0 ? below(near)
                                      : bytes.size() - 1 - below(near);
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:
        bytes[at] = static_cast<char>(random());
        break;
      case 2:
        for (size_t i = at; i < std::min(bytes.size(), at + (size_t{1} << below(4))); ++i) {
          bytes[i] = static_cast<char>(below(2) == 0 ? 0xff : below(2) == 0 ? 0x80 : 0);
        }
        break;
      case 3:
        bytes.erase(at, 1 + below(16));
        break;
      case 4: {
        const std::string& other = seeds[below(seeds.size())];
        bytes.insert(at, other.substr(below(other.size()), 1 + below(60)));
        break;
      }
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("20,000 damaged headers of safetensors end in tensors that tile the file or in one line") {
  const std::vector<std::string> seeds{
      safetensors(
          R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"U8","shape":[],"data_offsets":[16,17]}})",
          17),
      safetensors(R"({"__metadata__":{"format":"pt"},"x":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}   )", 2),
      safetensors("{}", 0),
      R"({"metadata":{"total_size":3},"weight_map":{"a":"b"}})",
  };
  constexpr std::string_view kAlphabet = "{}[]\",:\\0123456789-.eUFI\x00\xff\x80";
  std::mt19937 random(2);
  const auto below = [&](size_t limit) { return random() % limit; };
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[below(seeds.size())];
    for (size_t edits = 1 + below(3); edits > 0 && !bytes.empty(); --edits) {
      const size_t at = below(bytes.size());
      switch (below(5)) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
          break;
        case 1:
          bytes[at] = kAlphabet[below(kAlphabet.size())];
          break;
        case 2:
          bytes.erase(at, 1 + below(4));
          break;
        case 3:
          bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(60)));
          break;
        default:
          bytes.resize(at);
      }
      // Keep the header's length right half of the time, or little would reach the parser.
      if (below(2) == 0 && bytes.size() > 9) {
        const size_t end = bytes.rfind('}');
        if (end != std::string::npos && end >= 8) bytes[0] = static_cast<char>(end - 7);
      }
    }
    check(nullptr, bytes);
  }
  SUCCEED();
}

TEST_CASE("damaged files of every format end in a checkpoint that holds together or in one line") {
  constexpr int kRounds = 3000;
  for (const Format* format : all_formats()) {
    const std::vector<std::string> seeds = seeds_of(format->info.name);
    if (seeds.empty()) continue;  // its writer was skipped, which was said
    for (const std::string& seed : seeds) check(format, seed);
    std::mt19937 random(5);
    for (int round = 0; round < kRounds; ++round) {
      check(format, damaged(seeds[random() % seeds.size()], seeds, random));
    }
    std::cout << fmt::format("damaged files: {}: {} seeds, {} inputs\n", format->info.name, seeds.size(), kRounds);
  }
  SUCCEED();
}

TEST_CASE("files that are easily got wrong are listed where they may be, and refused in one line where not") {
  constexpr std::array<std::string_view, 4> kListed{"zero-dimension-hides-overflow.gguf", "fortran-overflow.npy",
                                                    "zero-times-huge.npy", "output_after_last_input.pt"};
  size_t listed = 0, refused = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(WEIGHBRIDGE_SOURCE_DIR "/tests/strategies/checkpoint/regressions")) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    INFO(path);
    if (std::find(kListed.begin(), kListed.end(), entry.path().filename().string()) == kListed.end()) {
      CHECK_THAT(refusal(path), Catch::Matchers::StartsWith(path + ": byte "));
      ++refused;
      continue;
    }
    const Checkpoint checkpoint = open_checkpoint(path);
    verify_checksums(checkpoint);
    TensorReader reader(checkpoint);
    for (uint32_t tensor = 0; tensor < checkpoint.tensors.size(); ++tensor) sha256_of(checkpoint, reader, tensor);
    ++listed;
  }
  CHECK(listed == kListed.size());
  CHECK(refused >= 12);
}
