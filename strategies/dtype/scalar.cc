// How a value is rounded once.
//
// The naive way from f64 to f16 goes through f32 and rounds twice: 1 + 2^-11 + 2^-40 lies just above the middle between
// two f16 values, so it must go up; rounded to f32 first it becomes exactly the middle, and ties-to-even then takes it
// down. The vector kernels avoid this with an f32 that is rounded to odd (encode-inl.h). Here it cannot arise: `narrow`
// takes any IEEE-like format straight to any narrower one, on its integer significand: drop the low bits, compare what
// was dropped with one half of the last place, add one if above or if equal and odd. The carry out of the significand
// runs into the exponent field beside it, which is the next value up, up to infinity; and a subnormal target only drops
// more bits. One function, no special case but NaN, and another way than the kernels take: that is what makes it
// a reference.
#include "strategies/dtype/scalar.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "strategies/dtype/ggml.h"

namespace weighbridge::scalar {
namespace {

// What the largest exponent field holds.
enum class Specials : uint8_t {
  ieee,  // infinity and NaN
  fn,    // values, but for the pattern of all ones, which is NaN
  fnuz,  // values; the pattern of negative zero is NaN
};

struct Format {
  unsigned exponent_bits;
  unsigned mantissa_bits;
  int bias;
  Specials specials = Specials::ieee;
};

constexpr Format kF64{11, 52, 1023};
constexpr Format kF32{8, 23, 127};
constexpr Format kF16{5, 10, 15};
constexpr Format kBf16{8, 7, 127};
constexpr Format kF8E4m3{4, 3, 7, Specials::fn};
constexpr Format kF8E5m2{5, 2, 15};
constexpr Format kF8E4m3fnuz{4, 3, 8, Specials::fnuz};
constexpr Format kF8E5m2fnuz{5, 2, 16, Specials::fnuz};

constexpr uint64_t ones(unsigned count) {
  return (uint64_t{1} << count) - 1;
}

// `from` is ieee, `to` ieee or fn, with fewer mantissa bits and no wider exponent.
constexpr uint64_t narrow(uint64_t bits, Format from, Format to) {
  const uint64_t sign = bits >> (from.exponent_bits + from.mantissa_bits) << (to.exponent_bits + to.mantissa_bits);
  const uint64_t exponent = bits >> from.mantissa_bits & ones(from.exponent_bits);
  const uint64_t fraction = bits & ones(from.mantissa_bits);
  // What stands above the last value: infinity, or where there is none the one NaN.
  const bool ieee = to.specials == Specials::ieee;
  const uint64_t beyond = ieee ? ones(to.exponent_bits) << to.mantissa_bits : ones(to.exponent_bits + to.mantissa_bits);
  const unsigned dropped_always = from.mantissa_bits - to.mantissa_bits;
  if (exponent == ones(from.exponent_bits)) {
    if (fraction == 0 || !ieee) return sign | beyond;
    const uint64_t quiet = uint64_t{1} << (to.mantissa_bits - 1);
    return sign | beyond | quiet | fraction >> dropped_always;
  }

  // The value is significand x 2^(power - mantissa_bits).
  const uint64_t significand = exponent == 0 ? fraction : fraction | uint64_t{1} << from.mantissa_bits;
  const int power = static_cast<int>(std::max<uint64_t>(exponent, 1)) - from.bias;
  const int least_power = 1 - to.bias;  // of a normal target
  const int below = std::max(0, least_power - power);
  // All of a significand is below a half once its bits + 1 are dropped: dropping more changes nothing.
  const unsigned dropped = std::min(dropped_always + static_cast<unsigned>(below), from.mantissa_bits + 2);
  uint64_t kept = significand >> dropped;
  const uint64_t rest = significand & ones(dropped);
  const uint64_t half = uint64_t{1} << (dropped - 1);
  if (rest > half || (rest == half && (kept & 1) != 0)) ++kept;
  // A normal's kept bits contain the leading one, which adds one to the exponent field below it.
  const uint64_t field = below > 0 ? 0 : static_cast<uint64_t>(power - least_power);
  return sign | std::min((field << to.mantissa_bits) + kept, beyond);
}

// Any of the narrow formats to f32, which holds each of their values.
constexpr uint32_t widen(uint32_t bits, Format from) {
  const unsigned shift = kF32.mantissa_bits - from.mantissa_bits;
  const uint32_t magnitude = bits & static_cast<uint32_t>(ones(from.exponent_bits + from.mantissa_bits));
  const uint32_t sign = bits >> (from.exponent_bits + from.mantissa_bits) << 31;
  const uint32_t exponent = magnitude >> from.mantissa_bits;
  const auto fraction = magnitude & static_cast<uint32_t>(ones(from.mantissa_bits));
  constexpr uint32_t kInfinity = 0x7f800000;
  constexpr uint32_t kQuiet = 0x00400000;
  const uint32_t all = static_cast<uint32_t>(ones(from.exponent_bits + from.mantissa_bits));
  switch (from.specials) {
    case Specials::ieee:
      if (exponent == ones(from.exponent_bits)) {
        return sign | kInfinity | fraction << shift | (fraction != 0 ? kQuiet : 0);
      }
      break;
    case Specials::fn:
      if (magnitude == all) return sign | kInfinity | kQuiet | fraction << shift;
      break;
    case Specials::fnuz:
      if (sign != 0 && magnitude == 0) return sign | kInfinity | kQuiet;
      break;
  }
  if (magnitude == 0) return sign;
  if (exponent != 0) {
    const uint32_t field = exponent + static_cast<uint32_t>(kF32.bias - from.bias);
    return sign | field << kF32.mantissa_bits | fraction << shift;
  }
  // Subnormal: fraction x 2^(1 - bias - mantissa_bits). bf16's stay subnormal; the others' are normal in f32.
  if (from.bias == kF32.bias) return sign | fraction << shift;
  const auto leading = static_cast<unsigned>(std::bit_width(fraction)) - 1;
  const auto field = static_cast<uint32_t>(kF32.bias + 1 - from.bias - static_cast<int>(from.mantissa_bits - leading));
  return sign | field << kF32.mantissa_bits | (fraction << (kF32.mantissa_bits - leading) & 0x007fffff);
}

constexpr Format format(Dtype dtype) {
  switch (dtype) {
    case Dtype::f8_e4m3:
      return kF8E4m3;
    case Dtype::f8_e5m2:
      return kF8E5m2;
    case Dtype::f8_e4m3fnuz:
      return kF8E4m3fnuz;
    case Dtype::f8_e5m2fnuz:
      return kF8E5m2fnuz;
    case Dtype::f16:
      return kF16;
    case Dtype::bf16:
      return kBf16;
    case Dtype::f64:
      return kF64;
    default:
      return kF32;
  }
}

template <class T>
T load(const std::byte* source) {
  T value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

// One element in its narrowest form that loses nothing: the bits of an f64 or of an f32.
struct Element {
  uint64_t bits;
  Format format;  // kF64 or kF32
};

Element read(Dtype dtype, const std::byte* source) {
  switch (dtype) {
    case Dtype::f64:
      return {load<uint64_t>(source), kF64};
    case Dtype::f32:
      return {load<uint32_t>(source), kF32};
    case Dtype::f16:
    case Dtype::bf16:
      return {widen(load<uint16_t>(source), format(dtype)), kF32};
    default:
      return {widen(load<uint8_t>(source), format(dtype)), kF32};
  }
}

// The elements of a run in the stored dtype, one by one; of a block type each block is dequantised when the first of
// its elements is asked for.
class Elements {
 public:
  Elements(Dtype stored, const std::byte* source) : stored_(stored), unit_(block(stored)), source_(source) {}

  Element at(uint64_t index) {
    if (unit_.elements == 1) return read(stored_, source_ + index * unit_.bytes);
    if (const uint64_t wanted = index / unit_.elements; wanted != block_) {
      dequantise_block(stored_, source_ + wanted * unit_.bytes, values_);
      block_ = wanted;
    }
    return {std::bit_cast<uint32_t>(values_[index % unit_.elements]), kF32};
  }

 private:
  const Dtype stored_;
  const Block unit_;
  const std::byte* const source_;
  float values_[kLargestBlock];
  uint64_t block_ = UINT64_MAX;  // whose values these are
};

double value(Element element) {
  if (element.format.mantissa_bits == kF64.mantissa_bits) return std::bit_cast<double>(element.bits);
  return std::bit_cast<float>(static_cast<uint32_t>(element.bits));
}

uint32_t f32_bits(Element element) {
  if (element.format.mantissa_bits == kF32.mantissa_bits) return static_cast<uint32_t>(element.bits);
  return static_cast<uint32_t>(narrow(element.bits, kF64, kF32));
}

void compare(double before, double after, Accuracy& accuracy) {
  ++accuracy.elements;
  if (std::isinf(before) && std::isnan(after)) ++accuracy.overflowed;
  if (!std::isfinite(before)) return;
  if (before != 0 && after == 0) ++accuracy.flushed;
  if (!std::isfinite(after)) {
    ++accuracy.overflowed;
    return;
  }
  const double error = std::abs(after - before);
  ++accuracy.compared;
  accuracy.max_abs_error = std::max(accuracy.max_abs_error, error);
  accuracy.error_squares += error * error;
  accuracy.signal_squares += before * before;
}

// Of an element that became a code.
void count_specials(float element, Accuracy& accuracy) {
  if (std::isnan(element)) ++accuracy.nan_lost;
  if (std::isinf(element)) ++accuracy.clipped;
}

void convert_floats(const Layout& layout, uint64_t count, const std::byte* source, std::byte* target,
                    Accuracy* accuracy) {
  const Format to = format(layout.loaded);
  const size_t target_bytes = block(layout.loaded).bytes;
  Elements elements(layout.stored, source);
  for (uint64_t i = 0; i < count; ++i) {
    const Element element = elements.at(i);
    const uint64_t result =
        to.mantissa_bits == kF32.mantissa_bits ? f32_bits(element) : narrow(element.bits, element.format, to);
    std::memcpy(target + i * target_bytes, &result, target_bytes);  // little-endian
    if (accuracy != nullptr) {
      const auto f32 = target_bytes == 4 ? static_cast<uint32_t>(result) : widen(static_cast<uint32_t>(result), to);
      compare(value(element), std::bit_cast<float>(f32), *accuracy);
    }
  }
}

// |value| <= 127 once clamped, so the conversion to int is exact but for the fraction, and that difference is exact
// too.
int round_to_even(float value) {
  const int whole = static_cast<int>(value);
  const float rest = std::abs(value - static_cast<float>(whole));
  const bool away = rest > 0.5F || (rest == 0.5F && whole % 2 != 0);
  return away ? whole + (value < 0 ? -1 : 1) : whole;
}

void quantise_row(Dtype stored, uint64_t count, const std::byte* source, std::byte* scale_at, std::byte* codes,
                  Accuracy* accuracy) {
  Elements elements(stored, source);
  uint32_t largest = 0;  // of the finite magnitudes; the order of their bits is the order of their values
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t magnitude = f32_bits(elements.at(i)) & 0x7fffffff;
    if (magnitude < 0x7f800000) largest = std::max(largest, magnitude);
  }
  float scale = std::bit_cast<float>(largest) / 127.0F;
  float inverse = 0;
  if (scale < FLT_MIN) {
    scale = 0;
  } else {
    inverse = 1.0F / scale;
  }
  std::memcpy(scale_at, &scale, sizeof scale);

  for (uint64_t i = 0; i < count; ++i) {
    const Element element = elements.at(i);
    const float rounded = std::bit_cast<float>(f32_bits(element));
    int code = 0;
    if (scale != 0 && !std::isnan(rounded)) code = round_to_even(std::clamp(rounded * inverse, -127.0F, 127.0F));
    codes[i] = static_cast<std::byte>(code);
    if (accuracy != nullptr) {
      compare(value(element), static_cast<double>(scale) * code, *accuracy);
      count_specials(rounded, *accuracy);
    }
  }
}

void quantise_blocks(const Layout& layout, uint64_t count, const std::byte* source, std::byte* target,
                     Accuracy* accuracy) {
  const size_t target_bytes = block(layout.loaded).bytes;
  Elements elements(layout.stored, source);
  for (uint64_t first = 0; first < count; first += kQuantised) {
    float values[kQuantised];
    for (size_t i = 0; i < kQuantised; ++i) values[i] = std::bit_cast<float>(f32_bits(elements.at(first + i)));
    quantise_block(layout.loaded, values, target);
    if (accuracy != nullptr) {
      float after[kQuantised];
      dequantise_block(layout.loaded, target, after);
      for (size_t i = 0; i < kQuantised; ++i) {
        compare(value(elements.at(first + i)), after[i], *accuracy);
        count_specials(values[i], *accuracy);
      }
    }
    target += target_bytes;
  }
}

}  // namespace

uint16_t f16_from_f32(float value) {
  return static_cast<uint16_t>(narrow(std::bit_cast<uint32_t>(value), kF32, kF16));
}

uint16_t bf16_from_f32(float value) {
  return static_cast<uint16_t>(narrow(std::bit_cast<uint32_t>(value), kF32, kBf16));
}

float f32_from_f16(uint16_t bits) {
  return std::bit_cast<float>(widen(bits, kF16));
}

float f32_from_bf16(uint16_t bits) {
  return std::bit_cast<float>(widen(bits, kBf16));
}

float f32_from_f8(Dtype dtype, uint8_t bits) {
  return std::bit_cast<float>(widen(bits, format(dtype)));
}

void convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source, std::byte* tensor,
             Accuracy* accuracy) {
  if (layout.loaded != Dtype::int8) {
    const Block unit = block(layout.loaded);
    std::byte* target = tensor + first / unit.elements * unit.bytes;
    if (unit.elements == 1) return convert_floats(layout, count, source, target, accuracy);
    return quantise_blocks(layout, count, source, target, accuracy);
  }
  const uint64_t row_bytes = layout.unit_bytes();
  std::byte* codes = tensor + layout.rows * sizeof(float);
  const uint64_t first_row = first / layout.row_elements;
  for (uint64_t i = 0; i < count / layout.row_elements; ++i) {
    const uint64_t row = first_row + i;
    quantise_row(layout.stored, layout.row_elements, source + i * row_bytes, tensor + row * sizeof(float),
                 codes + row * layout.row_elements, accuracy);
  }
}

}  // namespace weighbridge::scalar
