// The values of ggml's blocks: against ggml itself (ggml_blocks.txt, made by make_ggml_blocks.py), against values
// worked out by hand, and for scales that no quantiser writes.
#include "strategies/dtype/ggml.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "strategies/dtype/scalar.h"
#include "tests/support/catch.h"

namespace {

using weighbridge::Dtype;

std::vector<std::byte> from_hexadecimal(const std::string& text) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string fnv1a(const std::vector<float>& values) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const float value : values) {
    for (unsigned byte = 0; byte < 4; ++byte) {
      hash = (hash ^ (std::bit_cast<uint32_t>(value) >> (8 * byte) & 0xff)) * 0x100000001b3;
    }
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::vector<float> values_of(Dtype dtype, const std::vector<std::byte>& bytes) {
  REQUIRE(bytes.size() == block(dtype).bytes);
  std::vector<float> values(block(dtype).elements);
  weighbridge::scalar::dequantise_block(dtype, bytes.data(), values.data());
  return values;
}

const std::map<std::string, Dtype> kBlocks = {
    {"q4_0", Dtype::q4_0}, {"q4_1", Dtype::q4_1}, {"q5_0", Dtype::q5_0}, {"q5_1", Dtype::q5_1}, {"q8_0", Dtype::q8_0},
    {"q2_k", Dtype::q2_k}, {"q3_k", Dtype::q3_k}, {"q4_k", Dtype::q4_k}, {"q5_k", Dtype::q5_k}, {"q6_k", Dtype::q6_k}};

}  // namespace

TEST_CASE("blocks have the values that ggml gives them, to the bit", "[dtype]") {
  std::ifstream lines(WEIGHBRIDGE_SOURCE_DIR "/tests/strategies/dtype/ggml_blocks.txt");
  REQUIRE(lines);
  std::map<std::string, size_t> seen;
  std::string type, bytes, hash;
  while (lines >> type >> bytes >> hash) {
    INFO(type << " " << bytes);
    CHECK(fnv1a(values_of(kBlocks.at(type), from_hexadecimal(bytes))) == hash);
    ++seen[type];
  }
  CHECK(seen.size() == kBlocks.size());
  for (const auto& [name, count] : seen) CHECK(count >= 20);
}

TEST_CASE("a block's values are its codes times its scale", "[dtype]") {
  // d = 0.5; the low halves count up, the high halves down.
  std::vector<std::byte> bytes = from_hexadecimal("0038");
  for (unsigned i = 0; i < 16; ++i) bytes.push_back(static_cast<std::byte>(i | (15 - i) << 4));
  const std::vector<float> values = values_of(Dtype::q4_0, bytes);
  for (int i = 0; i < 16; ++i) {
    CHECK(values[static_cast<size_t>(i)] == 0.5F * static_cast<float>(i - 8));
    CHECK(values[static_cast<size_t>(i) + 16] == 0.5F * static_cast<float>(7 - i));
  }
}

TEST_CASE("scales that no quantiser writes give infinities, and one NaN for all processors", "[dtype]") {
  for (const auto& [name, dtype] : kBlocks) {
    INFO(name);
    for (const unsigned high : {0x7cU, 0x7dU, 0xfcU, 0xffU}) {
      std::vector<std::byte> bytes(block(dtype).bytes,
                                   static_cast<std::byte>(high));  // every f16 in it is an infinity or a NaN
      const bool scale_last = dtype == Dtype::q2_k || dtype == Dtype::q3_k || dtype == Dtype::q6_k;
      bytes[scale_last ? bytes.size() - 2 : 0] = std::byte{0};
      for (const float value : values_of(dtype, bytes)) {
        CHECK(!std::isfinite(value));
        if (std::isnan(value)) CHECK(std::bit_cast<uint32_t>(value) == 0x7fc00000);
      }
    }
  }
}
