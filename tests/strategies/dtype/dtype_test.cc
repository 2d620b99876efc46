#include "strategies/dtype/dtype.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "strategies/error.h"
#include "tests/support/catch.h"

namespace {

using weighbridge::Dtype;
using weighbridge::Layout;
using weighbridge::packed_bytes;
using weighbridge::Target;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

Layout layout_of(Dtype stored, const std::vector<uint64_t>& shape, Target target) {
  return weighbridge::layout(stored, shape, target);
}

}  // namespace

TEST_CASE("every dtype has a name of its own", "[dtype]") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Dtype::int8); ++i) names.insert(name(static_cast<Dtype>(i)));
  CHECK(names.size() == static_cast<size_t>(Dtype::int8) + 1);
  CHECK(name(Dtype::boolean) == "bool");
  CHECK(name(Dtype::f8_e4m3fnuz) == "f8_e4m3fnuz");
  CHECK(name(Dtype::c64) == "c64");
  CHECK(name(Dtype::int8) == "int8");
}

TEST_CASE("packed bytes count whole bytes only and never overflow", "[dtype]") {
  CHECK(packed_bytes(Dtype::boolean, 7) == 7);
  CHECK(packed_bytes(Dtype::bf16, 3) == 6);
  CHECK(packed_bytes(Dtype::c64, 2) == 16);
  CHECK(packed_bytes(Dtype::f4, 6) == 3);
  CHECK(packed_bytes(Dtype::f4, 7) == std::nullopt);
  CHECK(packed_bytes(Dtype::f6_e2m3, 8) == 6);
  CHECK(packed_bytes(Dtype::f6_e3m2, 6) == std::nullopt);
  CHECK(packed_bytes(Dtype::f64, 0) == 0);
  CHECK(packed_bytes(Dtype::f4, kMost - 1) == kMost / 2);
  CHECK(packed_bytes(Dtype::f64, kMost / 8) == kMost - 7);
  CHECK(packed_bytes(Dtype::f64, kMost / 8 + 1) == std::nullopt);
  CHECK(packed_bytes(Dtype::u8, kMost) == kMost);
  CHECK(packed_bytes(Dtype::q4_0, 64) == 36);
  CHECK(packed_bytes(Dtype::q4_0, 63) == std::nullopt);
  CHECK(packed_bytes(Dtype::q6_k, 512) == 420);
  CHECK(packed_bytes(Dtype::q8_0, uint64_t{1} << 63) == 34 * (uint64_t{1} << 58));
  CHECK(packed_bytes(Dtype::q8_1, uint64_t{1} << 63) == 36 * (uint64_t{1} << 58));
}

TEST_CASE("the number of elements is the product of the shape, or nothing where that overflows", "[dtype]") {
  const auto count = [](const std::vector<uint64_t>& shape) { return weighbridge::element_count(shape); };
  CHECK(count({}) == 1);
  CHECK(count({3, 4, 5}) == 60);
  CHECK(count({3, 0, 5}) == 0);
  CHECK(count({uint64_t{1} << 32, uint64_t{1} << 32}) == std::nullopt);
  CHECK(count({uint64_t{1} << 32, uint64_t{1} << 32, 0}) == 0);
  CHECK(count({kMost, 1}) == kMost);
}

TEST_CASE("targets are named as on the command line", "[dtype]") {
  std::vector<std::string> names;
  for (const weighbridge::TargetInfo& info : weighbridge::targets()) {
    names.emplace_back(info.name);
    CHECK(name(info.target) == info.name);
    CHECK(weighbridge::parse_target(info.name) == info.target);
    CHECK_FALSE(info.summary.empty());
  }
  CHECK(names == std::vector<std::string>{"native", "f32", "f16", "bf16", "int8", "q8_0", "q4_0", "f8_e4m3"});
  CHECK(weighbridge::parse_target("f64") == std::nullopt);
  CHECK(weighbridge::parse_target("") == std::nullopt);
  CHECK(weighbridge::parse_target("F16") == std::nullopt);
}

TEST_CASE("only floats with a value of their own, and blocks that hold their scales, are converted", "[dtype]") {
  const std::set<Dtype> floats = {Dtype::f64,     Dtype::f32,         Dtype::f16,         Dtype::bf16, Dtype::f8_e4m3,
                                  Dtype::f8_e5m2, Dtype::f8_e4m3fnuz, Dtype::f8_e5m2fnuz, Dtype::q4_0, Dtype::q4_1,
                                  Dtype::q5_0,    Dtype::q5_1,        Dtype::q8_0,        Dtype::q2_k, Dtype::q3_k,
                                  Dtype::q4_k,    Dtype::q5_k,        Dtype::q6_k};
  for (int i = 0; i <= static_cast<int>(Dtype::int8); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    INFO(name(dtype));
    CHECK(weighbridge::convertible(dtype) == floats.contains(dtype));
    for (const weighbridge::TargetInfo& info : weighbridge::targets()) {
      const Layout layout = layout_of(dtype, {4, 256}, info.target);
      const bool converts = floats.contains(dtype) && info.target.dtype && info.target.dtype != dtype;
      CHECK(layout.converted() == converts);
      CHECK(layout.stored_bytes == packed_bytes(dtype, 1024));
      if (!converts) CHECK(layout.loaded_bytes == layout.stored_bytes);
    }
  }
}

