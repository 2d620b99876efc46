#include "strategies/values/numbers.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

// The plainest count there is.
template <class Float>
Numbers expected(const std::vector<Float>& values) {
  Numbers numbers;
  for (const Float value : values) {
    if (std::isnan(value)) {
      ++numbers.nans;
    } else if (std::isinf(value)) {
      ++numbers.infinities;
    } else {
      numbers.zeros += value == 0 ? 1 : 0;
      numbers.negative_zeros += value == 0 && std::signbit(value) ? 1 : 0;
      numbers.min = std::min<double>(numbers.min, value);
      numbers.max = std::max<double>(numbers.max, value);
    }
  }
  return numbers;
}

void check_same(const Numbers& found, const Numbers& wanted) {
  CHECK(found.zeros == wanted.zeros);
  CHECK(found.negative_zeros == wanted.negative_zeros);
  CHECK(found.nans == wanted.nans);
  CHECK(found.infinities == wanted.infinities);
  CHECK(found.min == wanted.min);
  CHECK(found.max == wanted.max);
}

template <class Float>
Numbers looked_at(const std::vector<Float>& values, size_t offset) {
  std::vector<std::byte> bytes(values.size() * sizeof(Float) + offset);
  if (!values.empty()) std::memcpy(bytes.data() + offset, values.data(), values.size() * sizeof(Float));
  if constexpr (sizeof(Float) == 4) {
    return numbers_f32(bytes.data() + offset, values.size());
  } else {
    return numbers_f64(bytes.data() + offset, values.size());
  }
}

template <class Float>
void check_random(uint32_t specials) {
  std::mt19937 random(specials);
  for (size_t count = 0; count < 70; ++count) {
    std::vector<Float> values;
    for (size_t i = 0; i < count; ++i) {
      const Float value = static_cast<Float>(static_cast<int>(random() % 2001) - 1000) / 64;
      switch (random() % (specials == 0 ? 4 : 9)) {
        case 0:
          values.push_back(0);
          break;
        case 1:
          values.push_back(-Float{0});
          break;
        case 4:
          values.push_back(std::numeric_limits<Float>::quiet_NaN());
          break;
        case 5:
          values.push_back(-std::numeric_limits<Float>::infinity());
          break;
        case 6:
          values.push_back(-std::numeric_limits<Float>::denorm_min());
          break;
        case 7:
          values.push_back(std::numeric_limits<Float>::max());
          break;
        default:
          values.push_back(value);
      }
    }
    INFO(count << " values");
    check_same(looked_at(values, count % 8), expected(values));
  }
}

TEST_CASE("zeros, NaN, infinities and bounds are those that a plain loop finds, for every length and alignment") {
  check_random<float>(0);
  check_random<float>(1);
  check_random<double>(0);
  check_random<double>(1);
}

TEST_CASE("of no finite number there are no bounds") {
  CHECK_FALSE(looked_at(std::vector<float>(40, NAN), 0).any_finite());
  CHECK_FALSE(looked_at(std::vector<double>{}, 0).any_finite());
  CHECK(looked_at(std::vector<float>{3}, 1).any_finite());
}

TEST_CASE("a long run of zeros is counted to the last") {
  CHECK(looked_at(std::vector<float>(kMostNumbers, -0.0F), 3).zeros == kMostNumbers);
  CHECK(looked_at(std::vector<float>(kMostNumbers, -0.0F), 3).negative_zeros == kMostNumbers);
  CHECK(looked_at(std::vector<double>(kMostNumbers, 0.0), 0).zeros == kMostNumbers);
}

TEST_CASE("zero elements of one, two, four and eight bytes") {
  for (const size_t size : {1u, 2u, 4u, 8u}) {
    for (size_t count = 0; count < 150; ++count) {
      std::vector<std::byte> bytes(count * size + 1);
      uint64_t zeros = count;
      for (size_t i = 0; i < count; i += 3) {
        bytes[1 + i * size + i % size] = std::byte{1};  // any byte of it
        --zeros;
      }
      INFO(count << " of " << size);
      CHECK(zero_elements(bytes.data() + 1, count, size) == zeros);
    }
  }
}

}  // namespace
}  // namespace weighbridge::test
