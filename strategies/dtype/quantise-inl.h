// int8 rows: two passes over a row's source, the first for its largest finite magnitude, the second for the codes. A
// row of a matrix is still in the nearest cache when the second pass comes; a tensor that is one long row is read twice
// from memory, and a copy of it in between would cost as much as it saves.
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

struct ToInt8 {
  static constexpr size_t kBytes = 1;
  float inverse;  // of the row's scale

  HWY_INLINE void Store(F32 d, hn::Vec<F32> value, uint8_t* target) const {
    const hn::Rebind<int8_t, F32> d8;
    const auto number = hn::IfThenElseZero(hn::Eq(value, value), value);  // NaN: 0
    const auto scaled = hn::Mul(number, hn::Set(d, inverse));
    const auto clamped = hn::Min(hn::Max(scaled, hn::Set(d, -127.0F)), hn::Set(d, 127.0F));
    StoreBytes(d8, hn::DemoteTo(d8, hn::NearestInt(clamped)), target);
  }
};

// Bits of finite magnitudes stand in the order of their values, so integers can be compared, and NaN is out of the way.
template <class DI>
HWY_INLINE hn::Vec<DI> FiniteMagnitude(DI di, hn::Vec<F32> value) {
  const auto magnitude = hn::And(hn::BitCast(di, value), hn::Set(di, 0x7fffffff));
  return hn::IfThenElseZero(hn::Lt(magnitude, hn::Set(di, 0x7f800000)), magnitude);
}

template <class From>
HWY_INLINE float LargestFinite(const uint8_t* HWY_RESTRICT source, uint64_t count) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const size_t lanes = hn::Lanes(d);
  auto first = hn::Zero(di);
  auto second = hn::Zero(di);
  for (; count >= 2 * lanes; count -= 2 * lanes) {
    first = hn::Max(first, FiniteMagnitude(di, From::Load(d, source)));
    second = hn::Max(second, FiniteMagnitude(di, From::Load(d, source + lanes * From::kBytes)));
    source += 2 * lanes * From::kBytes;
  }
  if (count >= lanes) {
    first = hn::Max(first, FiniteMagnitude(di, From::Load(d, source)));
    source += lanes * From::kBytes;
    count -= lanes;
  }
  if (count > 0) {
    uint8_t padded[kMaxLanes * From::kBytes] = {};  // 0 decodes to 0 in every dtype
    std::memcpy(padded, source, count * From::kBytes);
    second = hn::Max(second, FiniteMagnitude(di, From::Load(d, padded)));
  }
  const int32_t largest = hn::GetLane(hn::MaxOfLanes(di, hn::Max(first, second)));
  float value;
  std::memcpy(&value, &largest, sizeof value);
  return value;
}

// Neither the scales nor the codes need be aligned.
template <class From>
void QuantiseRows(const uint8_t* source, uint64_t rows, uint64_t row_elements, uint8_t* scales, uint8_t* codes) {
  for (uint64_t row = 0; row < rows; ++row) {
    float scale = LargestFinite<From>(source, row_elements) / 127.0F;
    if (scale < FLT_MIN) {
      scale = 0;
      std::memset(codes, 0, row_elements);
    } else {
      Transform<From>(source, row_elements, codes, ToInt8{1.0F / scale});
    }
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
