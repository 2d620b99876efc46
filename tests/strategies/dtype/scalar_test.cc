// The scalar twin against what is known apart from it: the compiler's conversions, tables, and values by hand.
#include "strategies/dtype/scalar.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "tests/support/catch.h"

namespace {

using weighbridge::Accuracy;
using weighbridge::Dtype;
using weighbridge::Layout;
using weighbridge::Target;
namespace scalar = weighbridge::scalar;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float f32(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t bits_of(float value) {
  return std::bit_cast<uint32_t>(value);
}

template <class Result>
Result from_f64(double value, Dtype loaded) {
  const uint64_t shape[] = {1};
  const Layout layout = weighbridge::layout(Dtype::f64, shape, Target{loaded});
  Result result{};
  scalar::convert(layout, 0, 1, reinterpret_cast<const std::byte*>(&value), reinterpret_cast<std::byte*>(&result),
                  nullptr);
  return result;
}

// A float type's value from the definition of its fields, in double.
double defined_value(uint32_t bits, int exponent_bits, int mantissa_bits, int bias) {
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = static_cast<int>(bits) & ((1 << mantissa_bits) - 1);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                                         : std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  return (bits >> (exponent_bits + mantissa_bits)) != 0 ? -magnitude : magnitude;
}

}  // namespace

TEST_CASE("every f16 and bf16 has the value its fields define", "[dtype]") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((bits & 0x7c00) != 0x7c00) REQUIRE(scalar::f32_from_f16(half) == defined_value(bits, 5, 10, 15));
    if ((bits & 0x7f80) != 0x7f80) REQUIRE(scalar::f32_from_bf16(half) == defined_value(bits, 8, 7, 127));
    REQUIRE(std::signbit(scalar::f32_from_f16(half)) == (bits >= 0x8000));
    REQUIRE(std::signbit(scalar::f32_from_bf16(half)) == (bits >= 0x8000));
  }
}

TEST_CASE("every f16 and bf16 survives the way to f32 and back, NaN with its quiet bit set", "[dtype]") {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const bool f16_nan = (bits & 0x7fff) > 0x7c00;
    REQUIRE(scalar::f16_from_f32(scalar::f32_from_f16(half)) == (f16_nan ? half | 0x0200 : half));
    const bool bf16_nan = (bits & 0x7fff) > 0x7f80;
    REQUIRE(scalar::bf16_from_f32(scalar::f32_from_bf16(half)) == (bf16_nan ? half | 0x0040 : half));
  }
}

TEST_CASE("f32 to f16 rounds to nearest even, once, with known values", "[dtype]") {
  CHECK(scalar::f16_from_f32(0.0F) == 0x0000);
  CHECK(scalar::f16_from_f32(-0.0F) == 0x8000);
  CHECK(scalar::f16_from_f32(1.0F) == 0x3c00);
  CHECK(scalar::f16_from_f32(-2.0F) == 0xc000);
  CHECK(scalar::f16_from_f32(1.0F / 3) == 0x3555);
  CHECK(scalar::f16_from_f32(65504.0F) == 0x7bff);
  CHECK(scalar::f16_from_f32(65519.996F) == 0x7bff);
  CHECK(scalar::f16_from_f32(65520.0F) == 0x7c00);  // halfway to 65536: to even, which is infinity
  CHECK(scalar::f16_from_f32(-1e30F) == 0xfc00);
  CHECK(scalar::f16_from_f32(kInfinity) == 0x7c00);
  CHECK(scalar::f16_from_f32(1 + 0x1p-11F) == 0x3c00);     // tie, down to even
  CHECK(scalar::f16_from_f32(1 + 0x1.8p-10F) == 0x3c02);   // tie, up to even
  CHECK(scalar::f16_from_f32(f32(0x3f801001)) == 0x3c01);  // just above the tie
  CHECK(scalar::f16_from_f32(0x1p-14F) == 0x0400);         // smallest normal
  CHECK(scalar::f16_from_f32(0x1.ff8p-15F) == 0x03ff);     // largest subnormal
  CHECK(scalar::f16_from_f32(0x1.ffcp-15F) == 0x0400);     // tie between them: to even
  CHECK(scalar::f16_from_f32(0x1p-24F) == 0x0001);         // smallest subnormal
  CHECK(scalar::f16_from_f32(0x1p-25F) == 0x0000);         // tie with zero: to even
  CHECK(scalar::f16_from_f32(f32(0x33000001)) == 0x0001);  // just above it
  CHECK(scalar::f16_from_f32(0x1p-149F) == 0x0000);
  CHECK(scalar::f16_from_f32(f32(0x7f800001)) == 0x7e00);  // signalling NaN: quiet
  CHECK(scalar::f16_from_f32(f32(0xffa02000)) == 0xff01);  // sign and upper payload kept
}

