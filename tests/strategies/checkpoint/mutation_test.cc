// The fuzzer's property over a fixed set of damaged files, for every build.
#include <fmt/format.h>

#include <random>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge::testing;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

TEST_CASE("20,000 damaged files end in tensors that tile the file or in one line") {
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
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  SUCCEED();
}
