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
};

// Adding half of the last place less one, plus the last bit kept, then dropping the rest, is rounding to nearest even;
// the carry runs into the exponent, up to infinity.
template <int kDropped, class DI>
HWY_INLINE hn::Vec<DI> RoundOff(DI di, hn::Vec<DI> bits) {
  const auto last = hn::And(hn::ShiftRight<kDropped>(bits), hn::Set(di, 1));
  return hn::ShiftRight<kDropped>(hn::Add(bits, hn::Add(last, hn::Set(di, (1 << (kDropped - 1)) - 1))));
}

struct ToBf16 {
  static constexpr size_t kBytes = 2;
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const {
    (void)d;
    const hn::RebindToSigned<F32> di;
    const hn::RebindToUnsigned<F32> du;
    const hn::Rebind<uint16_t, F32> d16;
    // Unsigned, as the sign moves down with the rest.
    const auto bits = hn::BitCast(du, value);
    const auto last = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(last, hn::Set(du, 0x7fff))));
    const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x0040));
    // In integers: Ne(value, value) is false for NaN in Highway 1.0.3 on AVX3.
    const auto magnitude = hn::And(hn::BitCast(di, bits), hn::Set(di, 0x7fffffff));
    const auto is_nan = hn::Gt(magnitude, hn::Set(di, 0x7f800000));
    const auto result = hn::IfThenElse(is_nan, hn::BitCast(di, nan), hn::BitCast(di, rounded));
    StoreBytes(d16, hn::DemoteTo(d16, result), target);
  }
};

struct ToF16 {
  static constexpr size_t kBytes = 2;
  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const {
#if WEIGHBRIDGE_NATIVE_F16
    (void)d;
    const hn::Rebind<hwy::float16_t, F32> d16;
    StoreBytes(d16, hn::DemoteTo(d16, value), target);
#else
    const hn::RebindToSigned<F32> di;
    const hn::Rebind<uint16_t, F32> d16;
    const auto bits = hn::BitCast(di, value);
    const auto magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
    const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 0x8000));
    const auto normal = RoundOff<13>(di, hn::Sub(magnitude, hn::Set(di, (127 - 15) << 23)));
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
#endif
  }
};

// `count` elements, the last few through a padded copy on the stack. Two vectors at a time, as one waits for its loads.
template <class From, class To>
HWY_INLINE void Transform(const uint8_t* HWY_RESTRICT source, uint64_t count, uint8_t* HWY_RESTRICT target, To to) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  for (; count >= 2 * lanes; count -= 2 * lanes) {
    const auto first = From::Load(d, source);
    const auto second = From::Load(d, source + lanes * From::kBytes);
    to.Store(d, first, target);
    to.Store(d, second, target + lanes * To::kBytes);
    source += 2 * lanes * From::kBytes;
    target += 2 * lanes * To::kBytes;
  }
  if (count >= lanes) {
    to.Store(d, From::Load(d, source), target);
    source += lanes * From::kBytes;
    target += lanes * To::kBytes;
    count -= lanes;
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
