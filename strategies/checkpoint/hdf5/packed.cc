// The two filters that keep only the bits that elements need: n-bit, for numbers that are narrower than their bytes
// (H5Znbit.c), and scale-offset, for numbers in a narrow range (H5Zscaleoffset.c). Bits stand from the highest down.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "strategies/checkpoint/hdf5/filters.h"

namespace weighbridge::hdf5 {
namespace {

class BitReader {
 public:
  BitReader(std::span<const unsigned char> bytes, const Cursor& at) : bytes_(bytes), at_(at) {}

  uint64_t read(unsigned bits) {
    uint64_t value = 0;
    while (bits > 0) {
      if (position_ / 8 == bytes_.size()) at_.fail("a chunk whose packed bits are cut", "bits for each element");
      const unsigned here = std::min(bits, 8 - static_cast<unsigned>(position_ % 8));
      const unsigned above = 8 - static_cast<unsigned>(position_ % 8) - here;
      value = value << here | (bytes_[position_ / 8] >> above & ((1u << here) - 1));
      position_ += here;
      bits -= here;
    }
    return value;
  }

 private:
  std::span<const unsigned char> bytes_;
  const Cursor& at_;
  uint64_t position_ = 0;
};

void store(uint64_t value, size_t bytes, bool big_endian, unsigned char* to) {
  for (size_t i = 0; i < bytes; ++i) {
    to[big_endian ? bytes - 1 - i : i] = static_cast<unsigned char>(value >> (8 * i));
  }
}

uint64_t low_bits(unsigned bits) {
  return bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

template <typename Float, typename Bits>
uint64_t scaled(uint64_t value, uint64_t least, Float power) {
  const auto minimum = std::bit_cast<Float>(static_cast<Bits>(least));
  return std::bit_cast<Bits>(
      static_cast<Float>(static_cast<Float>(static_cast<std::make_signed_t<Bits>>(value)) / power + minimum));
}

}  // namespace

void undo_nbit(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
               const Cursor& at) {
  const auto& p = filter.parameters;
  constexpr size_t kFields = 8;
  constexpr uint32_t kAtomic = 1;
  if (p.size() < kFields || p[3] != kAtomic) at.fail("an n-bit filter for no plain number", "one for a plain number");
  const uint64_t count = p[2], bytes = p[4], precision = p[6], offset = p[7];
  const bool big_endian = p[5] == 1;
  if (bytes == 0 || bytes > 8 || precision == 0 || precision > 8 * bytes || offset > 8 * bytes - precision ||
      count * bytes != to.size()) {
    at.fail(
        fmt::format("an n-bit filter for {} elements of {} bytes, {} bits from {} on", count, bytes, precision, offset),
        fmt::format("one for a chunk of {} bytes", to.size()));
  }
  BitReader bits(stored, at);
  for (uint64_t i = 0; i < count; ++i) {
    store(bits.read(static_cast<unsigned>(precision)) << offset, bytes, big_endian, to.data() + i * bytes);
  }
}

void undo_scale_offset(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
                       const Cursor& at) {
  const auto& p = filter.parameters;
  constexpr size_t kFields = 10, kHeader = 21;
  constexpr uint32_t kDecimal = 0, kInteger = 2, kIntegerClass = 0;
  if (p.size() < kFields || stored.size() < kHeader) {
    at.fail(fmt::format("a scale-offset chunk of {} bytes with {} parameters", stored.size(), p.size()),
            fmt::format("at least {} and {}", kHeader, kFields));
  }
  const uint32_t scale = p[0];
  const auto factor = static_cast<int32_t>(p[1]);
  const uint64_t count = p[2], bytes = p[4];
  const bool integers = p[3] == kIntegerClass, big_endian = p[6] == 1, has_fill = p[7] == 1;
  const bool sane = (integers ? scale == kInteger && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8)
                              : scale == kDecimal && (bytes == 4 || bytes == 8)) &&
                    count * bytes == to.size();
  if (!sane) {
    at.fail(fmt::format("a scale-offset filter of kind {} for {} elements of {} bytes", scale, count, bytes),
            fmt::format("one for a chunk of {} bytes", to.size()));
  }
  const auto number = [&](size_t from, size_t length) {
    uint64_t value = 0;
    for (size_t i = length; i-- > 0;) value = value << 8 | stored[from + i];
    return value;
  };
  const uint64_t width = number(0, 4);
  const uint64_t least = number(5, std::min<size_t>(stored[4], 8));
  if (width > 8 * bytes)
    at.fail(fmt::format("scale-offset elements of {} bits", width), fmt::format("at most {}", 8 * bytes));
  const auto packed = stored.subspan(kHeader);
  const auto bits = static_cast<unsigned>(width);
  BitReader reader(packed, at);
  const uint64_t fill = (uint64_t{p[9]} << 32 | p[8]) & low_bits(static_cast<unsigned>(8 * bytes));
  const float power = std::pow(10.0f, static_cast<float>(factor));
  const double power_of_double = std::pow(10.0, static_cast<double>(factor));
  const bool all_bits = width == 8 * bytes;  // stored as they are, in the writer's order: little-endian
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t value = 0;
    if (all_bits) {
      for (size_t byte = 0; byte < bytes; ++byte) value |= reader.read(8) << (8 * byte);
    } else {
      value = reader.read(bits);
      if (has_fill && value == low_bits(bits)) {
        value = fill;
      } else if (integers) {
        value += least;
      } else if (bytes == 4) {
        value = scaled<float, uint32_t>(value, least, power);
      } else {
        value = scaled<double, uint64_t>(value, least, power_of_double);
      }
    }
    store(value, bytes, big_endian, to.data() + i * bytes);
  }
}

}  // namespace weighbridge::hdf5