TEST_CASE("f32 to bf16 rounds to nearest even, once, with known values", "[dtype]") {
  CHECK(scalar::bf16_from_f32(1.0F) == 0x3f80);
  CHECK(scalar::bf16_from_f32(-0.0F) == 0x8000);
  CHECK(scalar::bf16_from_f32(f32(0x3f808000)) == 0x3f80);  // tie, down to even
  CHECK(scalar::bf16_from_f32(f32(0x3f818000)) == 0x3f82);  // tie, up to even
  CHECK(scalar::bf16_from_f32(f32(0x3f808001)) == 0x3f81);
  CHECK(scalar::bf16_from_f32(f32(0x3f807fff)) == 0x3f80);
  CHECK(scalar::bf16_from_f32(f32(0x7f7f7fff)) == 0x7f7f);
  CHECK(scalar::bf16_from_f32(f32(0x7f7f8000)) == 0x7f80);  // overflow: infinity
  CHECK(scalar::bf16_from_f32(-kInfinity) == 0xff80);
  CHECK(scalar::bf16_from_f32(f32(0x00008000)) == 0x0000);  // subnormal ties
  CHECK(scalar::bf16_from_f32(f32(0x00018000)) == 0x0002);
  CHECK(scalar::bf16_from_f32(f32(0x007fffff)) == 0x0080);  // rounds up into the normal range
  CHECK(scalar::bf16_from_f32(f32(0x7f800001)) == 0x7fc0);
  CHECK(scalar::bf16_from_f32(f32(0xff810000)) == 0xffc1);
}

TEST_CASE("f64 to f16 and bf16 rounds once where going through f32 would round twice", "[dtype]") {
  CHECK(from_f64<uint16_t>(1 + 0x1p-11 + 0x1p-40, Dtype::f16) == 0x3c01);
  CHECK(scalar::f16_from_f32(static_cast<float>(1 + 0x1p-11 + 0x1p-40)) == 0x3c00);  // what must not be
  CHECK(from_f64<uint16_t>(1 + 0x1.8p-10 - 0x1p-40, Dtype::f16) == 0x3c01);
  CHECK(from_f64<uint16_t>(0x1p-25 + 0x1p-70, Dtype::f16) == 0x0001);
  CHECK(from_f64<uint16_t>(65520 - 0x1p-30, Dtype::f16) == 0x7bff);
  CHECK(from_f64<uint16_t>(1 + 0x1p-8 + 0x1p-40, Dtype::bf16) == 0x3f81);
  CHECK(from_f64<uint16_t>(0x1p-134 + 0x1p-180, Dtype::bf16) == 0x0001);  // below f32's subnormals
  CHECK(from_f64<uint16_t>(0x1p-134, Dtype::bf16) == 0x0000);
  CHECK(from_f64<uint16_t>(1e300, Dtype::bf16) == 0x7f80);
  CHECK(from_f64<uint16_t>(-1e-300, Dtype::bf16) == 0x8000);
  CHECK(from_f64<uint16_t>(std::bit_cast<double>(0x7ff0000000000001ULL), Dtype::f16) == 0x7e00);
}

TEST_CASE("f64 to f32 is the processor's own conversion", "[dtype]") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 1000000; ++i) {
    uint64_t bits = random();
    if (i % 2 == 0) bits = (bits & 0x800fffffffffffffULL) | (1023 - 160 + random() % 300) << 52;  // f32's range
    const auto value = std::bit_cast<double>(bits);
    if (std::isnan(value)) continue;
    REQUIRE(from_f64<uint32_t>(value, Dtype::f32) == bits_of(static_cast<float>(value)));
  }
  CHECK(from_f64<uint32_t>(std::bit_cast<double>(0xfff0000020000000ULL), Dtype::f32) == 0xffc00001);
}

#ifdef __FLT16_MANT_DIG__
TEST_CASE("f32 and f64 to f16 are the compiler's own conversions", "[dtype]") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 500000; ++i) {
    uint64_t bits = random();
    if (i % 4 != 0) bits = (bits & 0x800fffffffffffffULL) | (1023 - 28 + random() % 46) << 52;  // f16's range
    if (i % 4 == 1) bits &= 0xffffe00000000001ULL;                                              // ties, and a hair more
    const auto wide = std::bit_cast<double>(bits);
    if (std::isnan(wide)) continue;
    REQUIRE(from_f64<uint16_t>(wide, Dtype::f16) == std::bit_cast<uint16_t>(static_cast<_Float16>(wide)));
    const auto value = static_cast<float>(wide);
    REQUIRE(scalar::f16_from_f32(value) == std::bit_cast<uint16_t>(static_cast<_Float16>(value)));
  }
}
#endif

TEST_CASE("every f8 has the value its fields define", "[dtype]") {
  for (uint32_t bits = 0; bits < 256; ++bits) {
    const auto byte = static_cast<uint8_t>(bits);
    if ((bits & 0x7f) != 0x7f) REQUIRE(scalar::f32_from_f8(Dtype::f8_e4m3, byte) == defined_value(bits, 4, 3, 7));
    if ((bits & 0x7c) != 0x7c) REQUIRE(scalar::f32_from_f8(Dtype::f8_e5m2, byte) == defined_value(bits, 5, 2, 15));
    if (bits != 0x80) REQUIRE(scalar::f32_from_f8(Dtype::f8_e4m3fnuz, byte) == defined_value(bits, 4, 3, 8));
    if (bits != 0x80) REQUIRE(scalar::f32_from_f8(Dtype::f8_e5m2fnuz, byte) == defined_value(bits, 5, 2, 16));
  }
}

