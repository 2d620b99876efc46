// Encoders: one vector of f32 lanes to as many elements of a target, stored at any address; and the loop that takes a
// run of elements through a decoder and an encoder. Nothing lies between the two but registers.
//
// Included once per Highway target, hence the guard.
#if defined(WEIGHBRIDGE_STRATEGIES_DTYPE_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHBRIDGE_STRATEGIES_DTYPE_ENCODE_INL_H_
#undef WEIGHBRIDGE_STRATEGIES_DTYPE_ENCODE_INL_H_
#else
#define WEIGHBRIDGE_STRATEGIES_DTYPE_ENCODE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "strategies/dtype/decode-inl.h"

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE void StoreBytes(D d, hn::Vec<D> value, uint8_t* target) {
  const hn::Repartition<uint8_t, D> bytes;
  (void)d;
  hn::StoreU(hn::BitCast(bytes, value), bytes, target);
}

struct ToF32 {
  static constexpr size_t kBytes = 4;
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const { StoreBytes(d, value, target); }
  HWY_INLINE void StoreFour(F32 d, hn::Vec<F32> v0, hn::Vec<F32> v1, hn::Vec<F32> v2, hn::Vec<F32> v3,
                            uint8_t* target) const {
    const size_t step = hn::Lanes(d) * kBytes;
    Store(d, v0, target);
    Store(d, v1, target + step);
    Store(d, v2, target + 2 * step);
    Store(d, v3, target + 3 * step);
  }
};

struct ToBf16 {
  static constexpr size_t kBytes = 2;
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const {
    const hn::RebindToSigned<F32> di;
    const hn::Rebind<uint16_t, F32> d16;
    StoreBytes(d16, hn::DemoteTo(d16, hn::BitCast(di, hn::ShiftRight<16>(Rounded(d, value)))), target);
  }
  HWY_INLINE void StoreFour(F32 d, hn::Vec<F32> v0, hn::Vec<F32> v1, hn::Vec<F32> v2, hn::Vec<F32> v3,
                            uint8_t* target) const {
    StoreTwo(d, v0, v1, target);
    StoreTwo(d, v2, v3, target + 2 * hn::Lanes(d) * kBytes);
  }

 private:
  // bf16 in the upper half of each lane. Adding half of the last place less one, plus the last bit kept, then dropping
  // the rest, is rounding to nearest even; the carry runs into the exponent, up to infinity.
  static HWY_INLINE hn::Vec<hn::RebindToUnsigned<F32>> Rounded(F32 d, hn::Vec<F32> value) {
    const hn::RebindToUnsigned<F32> du;
    const auto bits = hn::BitCast(du, value);
    const auto last = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), last);
    const auto nan = hn::Or(bits, hn::Set(du, 0x00400000));
    // Not Ne(value, value), which is false for NaN in Highway 1.0.3 on AVX3.
    return hn::BitCast(du, hn::IfThenElse(hn::IsNaN(value), hn::BitCast(d, nan), hn::BitCast(d, rounded)));
  }
  static HWY_INLINE void StoreTwo(F32 d, hn::Vec<F32> low, hn::Vec<F32> high, uint8_t* target) {
    const hn::Repartition<uint16_t, F32> d16;
    StoreBytes(d16, hn::ConcatOdd(d16, hn::BitCast(d16, Rounded(d, high)), hn::BitCast(d16, Rounded(d, low))), target);
  }
};

struct ToF16 {
  static constexpr size_t kBytes = 2;
  HWY_INLINE void StoreFour(F32 d, hn::Vec<F32> v0, hn::Vec<F32> v1, hn::Vec<F32> v2, hn::Vec<F32> v3,
                            uint8_t* target) const {
    const size_t step = hn::Lanes(d) * kBytes;
    Store(d, v0, target);
    Store(d, v1, target + step);
    Store(d, v2, target + 2 * step);
    Store(d, v3, target + 3 * step);
  }
#if WEIGHBRIDGE_NATIVE_F16
  HWY_INLINE void Store(F32 /*d*/, hn::Vec<F32> value, uint8_t* target) const {
    const hn::Rebind<hwy::float16_t, F32> d16;
    StoreBytes(d16, hn::DemoteTo(d16, value), target);
  }
#else
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const {
    const hn::RebindToSigned<F32> di;
    const hn::Rebind<uint16_t, F32> d16;
    const auto bits = hn::BitCast(di, value);
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 0x8000));
    // As for bf16, the exponent's bias changed on the way.
    const auto last = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
    const auto to_add = hn::Add(last, hn::Set(di, 0x0fff - ((127 - 15) << 23)));
    const auto normal = hn::ShiftRight<13>(hn::Add(magnitude, to_add));
    // Below 2^-14: the last place of 0.5 is 2^-24, that of f16's subnormals, so the addition rounds to it.
    const auto half = hn::Set(d, 0.5F);
    const auto subnormal = hn::Sub(hn::BitCast(di, hn::Add(hn::BitCast(d, magnitude), half)), hn::BitCast(di, half));
    const auto infinity = hn::Set(di, 0x7c00);
    const auto payload = hn::Or(hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 0x03ff)), hn::Set(di, 0x0200));
    const auto is_nan = hn::VecFromMask(di, hn::Gt(magnitude, hn::Set(di, 0x7f800000)));
    const auto special = hn::Or(infinity, hn::And(is_nan, payload));
    auto result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, (127 - 14) << 23)), subnormal, normal);
    result = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, ((127 + 16) << 23) - 1)), special, result);
    StoreBytes(d16, hn::DemoteTo(d16, hn::Or(result, sign)), target);
  }
