// ggml's blocks, their values and how they are made: against ggml itself (ggml_blocks.txt and ggml_quantised.txt, made
// by make_ggml_blocks.py), against what is worked out by hand, and for what no quantiser writes or is meant to be
// given.
#include "strategies/dtype/ggml.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
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

std::vector<float> floats_of(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<std::byte> quantised(Dtype dtype, const std::vector<float>& values) {
  REQUIRE(values.size() == weighbridge::scalar::kQuantised);
  std::vector<std::byte> bytes(block(dtype).bytes);
  weighbridge::scalar::quantise_block(dtype, values.data(), bytes.data());
  return bytes;
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

TEST_CASE("values become the blocks that ggml makes of them, to the bit", "[dtype]") {
  std::ifstream lines(WEIGHBRIDGE_SOURCE_DIR "/tests/strategies/dtype/ggml_quantised.txt");
  REQUIRE(lines);
  std::map<std::string, size_t> seen;
  std::string type, values, bytes;
  while (lines >> type >> values >> bytes) {
    INFO(type << " of " << values);
    CHECK(quantised(kBlocks.at(type), floats_of(from_hexadecimal(values))) == from_hexadecimal(bytes));
    ++seen[type];
  }
  CHECK(seen == std::map<std::string, size_t>{{"q4_0", 60}, {"q8_0", 60}});
}

TEST_CASE("q8_0 rounds half away from zero, q4_0 takes the sign of the first of the largest", "[dtype]") {
  std::vector<float> values(32, 0.0F);
  values[0] = -127;  // d = 1
  values[1] = 2.5F;
  values[2] = -0.5F;
  values[3] = 0x1.fffffep-2F;  // just below a half
  const auto eight = quantised(Dtype::q8_0, values);
  CHECK(std::vector(eight.begin(), eight.begin() + 6) == from_hexadecimal("003c8103ff00"));
  values = std::vector<float>(32, 0.0F);
  values[5] = 4;  // d = -0.5
  values[6] = -4;
  const auto four = quantised(Dtype::q4_0, values);
  CHECK(std::vector(four.begin(), four.begin() + 2) == from_hexadecimal("00b8"));
  CHECK(four[2] == std::byte{0x88});
  CHECK(four[7] == std::byte{0x80});  // 4 is -8 x -0.5
  CHECK(four[8] == std::byte{0x8f});  // -4 would be 8 x -0.5: the last code
}

TEST_CASE("infinity and NaN leave the scale to the finite values, and become the last code and that of zero",
          "[dtype]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values(32, 0.0F);
  values[0] = kInfinity;
  values[1] = -kInfinity;
  values[2] = kNan;
  values[3] = 127;
  const auto eight = quantised(Dtype::q8_0, values);
  CHECK(std::vector(eight.begin(), eight.begin() + 7) == from_hexadecimal("003c7f81007f00"));
  values[3] = -8;
  const auto four = quantised(Dtype::q4_0, values);
  CHECK(std::vector(four.begin(), four.begin() + 7) == from_hexadecimal("003c8f80888088"));
  // Nothing finite but zeros: the scale is 0, and so is all else.
  values[3] = 0;
  CHECK(quantised(Dtype::q8_0, values) == std::vector<std::byte>(34));
  const auto none = quantised(Dtype::q4_0, values);
  CHECK(none[0] == std::byte{0});
  CHECK(none[1] == std::byte{0x80});  // 0 / -8, as ggml has it
  CHECK(std::all_of(none.begin() + 2, none.end(), [](std::byte byte) { return byte == std::byte{0x88}; }));
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
