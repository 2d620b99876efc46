// q8_0 and q4_0 as targets (ggml.h): two passes over 16 blocks at a time, which stay in the nearest cache.
//
// A block's work is a chain: its largest magnitude, two divisions, a rounding to f16, and then the codes. One block
// after another would wait for each link. So the first pass finds the largest magnitudes of all 16, the divisions and
// roundings are done for them side by side in lanes, and the second pass makes the codes. Elements that are not f32
// already are decoded to a tile on the stack first.
//
// Rounding must be ggml's: half away from zero for q8_0, where vectors round half to even or cut. Cutting what had the
// largest float below 0.5 added to its magnitude does it: exactly 0.5 is carried over by the addition's own rounding,
// and nothing below it is (scripts/exhaustive tries every float).
//
// Included once per Highway target, hence the guard.
#if defined(WEIGHBRIDGE_STRATEGIES_DTYPE_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHBRIDGE_STRATEGIES_DTYPE_BLOCKS_INL_H_
#undef WEIGHBRIDGE_STRATEGIES_DTYPE_BLOCKS_INL_H_
#else
#define WEIGHBRIDGE_STRATEGIES_DTYPE_BLOCKS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "strategies/dtype/decode-inl.h"
#include "strategies/dtype/dtype.h"
#include "strategies/dtype/encode-inl.h"
#include "strategies/dtype/ggml.h"
#include "strategies/dtype/quantise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

constexpr size_t kQuantised = scalar::kQuantised;
constexpr size_t kTileBlocks = 16;
constexpr size_t kBlockBytes = kQuantised * sizeof(float);  // of a block's values

// A block is a whole number of these vectors, and so is half of one.
using FBlock = hn::CappedTag<float, kQuantised / 2>;
using IBlock = hn::RebindToSigned<FBlock>;

// Of one block's magnitudes, those that are the largest in their lane.
HWY_INLINE hn::Vec<IBlock> LargestByLane(const uint8_t* values) {
  const IBlock di;
  const size_t lanes = hn::Lanes(di);
  auto m0 = hn::Zero(di);
  auto m1 = hn::Zero(di);
  for (size_t i = 0; i < kQuantised; i += 2 * lanes) {
    m0 = hn::Max(m0, hn::And(LoadBytes(di, values + i * sizeof(float)), hn::Set(di, 0x7fffffff)));
    m1 = hn::Max(m1, hn::And(LoadBytes(di, values + (i + lanes) * sizeof(float)), hn::Set(di, 0x7fffffff)));
  }
  return hn::Max(m0, m1);
}

// The bits of the largest magnitudes of blocks `first` and the three after it; after `last` comes `last` again. Four at
// once, as their lanes can then be folded onto each other: 3 instructions a block where each alone takes 10.
HWY_INLINE void LargestOfFour(const uint8_t* values, size_t first, size_t last, int32_t* largest) {
  const IBlock di;
  const hn::Repartition<uint64_t, IBlock> pairs;
  const hn::FixedTag<int32_t, 4> four;
  const auto a = LargestByLane(values + first * kBlockBytes);
  const auto b = LargestByLane(values + std::min(first + 1, last) * kBlockBytes);
  const auto c = LargestByLane(values + std::min(first + 2, last) * kBlockBytes);
  const auto e = LargestByLane(values + std::min(first + 3, last) * kBlockBytes);
  const auto ab = hn::BitCast(pairs, hn::Max(hn::InterleaveLower(di, a, b), hn::InterleaveUpper(di, a, b)));
  const auto ce = hn::BitCast(pairs, hn::Max(hn::InterleaveLower(di, c, e), hn::InterleaveUpper(di, c, e)));
  const auto folded =
      hn::Max(hn::BitCast(di, hn::InterleaveLower(pairs, ab, ce)), hn::BitCast(di, hn::InterleaveUpper(pairs, ab, ce)));
  HWY_ALIGN int32_t lanes[kQuantised / 2];  // a, b, c, e in each 128 bits
  hn::Store(folded, di, lanes);
  auto result = hn::Load(four, lanes);
  for (size_t i = 4; i < hn::Lanes(di); i += 4) result = hn::Max(result, hn::Load(four, lanes + i));
  hn::StoreU(result, four, largest);
}

struct ToQ8 {
  static constexpr Dtype kDtype = Dtype::q8_0;
  static constexpr size_t kBytes = 34;
  static constexpr float kDivisor = 127.0F;

  static HWY_INLINE int32_t Extreme(const uint8_t* /*values*/, int32_t largest) { return largest; }

  static HWY_INLINE void Codes(const uint8_t* values, float inverse, uint8_t* codes) {
    const FBlock d;
    const IBlock di;
    const hn::Rebind<int8_t, FBlock> d8;
    const size_t lanes = hn::Lanes(d);
    const auto factor = hn::Set(d, inverse);
    const auto below_half = hn::Set(d, 0x1.fffffep-2F);
    for (size_t i = 0; i < kQuantised; i += lanes) {
      const auto scaled = hn::Mul(LoadBytes(d, values + i * sizeof(float)), factor);
      const auto cut = hn::ConvertTo(di, hn::Add(scaled, hn::CopySignToAbs(below_half, scaled)));
      StoreBytes(d8, hn::DemoteTo(d8, cut), codes + i);
    }
  }
};

struct ToQ4 {
  static constexpr Dtype kDtype = Dtype::q4_0;
  static constexpr size_t kBytes = 18;
  static constexpr float kDivisor = -8.0F;

