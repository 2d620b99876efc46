// Made-up weights: the same on every machine, normal, and rounded as their dtype asks.
#include "strategies/synth/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "strategies/dtype/scalar.h"
#include "tests/support/catch.h"

using namespace weighbridge;
using namespace weighbridge::synth;

namespace {

std::vector<double> drawn(uint64_t stream, uint64_t first, size_t count) {
  std::vector<double> deviates(count);
  draw_normal(stream, first, deviates);
  return deviates;
}

uint8_t f8_from_f32(Dtype dtype, float value) {
  if (dtype == Dtype::f8_e5m2) return f8_e5m2_from_f32(value);
  const double wide = value;
  std::byte bits{};
  encode(dtype, std::span(&wide, 1), std::span(&bits, 1));
  return std::to_integer<uint8_t>(bits);
}

}  // namespace

TEST_CASE("the deviates of a stream are these, to the bit, on every machine") {
  const std::vector<double> expected{-0x1.381c0c25fc29ap+0, 0x1.ea6c112a15a62p+0, 0x1.b01888ad89c4dp-4,
                                     -0x1.9184ae7e31611p+0};
  CHECK(stream_of(0, "wte.weight") == 0xc8b4d0f7072d4517);
  CHECK(drawn(1, 0, 4) == expected);
}

TEST_CASE("a deviate depends on its number alone, not on where drawing began") {
  const std::vector<double> whole = drawn(7, 0, 1000);
  for (const uint64_t first : {1, 13, 999}) {
    const std::vector<double> tail = drawn(7, first, 1000 - first);
    CHECK(std::equal(tail.begin(), tail.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
  }
  CHECK(drawn(7, 0, 10) != drawn(8, 0, 10));
  CHECK(stream_of(1, "a") != stream_of(2, "a"));
  CHECK(stream_of(1, "a") != stream_of(1, "b"));
}

TEST_CASE("the deviates are normal: moments, tails, and no memory of their neighbour") {
  constexpr size_t kCount = 1 << 20;
  const std::vector<double> deviates = drawn(stream_of(3, "moments"), 0, kCount);
  double sum = 0, square = 0, cube = 0, fourth = 0, neighbour = 0;
  size_t beyond1 = 0, beyond2 = 0, beyond3 = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const double x = deviates[i];
    sum += x;
    square += x * x;
    cube += x * x * x;
    fourth += x * x * x * x;
    if (i > 0) neighbour += x * deviates[i - 1];
    beyond1 += std::fabs(x) > 1;
    beyond2 += std::fabs(x) > 2;
    beyond3 += std::fabs(x) > 3;
  }
  // Within about five standard errors of what a normal distribution has.
  CHECK(std::fabs(sum / kCount) < 0.005);
  CHECK(std::fabs(square / kCount - 1) < 0.008);
  CHECK(std::fabs(cube / kCount) < 0.02);
  CHECK(std::fabs(fourth / kCount - 3) < 0.06);
  CHECK(std::fabs(neighbour / kCount) < 0.005);
  CHECK(std::fabs(static_cast<double>(beyond1) / kCount - 0.31731) < 0.0025);
  CHECK(std::fabs(static_cast<double>(beyond2) / kCount - 0.04550) < 0.0011);
  CHECK(std::fabs(static_cast<double>(beyond3) / kCount - 0.00270) < 0.0003);
}

TEST_CASE("every f8 value comes back from its f32, and what lies between goes to the nearest, ties to even") {
  for (const Dtype dtype : {Dtype::f8_e4m3, Dtype::f8_e5m2}) {
    INFO(name(dtype));
    const unsigned largest = dtype == Dtype::f8_e4m3 ? 0x7e : 0x7b;  // the largest finite
    for (unsigned code = 0; code <= largest; ++code) {
      for (const unsigned sign : {0u, 0x80u}) {
        const auto bits = static_cast<uint8_t>(sign | code);
        const float value = scalar::f32_from_f8(dtype, bits);
        CHECK(f8_from_f32(dtype, value) == bits);
        if (code == largest) continue;
        const float next = scalar::f32_from_f8(dtype, static_cast<uint8_t>(bits + 1));
        const float middle = (value + next) / 2;  // exact: one more bit of significand
        CHECK(f8_from_f32(dtype, middle) == (code % 2 == 0 ? bits : bits + 1));
        CHECK(f8_from_f32(dtype, std::nextafterf(middle, value)) == bits);
        CHECK(f8_from_f32(dtype, std::nextafterf(middle, next)) == bits + 1);
      }
    }
  }
}

TEST_CASE("what is beyond f8 becomes NaN in E4M3 and infinity in E5M2") {
  CHECK(f8_from_f32(Dtype::f8_e4m3, 448.0F) == 0x7e);
  CHECK(f8_from_f32(Dtype::f8_e4m3, 464.0F) == 0x7e);  // the tie below NaN's place goes to the even value
  CHECK(f8_from_f32(Dtype::f8_e4m3, 464.1F) == 0x7f);
  CHECK(f8_e5m2_from_f32(57344.0F) == 0x7b);
  CHECK(f8_e5m2_from_f32(61439.0F) == 0x7b);
  CHECK(f8_e5m2_from_f32(61440.0F) == 0x7c);
  CHECK(f8_e5m2_from_f32(-INFINITY) == 0xfc);
  CHECK(f8_e5m2_from_f32(NAN) == 0x7e);
  CHECK(f8_e5m2_from_f32(-1e-40F) == 0x80);
}

TEST_CASE("values are stored rounded once from f32, little-endian") {
  std::vector<double> values = drawn(5, 0, 1000);
  for (double& value : values) value *= 0.02;
  std::vector<std::byte> f64(8000), f32(4000), f16(2000), bf16(2000), i64(8);
  encode(Dtype::f64, values, f64);
  encode(Dtype::f32, values, f32);
  encode(Dtype::f16, values, f16);
  encode(Dtype::bf16, values, bf16);
  const auto little = [](const std::vector<std::byte>& bytes, size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
    return value;
  };
  for (size_t i = 0; i < values.size(); ++i) {
    const auto single = static_cast<float>(values[i]);
    REQUIRE(little(f64, 8 * i, 8) == std::bit_cast<uint64_t>(values[i]));
    REQUIRE(little(f32, 4 * i, 4) == std::bit_cast<uint32_t>(single));
    REQUIRE(little(f16, 2 * i, 2) == scalar::f16_from_f32(single));
    REQUIRE(little(bf16, 2 * i, 2) == scalar::bf16_from_f32(single));
  }
  const std::vector<double> one{1.0};
  encode(Dtype::i64, one, i64);
  CHECK(little(i64, 0, 8) == 1);
}
