#include "strategies/values/exact.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "strategies/dtype/scalar.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

using Dtypes = std::vector<Dtype>;

template <class Element>
Dtypes fits(Dtype stored, const std::vector<Element>& values) {
  ExactFit fit(stored);
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  for (size_t done = 0; done < values.size(); done += ExactFit::kPieceElements) {
    fit.add(bytes + done * sizeof(Element), std::min(ExactFit::kPieceElements, values.size() - done));
  }
  return fit.fits();
}

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

TEST_CASE("every value of a 16-bit float fits it, and one value more breaks it, wherever it stands") {
  std::vector<float> f16, bf16;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    f16.push_back(scalar::f32_from_f16(static_cast<uint16_t>(bits)));
    bf16.push_back(scalar::f32_from_bf16(static_cast<uint16_t>(bits)));
  }
  CHECK(fits(Dtype::f32, f16) == Dtypes{Dtype::f16});
  CHECK(fits(Dtype::f32, bf16) == Dtypes{Dtype::bf16});
  for (const size_t at : {size_t{0}, size_t{1}, size_t{16383}, size_t{16384}, size_t{65535}}) {
    std::vector<float> off = f16;
    off[at] = 1.0F + 0x1p-11F;  // half of f16's last place of 1
    CHECK(fits(Dtype::f32, off).empty());
    off = bf16;
    off[at] = 1.0F + 0x1p-8F;
    CHECK(fits(Dtype::f32, off).empty());
  }
}

TEST_CASE("f8 is found where all values are its own") {
  std::vector<float> e4m3, e5m2;
  for (uint32_t bits = 0; bits < 256; ++bits) {
    e4m3.push_back(scalar::f32_from_f8(Dtype::f8_e4m3, static_cast<uint8_t>(bits)));
    e5m2.push_back(scalar::f32_from_f8(Dtype::f8_e5m2, static_cast<uint8_t>(bits)));
  }
  // f8_e4m3's NaN has payload bits that f16 and bf16 keep.
  CHECK(fits(Dtype::f32, e4m3) == Dtypes{Dtype::bf16, Dtype::f16, Dtype::f8_e4m3});
  CHECK(fits(Dtype::f32, e5m2) == Dtypes{Dtype::bf16, Dtype::f16, Dtype::f8_e5m2});
  CHECK(fits(Dtype::f32, std::vector<float>{1, -0.0F, 0.5F}) ==
        Dtypes{Dtype::bf16, Dtype::f16, Dtype::f8_e5m2, Dtype::f8_e4m3});
  CHECK(fits(Dtype::f32, std::vector<float>{1 + 0x1p-4F}) == Dtypes{Dtype::bf16, Dtype::f16});
}

TEST_CASE("overflow, subnormals and NaN payloads are held against the bits") {
  CHECK(fits(Dtype::f32, std::vector<float>{65504}) == Dtypes{Dtype::f16});
  CHECK(fits(Dtype::f32, std::vector<float>{65536}) == Dtypes{Dtype::bf16});
  CHECK(fits(Dtype::f32, std::vector<float>{0x1p-24F}) == Dtypes{Dtype::bf16, Dtype::f16});
  CHECK(fits(Dtype::f32, std::vector<float>{0x1p-25F}) == Dtypes{Dtype::bf16});
  CHECK(fits(Dtype::f32, std::vector<float>{INFINITY}) == Dtypes{Dtype::bf16, Dtype::f16, Dtype::f8_e5m2});
  CHECK(fits(Dtype::f32, std::vector<float>{from_bits(0x7fc00000)}).size() >= 2);
  CHECK(fits(Dtype::f32, std::vector<float>{from_bits(0x7fc00001)}).empty());  // a payload that 16 bits cannot hold
  CHECK(fits(Dtype::f32, std::vector<float>{from_bits(0x7f810000)}).empty());  // signalling: it would be made quiet
}

TEST_CASE("f64 fits f32 and what is below it") {
  CHECK(fits(Dtype::f64, std::vector<double>{1.0, -2.5}) ==
        Dtypes{Dtype::f32, Dtype::bf16, Dtype::f16, Dtype::f8_e5m2, Dtype::f8_e4m3});
  CHECK(fits(Dtype::f64, std::vector<double>{1.0, 0x1.000002p0}) == Dtypes{Dtype::f32});
  CHECK(fits(Dtype::f64, std::vector<double>{0.1}).empty());
  CHECK(fits(Dtype::f64, std::vector<double>{1e300}).empty());
  CHECK(fits(Dtype::f64, std::vector<double>{1.0, 0x1p-150}).empty());
}

TEST_CASE("16-bit floats may fit 8 bits; integers and 8-bit floats fit nothing") {
  CHECK(fits(Dtype::f16, std::vector<uint16_t>{0x3c00, 0x3800}) == Dtypes{Dtype::f8_e5m2, Dtype::f8_e4m3});
  CHECK(fits(Dtype::bf16, std::vector<uint16_t>{0x3f80, 0x3f81}).empty());
  CHECK(fits(Dtype::i32, std::vector<int32_t>{1}).empty());
  CHECK(fits(Dtype::f8_e4m3, std::vector<uint8_t>{1}).empty());
}

}  // namespace
}  // namespace weighbridge::test