TEST_CASE("f8 limits and specials are those of their standards", "[dtype]") {
  struct Known {
    Dtype dtype;
    uint8_t bits;
    uint32_t f32;
  };
  const Known known[] = {
      {Dtype::f8_e4m3, 0x00, 0},
      {Dtype::f8_e4m3, 0x80, 0x80000000},
      {Dtype::f8_e4m3, 0x38, bits_of(1)},
      {Dtype::f8_e4m3, 0x7e, bits_of(448)},
      {Dtype::f8_e4m3, 0xfe, bits_of(-448)},
      {Dtype::f8_e4m3, 0x01, bits_of(0x1p-9F)},
      {Dtype::f8_e4m3, 0x07, bits_of(0x1.cp-7F)},
      {Dtype::f8_e4m3, 0x08, bits_of(0x1p-6F)},
      {Dtype::f8_e4m3, 0x7f, 0x7ff00000},
      {Dtype::f8_e4m3, 0xff, 0xfff00000},
      {Dtype::f8_e5m2, 0x3c, bits_of(1)},
      {Dtype::f8_e5m2, 0x7b, bits_of(57344)},
      {Dtype::f8_e5m2, 0x01, bits_of(0x1p-16F)},
      {Dtype::f8_e5m2, 0x7c, 0x7f800000},
      {Dtype::f8_e5m2, 0xfc, 0xff800000},
      {Dtype::f8_e5m2, 0x7d, 0x7fe00000},
      {Dtype::f8_e5m2, 0x7e, 0x7fc00000},
      {Dtype::f8_e4m3fnuz, 0x40, bits_of(1)},
      {Dtype::f8_e4m3fnuz, 0x7f, bits_of(240)},
      {Dtype::f8_e4m3fnuz, 0x01, bits_of(0x1p-10F)},
      {Dtype::f8_e4m3fnuz, 0x80, 0xffc00000},
      {Dtype::f8_e5m2fnuz, 0x40, bits_of(1)},
      {Dtype::f8_e5m2fnuz, 0x7f, bits_of(57344)},
      {Dtype::f8_e5m2fnuz, 0x01, bits_of(0x1p-17F)},
      {Dtype::f8_e5m2fnuz, 0x80, 0xffc00000},
  };
  for (const Known& value : known) {
    INFO(name(value.dtype) << " 0x" << std::hex << static_cast<int>(value.bits));
    CHECK(bits_of(scalar::f32_from_f8(value.dtype, value.bits)) == value.f32);
  }
}

TEST_CASE("f8_e4m3 from f32 and f64 is the nearest of its values, ties to the even code", "[dtype]") {
  // Every value, the middle between it and the next, and a hair to either side.
  for (uint32_t bits = 0; bits < 0x7e; ++bits) {
    const auto code = static_cast<uint8_t>(bits);
    const double value = defined_value(bits, 4, 3, 7);
    const double middle = (value + defined_value(bits + 1, 4, 3, 7)) / 2;
    const auto even = static_cast<uint8_t>(bits + bits % 2);
    for (const double sign : {1.0, -1.0}) {
      const uint8_t signed_bit = sign < 0 ? 0x80 : 0;
      CHECK(from_f64<uint8_t>(sign * value, Dtype::f8_e4m3) == (signed_bit | code));
      CHECK(from_f64<uint8_t>(sign * middle, Dtype::f8_e4m3) == (signed_bit | even));
      CHECK(from_f64<uint8_t>(sign * std::nextafter(middle, 0.0), Dtype::f8_e4m3) == (signed_bit | code));
      CHECK(from_f64<uint8_t>(sign * std::nextafter(middle, 1e9), Dtype::f8_e4m3) == (signed_bit | (code + 1)));
    }
  }
}

TEST_CASE("f8_e4m3 has no infinity: what exceeds 464, and infinity, is NaN", "[dtype]") {
  CHECK(from_f64<uint8_t>(448, Dtype::f8_e4m3) == 0x7e);
  CHECK(from_f64<uint8_t>(464, Dtype::f8_e4m3) == 0x7e);
  CHECK(from_f64<uint8_t>(std::nextafter(464, 1000), Dtype::f8_e4m3) == 0x7f);
  CHECK(from_f64<uint8_t>(-1e300, Dtype::f8_e4m3) == 0xff);
  CHECK(from_f64<uint8_t>(static_cast<double>(kInfinity), Dtype::f8_e4m3) == 0x7f);
  CHECK(from_f64<uint8_t>(-std::numeric_limits<double>::quiet_NaN(), Dtype::f8_e4m3) == 0xff);
  CHECK(from_f64<uint8_t>(-0.0, Dtype::f8_e4m3) == 0x80);
  CHECK(from_f64<uint8_t>(-0x1p-1074, Dtype::f8_e4m3) == 0x80);
}
