// The vector kernels against their scalar twin, to the bit, on every instruction set that this machine has.
#include "strategies/dtype/convert.h"

#include <hwy/targets.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "strategies/dtype/dtype.h"
#include "strategies/dtype/scalar.h"
#include "tests/support/catch.h"

namespace {

using weighbridge::Dtype;
using weighbridge::Layout;
using weighbridge::Target;
using Bytes = std::vector<std::byte>;

constexpr Dtype kSources[] = {Dtype::f64,     Dtype::f32,         Dtype::f16,         Dtype::bf16, Dtype::f8_e4m3,
                              Dtype::f8_e5m2, Dtype::f8_e4m3fnuz, Dtype::f8_e5m2fnuz, Dtype::q4_0, Dtype::q4_1,
                              Dtype::q5_0,    Dtype::q5_1,        Dtype::q8_0,        Dtype::q2_k, Dtype::q3_k,
                              Dtype::q4_k,    Dtype::q5_k,        Dtype::q6_k};
constexpr Dtype kTargets[] = {Dtype::f32,  Dtype::f16,  Dtype::bf16,   Dtype::int8,
                              Dtype::q8_0, Dtype::q4_0, Dtype::f8_e4m3};

// Elements that convert apart from the rest whatever the pair: a block of the larger kind.
uint64_t unit_of(Dtype stored, Dtype loaded) {
  return std::max(block(stored).elements, block(loaded).elements);
}

// Runs `body` once on each instruction set, and says which where it fails.
template <class Body>
void on_every_target(Body body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    INFO("instruction set " << hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

Layout layout_of(Dtype stored, Dtype loaded, std::initializer_list<uint64_t> shape) {
  const std::vector<uint64_t> dimensions(shape);
  const Layout layout = weighbridge::layout(stored, dimensions, Target{loaded});
  REQUIRE(layout.loaded == loaded);
  return layout;
}

Bytes by_vectors(const Layout& layout, const Bytes& source) {
  Bytes tensor(layout.loaded_bytes, std::byte{0xa5});
  weighbridge::convert(layout, 0, layout.elements, source.data(), tensor.data());
  return tensor;
}

Bytes by_scalars(const Layout& layout, const Bytes& source) {
  Bytes tensor(layout.loaded_bytes, std::byte{0x5a});
  weighbridge::scalar::convert(layout, 0, layout.elements, source.data(), tensor.data(), nullptr);
  return tensor;
}

// As one element of `a` and `b` at the first difference, where there is one.
void require_same(const Layout& layout, const Bytes& source, const Bytes& vectors, const Bytes& scalars) {
  if (vectors == scalars) {
    SUCCEED();
    return;
  }
  const auto at = std::mismatch(vectors.begin(), vectors.end(), scalars.begin()).first - vectors.begin();
  if (layout.loaded == Dtype::int8 || unit_of(layout.stored, layout.loaded) > 1) {
    FAIL(name(layout.stored) << " to " << name(layout.loaded) << ", byte " << at << ": vectors 0x" << std::hex
                             << std::to_integer<int>(vectors[static_cast<size_t>(at)]) << ", scalars 0x"
                             << std::to_integer<int>(scalars[static_cast<size_t>(at)]));
  }
  const size_t target_bytes = block(layout.loaded).bytes;
  const size_t source_bytes = block(layout.stored).bytes;
  const size_t element = static_cast<size_t>(at) / target_bytes;
  uint64_t before = 0;
  uint64_t vector = 0;
  uint64_t scalar = 0;
  std::memcpy(&before, source.data() + element * source_bytes, source_bytes);
  std::memcpy(&vector, vectors.data() + element * target_bytes, target_bytes);
  std::memcpy(&scalar, scalars.data() + element * target_bytes, target_bytes);
  FAIL(name(layout.stored) << " to " << name(layout.loaded) << ", byte " << at << ": source 0x" << std::hex << before
                           << ", vectors 0x" << vector << ", scalars 0x" << scalar);
}

// A row that does not divide into the target's blocks is filled up with zeros.
void require_vectors_equal_scalars(Dtype stored, const Bytes& stored_bytes) {
  for (const Dtype loaded : kTargets) {
    if (loaded == stored) continue;
    Bytes source = stored_bytes;
    const uint64_t unit = unit_of(stored, loaded);
    const uint64_t unit_bytes = unit / block(stored).elements * block(stored).bytes;
    source.resize((source.size() + unit_bytes - 1) / unit_bytes * unit_bytes);
    const Layout layout = layout_of(stored, loaded, {1, source.size() / unit_bytes * unit});
    const Bytes scalars = by_scalars(layout, source);
    on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
  }
}

// Rounding decisions of the narrower types, signs, specials and subnormals, beside what chance brings.
std::vector<double> telling_doubles() {
  std::mt19937_64 random(20240229);
  std::vector<double> values = {0.0,
                                -0.0,
                                1.0,
                                -1.0,
                                65504.0,
                                65519.99,
                                65520.0,
                                65536.0,
                                3.4028235677973366e38,
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::denorm_min(),
                                std::numeric_limits<double>::quiet_NaN(),
                                std::bit_cast<double>(0x7ff0000000000001ULL),
                                std::bit_cast<double>(0xfff0000020000000ULL),
                                0x1p-149,
                                0x1p-150,
                                0x1.8p-150};
  // Halfway between two f16 (11 bits), bf16 (8 bits) or f32 (24 bits), in every exponent they have and some they have
  // not, and a hair to either side: the hair is lost in f32, so rounding twice goes wrong.
  for (int exponent = -180; exponent <= 140; ++exponent) {
    for (const int precision : {8, 11, 24}) {
      const double last_place = std::ldexp(1.0, exponent - precision + 1);
      for (const double whole : {std::ldexp(1.0, exponent), std::ldexp(1.0, exponent) + last_place,
                                 std::ldexp(2.0, exponent) - last_place}) {
        const double half = whole + last_place / 2;
        for (const double hair : {0.0, std::ldexp(1.0, exponent - 50), -std::ldexp(1.0, exponent - 50)}) {
          values.push_back(half + hair);
          values.push_back(-(half + hair));
        }
      }
    }
  }
  // Random bit patterns, and random values within f16's and bf16's reach whose low bits are nearly all alike.
  for (int i = 0; i < 200000; ++i) {
    const uint64_t bits = random();
    values.push_back(std::bit_cast<double>(bits));
    const uint64_t exponent = 1023 - 152 + random() % 285;
    const uint64_t sparse = bits & (random() % 2 == 0 ? 0xfffff00000000003ULL : 0xffffffffe0000001ULL);
    values.push_back(std::bit_cast<double>((sparse & 0x800fffffffffffffULL) | exponent << 52));
  }
  return values;
}

}  // namespace

TEST_CASE("vectors convert f32 as scalars do, over a strided subset of all patterns", "[dtype]") {
  std::vector<uint32_t> patterns;
  constexpr uint64_t kStride = 1021;  // prime, so every low and every high half comes by
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += kStride) patterns.push_back(static_cast<uint32_t>(bits));
  // And the neighbourhood of each exponent's start, of the quiet bit and of f16's limits.
  for (uint32_t exponent = 0; exponent < 512; ++exponent) {
    for (uint32_t near = 0; near < 32; ++near) patterns.push_back((exponent << 23) + near - 16);
  }
  for (uint32_t near = 0; near < 0x4000; ++near) {
    patterns.push_back(0x477fe000 + near - 0x2000);
    patterns.push_back(0x33000000 + near - 0x2000);
    patterns.push_back(0x7fc00000 + near - 0x2000);
    patterns.push_back(0xff800000 + near - 0x2000);
  }
  require_vectors_equal_scalars(Dtype::f32, bytes_of(patterns));
}

TEST_CASE("vectors convert every f16, bf16 and f8 as scalars do", "[dtype]") {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<uint8_t> quarters(256);
  for (size_t i = 0; i < quarters.size(); ++i) quarters[i] = static_cast<uint8_t>(i);
  for (const Dtype stored : kSources) {
    if (block(stored).elements > 1) continue;
    if (block(stored).bytes == 2) require_vectors_equal_scalars(stored, bytes_of(halves));
    if (block(stored).bytes == 1) require_vectors_equal_scalars(stored, bytes_of(quarters));
  }
}

TEST_CASE("vectors convert f64 as scalars do, also where rounding twice would differ", "[dtype]") {
  require_vectors_equal_scalars(Dtype::f64, bytes_of(telling_doubles()));
}

TEST_CASE("runs of every length up to several vectors convert alike", "[dtype]") {
  std::mt19937 random(7);
  for (const Dtype stored : kSources) {
    // Blocks go in tiles of 256 elements, and to blocks in tiles of 512.
    const uint64_t most = block(stored).elements == 1 ? 150 : 40;
    for (uint64_t units = 1; units < most; ++units) {
      Bytes source(units * block(stored).bytes);
      for (std::byte& byte : source) byte = static_cast<std::byte>(random());
      require_vectors_equal_scalars(stored, source);
    }
  }
}

TEST_CASE("neither source nor target needs to be aligned, and nothing beside the target is written", "[dtype]") {
  std::mt19937 random(11);
  constexpr uint64_t kRows = 3;
  for (const Dtype stored : kSources) {
    for (const Dtype loaded : kTargets) {
      if (loaded == stored) continue;
      const uint64_t unit = unit_of(stored, loaded);
      const uint64_t row_elements = unit * (unit == 1 ? 77 : 11);
      Bytes source(packed_bytes(stored, kRows * row_elements).value());
      for (std::byte& byte : source) byte = static_cast<std::byte>(random());
      const Layout layout = layout_of(stored, loaded, {kRows, row_elements});
      const Bytes expected = by_scalars(layout, source);
      on_every_target([&] {
        for (size_t offset = 0; offset < 9; ++offset) {
          Bytes moved(source.size() + offset);
          std::copy(source.begin(), source.end(), moved.begin() + static_cast<ptrdiff_t>(offset));
          const size_t target_offset = 9 - offset;
          Bytes tensor(layout.loaded_bytes + target_offset + 64, std::byte{0xee});
          weighbridge::convert(layout, 0, layout.elements, moved.data() + offset, tensor.data() + target_offset);
          Bytes delivered(tensor.begin() + static_cast<ptrdiff_t>(target_offset), tensor.end() - 64);
          require_same(layout, source, delivered, expected);
          CHECK(std::all_of(tensor.begin(), tensor.begin() + static_cast<ptrdiff_t>(target_offset),
                            [](std::byte byte) { return byte == std::byte{0xee}; }));
          CHECK(std::all_of(tensor.end() - 64, tensor.end(), [](std::byte byte) { return byte == std::byte{0xee}; }));
        }
      });
    }
  }
}

TEST_CASE("any split into chunks delivers the same bytes as one call", "[dtype]") {
  std::mt19937 random(13);
  constexpr uint64_t kRows = 41;
  for (const Dtype stored : kSources) {
    const uint64_t block_elements = block(stored).elements;
    const size_t source_bytes = block(stored).bytes;
    for (const Dtype loaded : kTargets) {
      if (loaded == stored) continue;
      const uint64_t row_elements = unit_of(stored, loaded) * (unit_of(stored, loaded) == 1 ? 19 : 3);
      Bytes source(packed_bytes(stored, kRows * row_elements).value());
      for (std::byte& byte : source) byte = static_cast<std::byte>(random());
      const Layout layout = layout_of(stored, loaded, {kRows, row_elements});
      const Bytes expected = by_vectors(layout, source);
      const uint64_t unit = layout.unit_elements();
      CHECK(unit == (loaded == Dtype::int8 ? row_elements : unit_of(stored, loaded)));
      for (int repeat = 0; repeat < 20; ++repeat) {
        Bytes vectors(layout.loaded_bytes);
        Bytes scalars(layout.loaded_bytes);
        for (uint64_t first = 0; first < layout.elements;) {
          const uint64_t count = std::min<uint64_t>(layout.elements - first, unit * (1 + random() % 23));
          const std::byte* at = source.data() + first / block_elements * source_bytes;
          weighbridge::convert(layout, first, count, at, vectors.data());
          weighbridge::scalar::convert(layout, first, count, at, scalars.data(), nullptr);
          first += count;
        }
        require_same(layout, source, vectors, expected);
        require_same(layout, source, scalars, expected);
      }
    }
  }
}

TEST_CASE("vectors dequantise finite blocks, as all real ones are, as scalars do", "[dtype]") {
  std::mt19937 random(23);
  for (const Dtype stored : kSources) {
    if (block(stored).elements == 1) continue;
    Bytes source(64 * block(stored).bytes);
    // Exponents of f16 below the largest wherever a scale may stand.
    for (std::byte& byte : source) byte = static_cast<std::byte>(random() & 0xbf);
    require_vectors_equal_scalars(stored, source);
    // Codes of all values: only where the scales stand, at the block's ends, are the exponents kept low.
    for (size_t i = 0; i < source.size(); ++i) {
      const size_t at = i % block(stored).bytes;
      if (at >= 4 && at < block(stored).bytes - 4) source[i] = static_cast<std::byte>(random());
    }
    require_vectors_equal_scalars(stored, source);
  }
}

TEST_CASE("int8 rows of zeros, NaN, infinities, subnormals and extremes follow the rule", "[dtype]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kSubnormal = std::numeric_limits<float>::denorm_min();
  constexpr float kLargest = std::numeric_limits<float>::max();
  struct Row {
    std::vector<float> values;
    float scale;
    std::vector<int> codes;
  };
  const std::vector<Row> rows = {
      {{0, -0.0F, 0, 0}, 0, {0, 0, 0, 0}},
      {{127, -127, 1, 0.5F}, 1, {127, -127, 1, 0}},  // 0.5 is a tie: to even
      {{127, 1.5F, -2.5F, -1.5F}, 1, {127, 2, -2, -2}},
      {{kNan, 254, -kNan, 3}, 2, {0, 127, 0, 2}},  // 1.5: to even
      {{kInfinity, -kInfinity, 12.7F, -6.35F}, 12.7F / 127, {127, -127, 127, -64}},
      {{kInfinity, kNan, 0, -kInfinity}, 0, {0, 0, 0, 0}},
      {{kSubnormal, -4 * kSubnormal, 0, 0x1p-126F}, 0, {0, 0, 0, 0}},
      {{127 * 0x1p-126F, 0x1p-126F, kSubnormal, -0x1p-126F}, 0x1p-126F, {127, 1, 0, -1}},
      {{kLargest, -kLargest, kLargest / 4, 1}, kLargest / 127, {127, -127, 32, 0}},
  };
  std::vector<float> values;
  for (const Row& row : rows) values.insert(values.end(), row.values.begin(), row.values.end());
  const Layout layout = layout_of(Dtype::f32, Dtype::int8, {rows.size(), 2, 2});
  REQUIRE(layout.rows == rows.size());
  REQUIRE(layout.row_elements == 4);
  const Bytes source = bytes_of(values);
  const Bytes scalars = by_scalars(layout, source);
  for (size_t i = 0; i < rows.size(); ++i) {
    INFO("row " << i);
    float scale = -1;
    std::memcpy(&scale, scalars.data() + i * sizeof scale, sizeof scale);
    CHECK(scale == rows[i].scale);
    for (size_t j = 0; j < 4; ++j) {
      CHECK(static_cast<int>(std::to_integer<int8_t>(scalars[rows.size() * sizeof scale + i * 4 + j])) ==
            rows[i].codes[j]);
    }
  }
  on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
}

TEST_CASE("int8 rows of random magnitudes and lengths are the same for vectors and scalars", "[dtype]") {
  std::mt19937 random(17);
  for (const uint64_t row_elements : {1U, 2U, 5U, 16U, 31U, 64U, 100U, 1000U}) {
    constexpr uint64_t kRows = 64;
    std::vector<uint32_t> patterns(kRows * row_elements);
    for (size_t i = 0; i < patterns.size(); ++i) {
      // A row's exponents lie together, so that codes are not all 0; some rows have infinity and NaN among them.
      const auto exponent = static_cast<uint32_t>(i / row_elements * 4 + random() % 5);
      patterns[i] = (random() & 0x807fffff) | std::min<uint32_t>(exponent, 255) << 23;
    }
    const Bytes source = bytes_of(patterns);
    const Layout layout = layout_of(Dtype::f32, Dtype::int8, {kRows, row_elements});
    const Bytes scalars = by_scalars(layout, source);
    on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
  }
}

TEST_CASE("finite int8 rows longer than a block are the same for vectors and scalars", "[dtype]") {
  std::mt19937 random(19);
  for (const uint64_t row_elements : {65536U, 65537U, 2 * 65536U, 3 * 65536U + 37}) {
    std::vector<float> values(2 * row_elements);
    for (float& value : values) value = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-30F;
    const Bytes source = bytes_of(values);
    const Layout layout = layout_of(Dtype::f32, Dtype::int8, {2, row_elements});
    const Bytes scalars = by_scalars(layout, source);
    on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
  }
}

TEST_CASE("the largest value of a finite row is 127 or -127, whatever its mantissa", "[dtype]") {
  // The kernels do not clamp a finite row: here is why they need not.
  constexpr uint64_t kRows = 1 << 17;
  std::vector<uint32_t> patterns(kRows);
  for (uint32_t i = 0; i < kRows; ++i) patterns[i] = 0x3f800000 + i * 64 + i % 61 + (i % 2 << 31);
  const Bytes source = bytes_of(patterns);
  const Layout layout = layout_of(Dtype::f32, Dtype::int8, {kRows, 1});
  const Bytes scalars = by_scalars(layout, source);
  for (uint64_t i = 0; i < kRows; ++i) {
    const auto code = static_cast<int>(std::to_integer<int8_t>(scalars[kRows * sizeof(float) + i]));
    REQUIRE(code == (i % 2 == 0 ? 127 : -127));
  }
  on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
}

// Minutes rather than seconds in a debug build: `dtype_test "[.exhaustive]"`.
TEST_CASE("vectors convert all 2^32 f32 as scalars do", "[.exhaustive]") {
  constexpr uint64_t kBlock = uint64_t{1} << 22;
  for (const Dtype loaded : {Dtype::f16, Dtype::bf16}) {
    const Layout layout = layout_of(Dtype::f32, loaded, {kBlock});
    for (uint64_t start = 0; start < uint64_t{1} << 32; start += kBlock) {
      std::vector<uint32_t> patterns(kBlock);
      for (uint64_t i = 0; i < kBlock; ++i) patterns[i] = static_cast<uint32_t>(start + i);
      const Bytes source = bytes_of(patterns);
      const Bytes scalars = by_scalars(layout, source);
      on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
    }
  }
}

TEST_CASE("blocks of random magnitudes, ties and zeros are the same for vectors and scalars", "[dtype]") {
  std::mt19937 random(29);
  constexpr uint64_t kBlocks = 4096;
  constexpr uint64_t kElements = 32;
  std::vector<float> values(kBlocks * kElements);
  for (uint64_t i = 0; i < kBlocks; ++i) {
    // From blocks that f16 makes infinite to blocks whose scale has no inverse.
    const float unit = std::ldexp(1.0F, static_cast<int>(i % 280) - 150);
    const uint32_t kind = random() % 4;
    for (uint64_t j = 0; j < kElements; ++j) {
      float& value = values[i * kElements + j];
      const auto number = static_cast<float>(static_cast<int32_t>(random()));
      if (kind == 0) value = number * 0x1p-31F * unit;                                        // any
      if (kind == 1) value = static_cast<float>(static_cast<int>(random() % 17) - 8) * unit;  // ties for the largest
      if (kind == 2) value = (static_cast<float>(random() % 255) - 127.0F) / 2 * unit;        // ties in rounding
      if (kind == 3) value = random() % 2 == 0 ? 0.0F : -0.0F;
    }
    if (kind == 2) values[i * kElements + random() % kElements] = 127 * unit;
  }
  const Bytes source = bytes_of(values);
  for (const Dtype loaded : {Dtype::q8_0, Dtype::q4_0}) {
    const Layout layout = layout_of(Dtype::f32, loaded, {kBlocks, kElements});
    const Bytes scalars = by_scalars(layout, source);
    on_every_target([&] { require_same(layout, source, by_vectors(layout, source), scalars); });
    // The same, one block a call: whether its neighbours are out of the ordinary makes no difference.
    on_every_target([&] {
      Bytes tensor(layout.loaded_bytes);
      for (uint64_t first = 0; first < layout.elements; first += kElements) {
        weighbridge::convert(layout, first, kElements, source.data() + first * sizeof(float), tensor.data());
      }
      require_same(layout, source, tensor, scalars);
    });
  }
}
