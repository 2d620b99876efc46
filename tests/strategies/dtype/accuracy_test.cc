#include "strategies/dtype/accuracy.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "strategies/dtype/scalar.h"
#include "tests/support/catch.h"

namespace {

using weighbridge::Accuracy;
using weighbridge::Dtype;
using weighbridge::Layout;
using weighbridge::Target;

template <class T>
Accuracy accuracy_of(Dtype stored, Dtype loaded, const std::vector<T>& values, uint64_t rows = 1) {
  const uint64_t shape[] = {rows, values.size() / rows};
  const Layout layout = weighbridge::layout(stored, shape, Target{loaded});
  REQUIRE(layout.loaded == loaded);
  std::vector<std::byte> tensor(layout.loaded_bytes);
  Accuracy accuracy;
  weighbridge::scalar::convert(layout, 0, layout.elements, reinterpret_cast<const std::byte*>(values.data()),
                               tensor.data(), &accuracy);
  return accuracy;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("errors of a conversion to f16 are those computed by hand", "[accuracy]") {
  // 1 + 2^-12 becomes 1; -(1 + 2^-10) and 2 are exact.
  const Accuracy accuracy = accuracy_of<float>(Dtype::f32, Dtype::f16, {1 + 0x1p-12F, -(1 + 0x1p-10F), 2});
  CHECK(accuracy.elements == 3);
  CHECK(accuracy.compared == 3);
  CHECK(accuracy.max_abs_error == 0x1p-12);
  CHECK(accuracy.error_squares == 0x1p-24);
  const double signal = (1 + 0x1p-12) * (1 + 0x1p-12) + (1 + 0x1p-10) * (1 + 0x1p-10) + 4;
  CHECK(accuracy.signal_squares == Approx(signal));
  CHECK(accuracy.rmse() == Approx(0x1p-12 / std::sqrt(3.0)));
  REQUIRE(accuracy.sqnr_db());
  CHECK(*accuracy.sqnr_db() == Approx(10 * std::log10(signal / 0x1p-24)));
}

TEST_CASE("overflow, flushing, NaN and infinity are counted, and stay out of the sums", "[accuracy]") {
  const Accuracy accuracy =
      accuracy_of<float>(Dtype::f32, Dtype::f16, {1e6F, -65520, 65519, 1e-9F, 0, -0.0F, kNan, kInfinity, 1});
  CHECK(accuracy.elements == 9);
  CHECK(accuracy.overflowed == 2);
  CHECK(accuracy.flushed == 1);
  CHECK(accuracy.clipped == 0);
  CHECK(accuracy.nan_lost == 0);
  CHECK(accuracy.compared == 5);
  CHECK(accuracy.max_abs_error == 15);  // 65519 became 65504
}

TEST_CASE("a conversion that loses nothing has no SQNR", "[accuracy]") {
  const Accuracy accuracy = accuracy_of<float>(Dtype::f32, Dtype::bf16, {1, 0.5F, -3, 0});
  CHECK(accuracy.elements == 4);
  CHECK(accuracy.error_squares == 0);
  CHECK(accuracy.rmse() == 0);
  CHECK_FALSE(accuracy.sqnr_db());
  CHECK_FALSE(Accuracy{}.sqnr_db());
  CHECK(Accuracy{}.rmse() == 0);
}

TEST_CASE("int8 counts what it clips and the NaN it loses", "[accuracy]") {
  // Scale 1 in the first row, 2 in the second.
  const Accuracy accuracy = accuracy_of<float>(Dtype::f32, Dtype::int8,
                                               {127, 0.25F, kNan, -kInfinity,  //
                                                254, -3, 0, 1.5F},
                                               2);
  CHECK(accuracy.elements == 8);
  CHECK(accuracy.clipped == 1);
  CHECK(accuracy.nan_lost == 1);
  CHECK(accuracy.flushed == 1);   // 0.25
  CHECK(accuracy.compared == 6);  // errors 0, 0.25, 0, 1 (-1.5 codes: -2, -4), 0, 0.5 (0.75 codes: 1, 2)
  CHECK(accuracy.max_abs_error == 1);
  CHECK(accuracy.error_squares == 0.0625 + 1 + 0.25);
  CHECK(accuracy.signal_squares == 127.0 * 127 + 0.0625 + 254.0 * 254 + 9 + 2.25);
}

TEST_CASE("f8_e4m3 overflows to NaN, and its errors are those computed by hand", "[accuracy]") {
  // 464 is halfway to 480, which would be the NaN: it goes to 448. 17 lies halfway between 16 and 18.
  const Accuracy accuracy =
      accuracy_of<float>(Dtype::f32, Dtype::f8_e4m3, {464, -464.1F, 1e9F, 17, 0x1p-10F, 0x1.8p-10F, kNan, -kInfinity});
  CHECK(accuracy.elements == 8);
  CHECK(accuracy.overflowed == 3);  // -464.1, 1e9, and the infinity that is none any more
  CHECK(accuracy.clipped == 0);
  CHECK(accuracy.nan_lost == 0);
  CHECK(accuracy.flushed == 1);  // 2^-10 is half of the smallest
  CHECK(accuracy.compared == 4);
  CHECK(accuracy.max_abs_error == 16);
  CHECK(accuracy.error_squares == 16.0 * 16 + 1 + 0x1p-20 + 0x1p-22);
}

TEST_CASE("q8_0 is measured through the values that ggml gives its blocks", "[accuracy]") {
  // d = 1 for the first block; for the second 0x1.004p0 / 127 x 127 would not fit f16, so its values are those of d
  // rounded: 1 + 2^-12 becomes 1.
  std::vector<float> values(64, 0.0F);
  values[0] = 127;
  values[1] = -0.5F;   // -1
  values[2] = 0.25F;   // 0
  values[3] = 3.375F;  // 3
  values[32] = -127 * (1 + 0x1p-12F);
  values[33] = 2;
  const Accuracy accuracy = accuracy_of<float>(Dtype::f32, Dtype::q8_0, values, 2);
  CHECK(accuracy.elements == 64);
  CHECK(accuracy.compared == 64);
  CHECK(accuracy.flushed == 1);
  CHECK(accuracy.max_abs_error == 0.5);
  const double rounded = 127 * 0x1p-12;
  CHECK(accuracy.error_squares == Approx(0.25 + 0.0625 + 0.375 * 0.375 + rounded * rounded).epsilon(1e-12));
}

TEST_CASE("q4_0 loses what lies beyond its fifteenth code, and says so as error", "[accuracy]") {
  // d = -8 / -8 = 1: codes 0 to 15 are -8 to 7, so 8 becomes 7.
  std::vector<float> values(32, 0.0F);
  values[3] = -8;
  values[4] = 8;
  values[5] = 2.5F;    // 3
  values[6] = -0.25F;  // 0
  const Accuracy accuracy = accuracy_of<float>(Dtype::f32, Dtype::q4_0, values);
  CHECK(accuracy.max_abs_error == 1);
  CHECK(accuracy.error_squares == 1 + 0.25 + 0.0625);
  CHECK(accuracy.signal_squares == 64 + 64 + 6.25 + 0.0625);
  CHECK(accuracy.flushed == 1);
  CHECK(accuracy.clipped == 0);
}

TEST_CASE("blocks count infinity, NaN, a scale that f16 makes infinite and one that it makes zero", "[accuracy]") {
  for (const Dtype loaded : {Dtype::q8_0, Dtype::q4_0}) {
    std::vector<float> values(96, 0.0F);
    values[0] = kInfinity;
    values[1] = kNan;
    values[2] = -127;
    values[32] = 1e9F;   // the scale is beyond 65504: nothing of this block is left
    values[64] = 1e-9F;  // and here it is below f16's least
    values[65] = -1e-9F;
    const Accuracy accuracy = accuracy_of<float>(Dtype::f32, loaded, values);
    INFO(name(loaded));
    CHECK(accuracy.elements == 96);
    CHECK(accuracy.clipped == 1);
    CHECK(accuracy.nan_lost == 1);
    CHECK(accuracy.overflowed == 32);
    CHECK(accuracy.flushed == 2);
    CHECK(accuracy.compared == 62);
    CHECK(accuracy.max_abs_error == Approx(1e-9));
  }
}

TEST_CASE("an f64 beyond f32 is clipped by int8, with its error", "[accuracy]") {
  const Accuracy accuracy = accuracy_of<double>(Dtype::f64, Dtype::int8, {1e100, 127});
  CHECK(accuracy.clipped == 1);
  CHECK(accuracy.compared == 2);
  CHECK(accuracy.max_abs_error == Approx(1e100));
  const Accuracy narrowed = accuracy_of<double>(Dtype::f64, Dtype::f32, {1e100, 127});
  CHECK(narrowed.overflowed == 1);
  CHECK(narrowed.compared == 1);
}

TEST_CASE("the accuracy of a block is that against its dequantised values", "[accuracy]") {
  // q8_0: d = 0x1.004p0, which f16 holds; times 3 it needs 12 bits, one more than f16 has, and rounds to 0x1.808p1.
  std::vector<std::byte> bytes(34);
  bytes[0] = std::byte{0x01};
  bytes[1] = std::byte{0x3c};
  bytes[2] = std::byte{3};
  const uint64_t shape[] = {32};
  const Layout layout = weighbridge::layout(Dtype::q8_0, shape, Target{Dtype::f16});
  std::vector<std::byte> tensor(layout.loaded_bytes);
  Accuracy accuracy;
  weighbridge::scalar::convert(layout, 0, layout.elements, bytes.data(), tensor.data(), &accuracy);
  CHECK(accuracy.elements == 32);
  CHECK(accuracy.compared == 32);
  CHECK(accuracy.signal_squares == 0x1.806p1 * 0x1.806p1);
  CHECK(accuracy.max_abs_error == 0x1p-10);
  CHECK(accuracy.flushed == 0);
}

TEST_CASE("accuracies of parts add up to that of the whole", "[accuracy]") {
  const std::vector<float> values = {1.0001F, 1e6F, 1e-9F, kNan, 3.3F, -70000, 0.1F, 2.2F};
  const Accuracy whole = accuracy_of<float>(Dtype::f32, Dtype::f16, values);
  Accuracy sum;
  sum.add(accuracy_of<float>(Dtype::f32, Dtype::f16, {values.begin(), values.begin() + 3}));
  sum.add(accuracy_of<float>(Dtype::f32, Dtype::f16, {values.begin() + 3, values.end()}));
  CHECK(sum.elements == whole.elements);
  CHECK(sum.overflowed == whole.overflowed);
  CHECK(sum.flushed == whole.flushed);
  CHECK(sum.compared == whole.compared);
  CHECK(sum.max_abs_error == whole.max_abs_error);
  CHECK(sum.error_squares == Approx(whole.error_squares));
  CHECK(sum.signal_squares == Approx(whole.signal_squares));
}