#endif
};

// The low bytes of the 32-bit lanes of four vectors, stored in order; and of one.
HWY_INLINE void StoreLowBytes(hn::Vec<hn::RebindToUnsigned<F32>> v0, hn::Vec<hn::RebindToUnsigned<F32>> v1,
                              hn::Vec<hn::RebindToUnsigned<F32>> v2, hn::Vec<hn::RebindToUnsigned<F32>> v3,
                              uint8_t* target) {
  const hn::Repartition<uint16_t, F32> d16;
  const hn::Repartition<uint8_t, F32> d8;
  const auto low = hn::ConcatEven(d16, hn::BitCast(d16, v1), hn::BitCast(d16, v0));
  const auto high = hn::ConcatEven(d16, hn::BitCast(d16, v3), hn::BitCast(d16, v2));
  hn::StoreU(hn::ConcatEven(d8, hn::BitCast(d8, high), hn::BitCast(d8, low)), d8, target);
}
HWY_INLINE void StoreLowBytes(hn::Vec<hn::RebindToUnsigned<F32>> value, uint8_t* target) {
  const hn::RebindToUnsigned<F32> du;
  const hn::Rebind<uint8_t, F32> d8;
  // As a signed number of 0 to 255, which is what DemoteTo takes.
  const auto low = hn::BitCast(hn::RebindToSigned<F32>(), hn::And(value, hn::Set(du, 0xff)));
  StoreBytes(d8, hn::DemoteTo(d8, low), target);
}

struct ToF8E4m3 {
  static constexpr size_t kBytes = 1;
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const { StoreLowBytes(Codes(d, value), target); }
  HWY_INLINE void StoreFour(F32 d, hn::Vec<F32> v0, hn::Vec<F32> v1, hn::Vec<F32> v2, hn::Vec<F32> v3,
                            uint8_t* target) const {
    StoreLowBytes(Codes(d, v0), Codes(d, v1), Codes(d, v2), Codes(d, v3), target);
  }

 private:
  // The code is the low byte of each lane.
  static HWY_INLINE hn::Vec<hn::RebindToUnsigned<F32>> Codes(F32 d, hn::Vec<F32> value) {
    const hn::RebindToSigned<F32> di;
    const hn::RebindToUnsigned<F32> du;
    const auto bits = hn::BitCast(di, value);
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
    const auto sign = hn::And(hn::ShiftRight<24>(bits), hn::Set(di, 0x80));
    // As for f16. What exceeds the largest code is NaN, the code above it: infinity and NaN exceed it as numbers do.
    const auto last = hn::And(hn::ShiftRight<20>(magnitude), hn::Set(di, 1));
    const auto to_add = hn::Add(last, hn::Set(di, 0x0007ffff - ((127 - 7) << 23)));
    const auto normal = hn::Min(hn::ShiftRight<20>(hn::Add(magnitude, to_add)), hn::Set(di, 0x7f));
    // Below 2^-6: the last place of 2^14 is 2^-9, that of e4m3's subnormals.
    const auto large = hn::Set(d, 0x1p14F);
    const auto subnormal = hn::Sub(hn::BitCast(di, hn::Add(hn::BitCast(d, magnitude), large)), hn::BitCast(di, large));
    const auto code = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, (127 - 6) << 23)), subnormal, normal);
    return hn::BitCast(du, hn::Or(code, sign));
  }
};

// `count` elements, the last few through a padded copy on the stack.
template <class From, class To>
HWY_INLINE void Transform(const uint8_t* HWY_RESTRICT source, uint64_t count, uint8_t* HWY_RESTRICT target, To to) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = lanes * From::kBytes;
  for (; count >= 4 * lanes; count -= 4 * lanes) {
    // Named, since arguments may be evaluated from the last: the loads then run backwards and prefetching suffers.
    const auto v0 = From::Load(d, source);
    const auto v1 = From::Load(d, source + step);
    const auto v2 = From::Load(d, source + 2 * step);
    const auto v3 = From::Load(d, source + 3 * step);
    to.StoreFour(d, v0, v1, v2, v3, target);
    source += 4 * step;
    target += 4 * lanes * To::kBytes;
  }
  for (; count >= lanes; count -= lanes) {
    to.Store(d, From::Load(d, source), target);
    source += step;
    target += lanes * To::kBytes;
  }
  if (count > 0) {
    uint8_t padded_source[kMaxLanes * From::kBytes] = {};
    uint8_t padded_target[kMaxLanes * To::kBytes];
    std::memcpy(padded_source, source, count * From::kBytes);
    to.Store(d, From::Load(d, padded_source), padded_target);
    std::memcpy(target, padded_target, count * To::kBytes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // WEIGHBRIDGE_STRATEGIES_DTYPE_ENCODE_INL_H_
