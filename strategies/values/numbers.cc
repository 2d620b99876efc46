// A first pass over a run looks at every number as if it were finite, and at the largest magnitude that it saw: bits of
// magnitudes stand in the order of their values, infinity and NaN above them all. Only where one of these was there, a
// second pass, one number at a time, tells what they were.
#include "strategies/values/numbers.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "strategies/values/numbers.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#ifndef WEIGHBRIDGE_STRATEGIES_VALUES_NUMBERS_ONCE
#define WEIGHBRIDGE_STRATEGIES_VALUES_NUMBERS_ONCE
namespace weighbridge {

template <class Float>
Numbers one_by_one(const std::byte* values, size_t count) {
  Numbers numbers;
  for (size_t i = 0; i < count; ++i) {
    Float value;
    std::memcpy(&value, values + i * sizeof value, sizeof value);
    if (std::isnan(value)) {
      ++numbers.nans;
    } else if (std::isinf(value)) {
      ++numbers.infinities;
    } else {
      numbers.min = std::min(numbers.min, static_cast<double>(value));
      numbers.max = std::max(numbers.max, static_cast<double>(value));
      if (value == 0) {
        ++numbers.zeros;
        if (std::signbit(value)) ++numbers.negative_zeros;
      }
    }
  }
  return numbers;
}

template <class Bits>
uint64_t zeros_one_by_one(const std::byte* elements, size_t count) {
  uint64_t zeros = 0;
  for (size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, elements + i * sizeof bits, sizeof bits);
    zeros += bits == 0 ? 1 : 0;
  }
  return zeros;
}

}  // namespace weighbridge
#endif

// Targets without vectors: one by one is as fast as an emulation.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {
Numbers NumbersF32(const std::byte* values, size_t count) {
  return one_by_one<float>(values, count);
}
Numbers NumbersF64(const std::byte* values, size_t count) {
  return one_by_one<double>(values, count);
}
template <class Bits>
uint64_t Zeros(const std::byte* elements, size_t count) {
  return zeros_one_by_one<Bits>(elements, count);
}
}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();
#else

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> LoadAt(D d, const std::byte* from) {
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, D>(), reinterpret_cast<const uint8_t*>(from)));
}

// The numbers of whole vectors; the rest one by one.
template <class Float>
HWY_INLINE Numbers Look(const std::byte* values, size_t count) {
  const hn::ScalableTag<Float> d;
  const hn::RebindToSigned<decltype(d)> di;
  using Bits = hn::TFromD<decltype(di)>;
  const size_t lanes = hn::Lanes(d);
  const auto sign = hn::Set(di, std::numeric_limits<Bits>::min());
  auto least = hn::Set(d, std::numeric_limits<Float>::infinity());
  auto most = hn::Set(d, -std::numeric_limits<Float>::infinity());
  auto magnitudes = hn::Zero(di), zeros = hn::Zero(di), positive_zeros = hn::Zero(di);
  size_t done = 0;
  for (; done + lanes <= count; done += lanes) {
    const auto value = LoadAt(d, values + done * sizeof(Float));
    const auto bits = hn::BitCast(di, value);
    const auto magnitude = hn::AndNot(sign, bits);
    least = hn::Min(least, value);
    most = hn::Max(most, value);
    magnitudes = hn::Max(magnitudes, magnitude);
    // A mask is -1 where it holds.
    zeros = hn::Sub(zeros, hn::VecFromMask(di, hn::Eq(magnitude, hn::Zero(di))));
    positive_zeros = hn::Sub(positive_zeros, hn::VecFromMask(di, hn::Eq(bits, hn::Zero(di))));
  }
  const Float infinity = std::numeric_limits<Float>::infinity();
  Bits infinity_bits;
  std::memcpy(&infinity_bits, &infinity, sizeof infinity_bits);
  if (hn::GetLane(hn::MaxOfLanes(di, magnitudes)) >= infinity_bits) return one_by_one<Float>(values, count);
  Numbers numbers = one_by_one<Float>(values + done * sizeof(Float), count - done);
  if (done == 0) return numbers;
  const auto sum = [&](auto counts) { return static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, counts))); };
  numbers.zeros += sum(zeros);
  numbers.negative_zeros += sum(zeros) - sum(positive_zeros);
  numbers.min = std::min(numbers.min, static_cast<double>(hn::GetLane(hn::MinOfLanes(d, least))));
  numbers.max = std::max(numbers.max, static_cast<double>(hn::GetLane(hn::MaxOfLanes(d, most))));
  return numbers;
}

Numbers NumbersF32(const std::byte* values, size_t count) {
  return Look<float>(values, count);
}

Numbers NumbersF64(const std::byte* values, size_t count) {
#if HWY_HAVE_FLOAT64 && HWY_HAVE_INTEGER64
  return Look<double>(values, count);
#else
  return one_by_one<double>(values, count);
#endif
}

template <class Bits>
HWY_INLINE uint64_t Zeros(const std::byte* elements, size_t count) {
  const hn::ScalableTag<Bits> d;
  const size_t lanes = hn::Lanes(d);
  uint64_t zeros = 0;
  size_t done = 0;
  for (; done + lanes <= count; done += lanes) {
    zeros += hn::CountTrue(d, hn::Eq(LoadAt(d, elements + done * sizeof(Bits)), hn::Zero(d)));
  }
  return zeros + zeros_one_by_one<Bits>(elements + done * sizeof(Bits), count - done);
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

uint64_t ZeroElements(const std::byte* elements, size_t count, size_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return Zeros<uint8_t>(elements, count);
    case 2:
      return Zeros<uint16_t>(elements, count);
    case 4:
      return Zeros<uint32_t>(elements, count);
    default:
      return Zeros<uint64_t>(elements, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weighbridge {

HWY_EXPORT(NumbersF32);
HWY_EXPORT(NumbersF64);
HWY_EXPORT(ZeroElements);

void Numbers::add(const Numbers& other) {
  zeros += other.zeros;
  negative_zeros += other.negative_zeros;
  nans += other.nans;
  infinities += other.infinities;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

Numbers numbers_f32(const std::byte* values, size_t count) {
  return HWY_DYNAMIC_DISPATCH(NumbersF32)(values, count);
}

Numbers numbers_f64(const std::byte* values, size_t count) {
  return HWY_DYNAMIC_DISPATCH(NumbersF64)(values, count);
}

uint64_t zero_elements(const std::byte* elements, size_t count, size_t element_bytes) {
  return HWY_DYNAMIC_DISPATCH(ZeroElements)(elements, count, element_bytes);
}

}  // namespace weighbridge
#endif  // HWY_ONCE
