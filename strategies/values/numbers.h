// What a run of numbers is: how many of them are zero, infinite or no number, and between which two the others lie.
// Vectorised with Highway, dispatched at run time: nine operations for a vector of f32, so that memory is the limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace weighbridge {

struct Numbers {
  uint64_t zeros = 0;           // +0 and -0
  uint64_t negative_zeros = 0;  // of those, -0: what a mask makes of a negative weight
  uint64_t nans = 0, infinities = 0;
  // Of the finite ones; min is above max where there are none.
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();

  bool any_finite() const { return min <= max; }
  void add(const Numbers& other);
};

// At most this many numbers at once: lanes count in 32 bits.
constexpr size_t kMostNumbers = size_t{1} << 20;

// f32 and f64, unaligned allowed.
Numbers numbers_f32(const std::byte* values, size_t count);
Numbers numbers_f64(const std::byte* values, size_t count);

// How many of `count` elements of 1, 2, 4 or 8 bytes are all zero bits.
uint64_t zero_elements(const std::byte* elements, size_t count, size_t element_bytes);

}  // namespace weighbridge