TEST_CASE("int8 has one scale a row, and the row is the first dimension", "[dtype]") {
  const Target int8{Dtype::int8};
  const Layout matrix = layout_of(Dtype::f32, {5, 2, 3}, int8);
  CHECK(matrix.rows == 5);
  CHECK(matrix.row_elements == 6);
  CHECK(matrix.unit_elements() == 6);
  CHECK(matrix.loaded_bytes == 5 * 4 + 30);
  const Layout vector = layout_of(Dtype::bf16, {30}, int8);
  CHECK(vector.rows == 1);
  CHECK(vector.unit_elements() == 30);
  CHECK(vector.loaded_bytes == 34);
  const Layout scalar = layout_of(Dtype::f64, {}, int8);
  CHECK(scalar.rows == 1);
  CHECK(scalar.loaded_bytes == 5);
  const Layout blocks = layout_of(Dtype::q4_0, {5, 64}, int8);
  CHECK(blocks.unit_elements() == 64);
  CHECK(blocks.unit_bytes() == 36);
  CHECK(blocks.loaded_bytes == 5 * 4 + 320);
  CHECK(layout_of(Dtype::q4_0, {5, 64}, Target{Dtype::f32}).unit_bytes() == 18);
  const Layout half = layout_of(Dtype::f32, {5, 6}, Target{Dtype::f16});
  CHECK(half.rows == 1);
  CHECK(half.row_elements == 30);
  CHECK(half.unit_elements() == 1);
  CHECK(half.loaded_bytes == 60);
}

TEST_CASE("q8_0 and q4_0 are blocks of 32 elements of a row, and the row is the last dimension", "[dtype]") {
  const Layout matrix = layout_of(Dtype::f32, {5, 2, 64}, Target{Dtype::q8_0});
  CHECK(matrix.loaded == Dtype::q8_0);
  CHECK(matrix.rows == 1);
  CHECK(matrix.unit_elements() == 32);
  CHECK(matrix.unit_bytes() == 128);
  CHECK(matrix.loaded_bytes == 5 * 2 * 2 * 34);
  const Layout halves = layout_of(Dtype::bf16, {3, 32}, Target{Dtype::q4_0});
  CHECK(halves.unit_bytes() == 64);
  CHECK(halves.loaded_bytes == 3 * 18);
  const Layout blocks = layout_of(Dtype::q4_k, {2, 256}, Target{Dtype::q8_0});
  CHECK(blocks.unit_elements() == 256);
  CHECK(blocks.unit_bytes() == 144);
  CHECK(blocks.loaded_bytes == 2 * 8 * 34);
  CHECK(layout_of(Dtype::q8_0, {2, 64}, Target{Dtype::q4_0}).unit_bytes() == 34);
}

TEST_CASE("what does not divide into blocks stays as stored: odd rows, vectors and scalars", "[dtype]") {
  for (const Dtype loaded : {Dtype::q8_0, Dtype::q4_0}) {
    for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{}, {64}, {64, 48}, {32, 1}, {64, 31}}) {
      const Layout layout = layout_of(Dtype::bf16, shape, Target{loaded});
      CHECK(layout.loaded == Dtype::bf16);
      CHECK(layout.loaded_bytes == layout.stored_bytes);
    }
  }
  CHECK(layout_of(Dtype::bf16, {64}, Target{Dtype::f8_e4m3}).loaded_bytes == 64);
}

TEST_CASE("an empty tensor is delivered as it is stored", "[dtype]") {
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{0}, {0, 7}, {7, 0}}) {
    const Layout layout = layout_of(Dtype::f32, shape, Target{Dtype::int8});
    CHECK_FALSE(layout.converted());
    CHECK(layout.loaded_bytes == 0);
  }
}

TEST_CASE("a layout that 64 bits cannot count is an error that names the tensor's shape", "[dtype]") {
  const std::vector<uint64_t> huge = {uint64_t{1} << 31, uint64_t{1} << 32};  // 2^63 f8 are fine, as f16 they are not
  CHECK(layout_of(Dtype::f8_e4m3, huge, Target{}).loaded_bytes == uint64_t{1} << 63);
  CHECK_THROWS_WITH(layout_of(Dtype::f8_e4m3, huge, Target{Dtype::f16}),
                    ContainsSubstring("f8_e4m3") && ContainsSubstring("[2147483648, 4294967296]"));
  CHECK_THROWS_AS(layout_of(Dtype::f8_e5m2, {kMost, 1}, Target{Dtype::int8}), weighbridge::Error);
  CHECK_THROWS_AS(layout_of(Dtype::f8_e5m2, {kMost / 4 + 1, 1}, Target{Dtype::int8}), weighbridge::Error);
  CHECK_THROWS_AS(layout_of(Dtype::f32, {kMost, 2}, Target{}), weighbridge::Error);
  CHECK_THROWS_AS(layout_of(Dtype::f4, {3}, Target{}), weighbridge::Error);
}
