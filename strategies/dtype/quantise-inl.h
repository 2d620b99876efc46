// int8 rows: two passes over a row's source, the first for its largest finite magnitude, the second for the codes.
//
// Weights are finite, so the first pass does not ask: it takes the largest magnitude of all, and only where that is an
// infinity or a NaN does a slower pass look for the largest finite one. A row known to be finite then needs no
// clamping: |x| x (1 / scale) is at most 127 and a few last places, which rounds to 127.
//
// A row of a matrix is still in the nearest cache when its second pass comes. A tensor that is one long row is not, and
// is read from memory twice, but its end may still be in the last cache: so the second pass goes through a long row's
// blocks from the last to the first.
//
// Included once per Highway target, hence the guard.
#if defined(WEIGHBRIDGE_STRATEGIES_DTYPE_QUANTISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHBRIDGE_STRATEGIES_DTYPE_QUANTISE_INL_H_
#undef WEIGHBRIDGE_STRATEGIES_DTYPE_QUANTISE_INL_H_
#else
#define WEIGHBRIDGE_STRATEGIES_DTYPE_QUANTISE_INL_H_
#endif

#include <hwy/highway.h>

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "strategies/dtype/decode-inl.h"
#include "strategies/dtype/encode-inl.h"

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

template <bool kFinite>
struct ToInt8 {
  static constexpr size_t kBytes = 1;
  float inverse;  // of the row's scale

  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const { StoreLowBytes(Codes(d, value), target); }
  HWY_INLINE void StoreFour(F32 d, hn::Vec<F32> v0, hn::Vec<F32> v1, hn::Vec<F32> v2, hn::Vec<F32> v3,
                            uint8_t* target) const {
    StoreLowBytes(Codes(d, v0), Codes(d, v1), Codes(d, v2), Codes(d, v3), target);
  }

 private:
  // The code is the low byte of each lane. The last place of 1.5 x 2^23 is 1, so adding it rounds to a whole number,
  // ties to even, and leaves that number in two's complement in the low bits.
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<F32>> Codes(F32 d, hn::Vec<F32> value) const {
    const hn::RebindToUnsigned<F32> du;
    if constexpr (!kFinite) value = hn::IfThenElseZero(hn::Eq(value, value), value);  // NaN: 0
    auto scaled = hn::Mul(value, hn::Set(d, inverse));
    if constexpr (!kFinite) scaled = hn::Min(hn::Max(scaled, hn::Set(d, -127.0F)), hn::Set(d, 127.0F));
    return hn::BitCast(du, hn::Add(scaled, hn::Set(d, 0x1.8p23F)));
  }
};

// Bits of magnitudes stand in the order of their values, infinity and then NaN above them all.
constexpr int32_t kInfinityBits = 0x7f800000;

template <bool kFiniteOnly>
HWY_INLINE hn::Vec<hn::RebindToSigned<F32>> Magnitude(hn::Vec<F32> value) {
  const hn::RebindToSigned<F32> di;
  const auto magnitude = hn::And(hn::BitCast(di, value), hn::Set(di, 0x7fffffff));
  if constexpr (!kFiniteOnly) return magnitude;
  return hn::IfThenElseZero(hn::Lt(magnitude, hn::Set(di, kInfinityBits)), magnitude);
}

template <class From, bool kFiniteOnly>
HWY_INLINE int32_t LargestMagnitude(const uint8_t* HWY_RESTRICT source, uint64_t count) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const size_t lanes = hn::Lanes(d);
  const size_t step = lanes * From::kBytes;
  auto m0 = hn::Zero(di);
  auto m1 = hn::Zero(di);
  auto m2 = hn::Zero(di);
  auto m3 = hn::Zero(di);
  for (; count >= 4 * lanes; count -= 4 * lanes) {
    m0 = hn::Max(m0, Magnitude<kFiniteOnly>(From::Load(d, source)));
    m1 = hn::Max(m1, Magnitude<kFiniteOnly>(From::Load(d, source + step)));
    m2 = hn::Max(m2, Magnitude<kFiniteOnly>(From::Load(d, source + 2 * step)));
    m3 = hn::Max(m3, Magnitude<kFiniteOnly>(From::Load(d, source + 3 * step)));
    source += 4 * step;
  }
  for (; count >= lanes; count -= lanes) {
    m0 = hn::Max(m0, Magnitude<kFiniteOnly>(From::Load(d, source)));
    source += step;
  }
  if (count > 0) {
    uint8_t padded[kMaxLanes * From::kBytes] = {};  // 0 decodes to 0 in every dtype
    std::memcpy(padded, source, count * From::kBytes);
    m1 = hn::Max(m1, Magnitude<kFiniteOnly>(From::Load(d, padded)));
  }
  return hn::GetLane(hn::MaxOfLanes(di, hn::Max(hn::Max(m0, m1), hn::Max(m2, m3))));
}

constexpr uint64_t kBlockElements = uint64_t{1} << 16;

template <class From, class To>
HWY_INLINE void TransformBackward(const uint8_t* source, uint64_t count, uint8_t* target, To to) {
  uint64_t last = count % kBlockElements;
  if (last == 0) last = kBlockElements;
  for (uint64_t first = count - last;; first -= kBlockElements) {
    Transform<From>(source + first * From::kBytes, last, target + first * To::kBytes, to);
    if (first == 0) return;
    last = kBlockElements;
  }
}

// The scale of a row whose largest finite magnitude has these bits; 0 where its codes are all to be 0.
HWY_INLINE float ScaleOf(int32_t largest) {
  float magnitude;
  std::memcpy(&magnitude, &largest, sizeof magnitude);
  const float scale = magnitude / 127.0F;
  return scale < FLT_MIN ? 0 : scale;
}

// Returns the scale.
template <class From>
HWY_INLINE float QuantiseRow(const uint8_t* source, uint64_t count, uint8_t* codes) {
  int32_t largest = LargestMagnitude<From, false>(source, count);
  const bool finite = largest < kInfinityBits;
  if (!finite) largest = LargestMagnitude<From, true>(source, count);
  const float scale = ScaleOf(largest);
  if (scale == 0) {
    std::memset(codes, 0, count);
  } else if (!finite) {
    TransformBackward<From>(source, count, codes, ToInt8<false>{1.0F / scale});
  } else {
    TransformBackward<From>(source, count, codes, ToInt8<true>{1.0F / scale});
  }
  return scale;
}

// Neither the scales nor the codes need be aligned.
template <class From>
void QuantiseRows(const uint8_t* source, uint64_t rows, uint64_t row_elements, uint8_t* scales, uint8_t* codes) {
  for (uint64_t row = 0; row < rows; ++row) {
    const float scale = QuantiseRow<From>(source, row_elements, codes);
    std::memcpy(scales, &scale, sizeof scale);
    source += row_elements * From::kBytes;
    scales += sizeof scale;
    codes += row_elements;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // WEIGHBRIDGE_STRATEGIES_DTYPE_QUANTISE_INL_H_