  // The first element of the largest magnitude, as its sign is the scale's.
  static HWY_INLINE int32_t Extreme(const uint8_t* values, int32_t largest) {
    const IBlock di;
    const size_t lanes = hn::Lanes(di);
    const auto wanted = hn::Set(di, largest);
    uint32_t found = 0;  // a bit for each element
    for (size_t i = 0; i < kQuantised; i += lanes) {
      const auto magnitude = hn::And(LoadBytes(di, values + i * sizeof(float)), hn::Set(di, 0x7fffffff));
      uint8_t bits[8] = {};
      hn::StoreMaskBits(di, hn::Eq(magnitude, wanted), bits);
      uint32_t of_vector;
      std::memcpy(&of_vector, bits, sizeof of_vector);
      found |= of_vector << i;
    }
    int32_t extreme;
    std::memcpy(&extreme, values + hwy::Num0BitsBelowLS1Bit_Nonzero32(found) * sizeof(float), sizeof extreme);
    return largest == 0 ? 0 : extreme;  // ggml has no -0 here
  }

  static HWY_INLINE void Codes(const uint8_t* values, float inverse, uint8_t* codes) {
    const FBlock d;
    const IBlock di;
    const hn::Rebind<uint8_t, FBlock> d8;
    const size_t lanes = hn::Lanes(d);
    const auto factor = hn::Set(d, inverse);
    const auto code = [&](size_t at) HWY_ATTR {
      const auto scaled = hn::Mul(LoadBytes(d, values + at * sizeof(float)), factor);
      return hn::Min(hn::ConvertTo(di, hn::Add(scaled, hn::Set(d, 8.5F))), hn::Set(di, 15));
    };
    for (size_t i = 0; i < kQuantised / 2; i += lanes) {
      const auto pair = hn::Or(code(i), hn::ShiftLeft<4>(code(i + kQuantised / 2)));
      StoreBytes(d8, hn::DemoteTo(d8, pair), codes + i);
    }
  }
};

// At most kTileBlocks blocks of f32 values at any address.
template <class To>
HWY_INLINE void QuantiseTile(const uint8_t* HWY_RESTRICT values, size_t blocks, uint8_t* HWY_RESTRICT target) {
  const hn::CappedTag<float, kTileBlocks> d;
  const hn::RebindToSigned<decltype(d)> di;
  HWY_ALIGN int32_t extremes[kTileBlocks] = {};  // bits
  HWY_ALIGN float scales[kTileBlocks];
  HWY_ALIGN float inverses[kTileBlocks];
  HWY_ALIGN uint16_t halves[kTileBlocks];
  for (size_t i = 0; i < blocks; i += 4) LargestOfFour(values, i, blocks - 1, extremes + i);
  for (size_t i = 0; i < blocks; ++i) extremes[i] = To::Extreme(values + i * kBlockBytes, extremes[i]);

  auto largest = hn::Zero(di);  // of the bits that decide whether a block is out of the ordinary
  for (size_t i = 0; i < kTileBlocks; i += hn::Lanes(d)) {
    const auto extreme = hn::Load(di, extremes + i);
    const auto scale = hn::Div(hn::BitCast(d, extreme), hn::Set(d, To::kDivisor));
    const auto inverse = hn::IfThenZeroElse(hn::Eq(scale, hn::Zero(d)), hn::Div(hn::Set(d, 1.0F), scale));
    hn::Store(scale, d, scales + i);
    hn::Store(inverse, d, inverses + i);
    // Infinite or NaN: an element, or the inverse.
    const auto magnitude =
        hn::Max(hn::And(extreme, hn::Set(di, 0x7fffffff)), hn::And(hn::BitCast(di, inverse), hn::Set(di, 0x7fffffff)));
    largest = hn::Max(largest, magnitude);
  }
  Transform<FromF32>(reinterpret_cast<const uint8_t*>(scales), kTileBlocks, reinterpret_cast<uint8_t*>(halves),
                     ToF16());
  const bool ordinary = hn::GetLane(hn::MaxOfLanes(di, largest)) < kInfinityBits;

  for (size_t i = 0; i < blocks; ++i) {
    uint8_t* to = target + i * To::kBytes;
    if (HWY_LIKELY(ordinary)) {
      std::memcpy(to, halves + i, sizeof(uint16_t));
      To::Codes(values + i * kBlockBytes, inverses[i], to + sizeof(uint16_t));
    } else {
      float exact[kQuantised];
      std::memcpy(exact, values + i * kBlockBytes, sizeof exact);
      scalar::quantise_block(To::kDtype, exact, reinterpret_cast<std::byte*>(to));
    }
  }
}

// `count` elements, whole blocks.
template <class From, class To>
HWY_NOINLINE void QuantiseBlocks(const uint8_t* source, uint64_t count, uint8_t* target) {
  constexpr size_t kElements = kTileBlocks * kQuantised;
  for (uint64_t first = 0; first < count; first += kElements) {
    const auto elements = static_cast<size_t>(std::min<uint64_t>(kElements, count - first));
    if constexpr (std::is_same_v<From, FromF32>) {
      QuantiseTile<To>(source + first * From::kBytes, elements / kQuantised, target);
    } else {
      alignas(64) uint8_t values[kElements * sizeof(float)];
      Transform<From>(source + first * From::kBytes, elements, values, ToF32());
      QuantiseTile<To>(values, elements / kQuantised, target);
    }
    target += kTileBlocks * To::kBytes;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // WEIGHBRIDGE_STRATEGIES_DTYPE_BLOCKS_INL_H_
