// ggml's blocks (ggml.h): unpacked to one byte a code, then code x scale + offset in f32 lanes.
//
// A tile of 256 elements goes this way at a time: one block of the K types, eight of the others. Its codes, a scale and
// an offset for each 16 of them, and where the target is not f32 its values (1 KiB) lie on the stack, in the nearest
// cache; from there the kernels for f32 take over. Types differ in how they unpack alone. The offset is -min where
// there is one, as a - b and a + -b are the same to the bit, and -0 elsewhere, which leaves every sum as it was, -0
// included.
//
// Finite f16 scales give finite values: the largest product is below 2^30. A block with an infinite or NaN scale, which
// no quantiser writes, is left to the scalar twin.
//
// Included once per Highway target, hence the guard.
#if defined(WEIGHBRIDGE_STRATEGIES_DTYPE_DEQUANTISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHBRIDGE_STRATEGIES_DTYPE_DEQUANTISE_INL_H_
#undef WEIGHBRIDGE_STRATEGIES_DTYPE_DEQUANTISE_INL_H_
#else
#define WEIGHBRIDGE_STRATEGIES_DTYPE_DEQUANTISE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "strategies/dtype/blocks-inl.h"
#include "strategies/dtype/decode-inl.h"
#include "strategies/dtype/dtype.h"
#include "strategies/dtype/encode-inl.h"
#include "strategies/dtype/ggml.h"
#include "strategies/dtype/quantise-inl.h"
#include "strategies/dtype/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace weighbridge {
namespace HWY_NAMESPACE {

constexpr size_t kTile = 256;
constexpr size_t kGroup = 16;

struct Tile {
  alignas(64) uint8_t codes[kTile];  // signed
  float scales[kTile / kGroup];
  float offsets[kTile / kGroup];
};

// 16 bytes of a block, or 16 codes.
using D16 = hn::FixedTag<uint8_t, 16>;
using V16 = hn::Vec<D16>;

HWY_INLINE V16 LoadCodes(const uint8_t* from) {
  return hn::LoadU(D16(), from);
}
HWY_INLINE void StoreCodes(V16 codes, uint8_t zero, uint8_t* to) {
  const D16 d;
  hn::StoreU(hn::Sub(codes, hn::Set(d, zero)), d, to);
}
HWY_INLINE V16 Low(V16 bytes, uint8_t mask) {
  return hn::And(bytes, hn::Set(D16(), mask));
}

// The lowest bit of the first byte first: 32 bits to 32 bytes of 0 or 16.
HWY_INLINE void SpreadBits(const uint8_t* bits, uint8_t* bytes) {
  for (size_t i = 0; i < 4; ++i) {
    const uint64_t each = bits[i] * uint64_t{0x0101010101010101} & uint64_t{0x8040201008040201};
    const uint64_t sixteens = (each + 0x7f7f7f7f7f7f7f7f) >> 3 & 0x1010101010101010;
    std::memcpy(bytes + 8 * i, &sixteens, 8);
  }
}

// Where the f16 at `at` is finite.
HWY_INLINE bool F16At(const uint8_t* at, float* value) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  *value = scalar::f32_from_f16(bits);
  return (bits & 0x7c00) != 0x7c00;
}

// Each Unpack takes one block to the tile at `codes`, and its scales and offsets; false where a scale is not finite.
// kHalves f16 stand first: d, or d and m.
template <uint8_t kZero, bool kMin, bool kFifthBit>
HWY_INLINE bool Unpack32(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  constexpr size_t kCodesAt = (kMin ? 4 : 2) + (kFifthBit ? 4 : 0);
  float scale;
  float offset = -0.0F;
  bool finite = F16At(b, &scale);
  if constexpr (kMin) finite = F16At(b + 2, &offset) && finite;
  const auto packed = LoadCodes(b + kCodesAt);
  auto low = Low(packed, 15);
  auto high = hn::ShiftRight<4>(packed);
  if constexpr (kFifthBit) {
    uint8_t fifth[32];
    SpreadBits(b + kCodesAt - 4, fifth);
    low = hn::Or(low, LoadCodes(fifth));
    high = hn::Or(high, LoadCodes(fifth + 16));
  }
  StoreCodes(low, kZero, codes);
  StoreCodes(high, kZero, codes + 16);
  scales[0] = scales[1] = scale;
  offsets[0] = offsets[1] = offset;
  return finite;
}

HWY_INLINE bool UnpackQ8(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  float scale;
  const bool finite = F16At(b, &scale);
  std::memcpy(codes, b + 2, 32);
  scales[0] = scales[1] = scale;
  offsets[0] = offsets[1] = -0.0F;
  return finite;
}

HWY_INLINE bool UnpackQ2K(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  float d;
  float dmin;
  const bool finite = F16At(b + 80, &d) & F16At(b + 82, &dmin);
  for (size_t i = 0; i < kTile / kGroup; ++i) {
    scales[i] = d * static_cast<float>(b[i] & 15);
    offsets[i] = -(dmin * static_cast<float>(b[i] >> 4));
  }
  for (size_t half = 0; half < 2; ++half) {
    for (size_t at = 0; at < 32; at += 16) {
      auto packed = LoadCodes(b + 16 + half * 32 + at);
      for (size_t pair = 0; pair < 4; ++pair) {
        StoreCodes(Low(packed, 3), 0, codes + half * 128 + pair * 32 + at);
        packed = hn::ShiftRight<2>(packed);
      }
    }
  }
  return finite;
}

HWY_INLINE bool UnpackQ3K(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  float d;
  const bool finite = F16At(b + 108, &d);
  const uint8_t* packed_scales = b + 96;
  for (size_t i = 0; i < 8; ++i) {
    const unsigned upper = packed_scales[8 + i % 4] >> (i / 4 * 2);
    const unsigned first = (packed_scales[i] & 15U) | (upper & 3U) << 4;
    const unsigned second = packed_scales[i] >> 4 | (upper >> 4 & 3U) << 4;
    scales[i] = d * static_cast<float>(static_cast<int>(first) - 32);
    scales[i + 8] = d * static_cast<float>(static_cast<int>(second) - 32);
    offsets[i] = offsets[i + 8] = -0.0F;
  }
  for (size_t at = 0; at < 32; at += 16) {
    auto upper = LoadCodes(b + at);  // bit 0 for the first 32 elements, bit 7 for the last
    for (size_t half = 0; half < 2; ++half) {
      auto packed = LoadCodes(b + 32 + half * 32 + at);
      for (size_t pair = 0; pair < 4; ++pair) {
        const auto third = hn::Add(Low(upper, 1), Low(upper, 1));
        const auto code = hn::Or(Low(packed, 3), hn::Add(third, third));
        StoreCodes(code, 4, codes + half * 128 + pair * 32 + at);
        packed = hn::ShiftRight<2>(packed);
        upper = hn::ShiftRight<1>(upper);
      }
    }
  }
  return finite;
}

// The scales of q4_k and q5_k, for each 32 elements.
HWY_INLINE bool UnpackEight(const uint8_t* b, float* scales, float* offsets) {
  float d;
  float dmin;
  const bool finite = F16At(b, &d) & F16At(b + 2, &dmin);
  const uint8_t* packed = b + 4;
  for (size_t i = 0; i < 4; ++i) {
    const unsigned scale = packed[i] & 63U;
    const unsigned min = packed[i + 4] & 63U;
    const unsigned later_scale = (packed[i + 8] & 15U) | packed[i] >> 6 << 4;
    const unsigned later_min = packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4;
    scales[2 * i] = scales[2 * i + 1] = d * static_cast<float>(scale);
    scales[2 * i + 8] = scales[2 * i + 9] = d * static_cast<float>(later_scale);
    offsets[2 * i] = offsets[2 * i + 1] = -(dmin * static_cast<float>(min));
    offsets[2 * i + 8] = offsets[2 * i + 9] = -(dmin * static_cast<float>(later_min));
  }
  return finite;
}

template <bool kFifthBit>
HWY_INLINE bool UnpackQ45K(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  const uint8_t* low_bits = b + (kFifthBit ? 48 : 16);
  for (size_t at = 0; at < 32; at += 16) {
    auto fifth = LoadCodes(b + 16 + at);  // bit 0 for the first 32 elements, bit 7 for the last
    for (size_t i = 0; i < 4; ++i) {
      const auto packed = LoadCodes(low_bits + i * 32 + at);
      auto first = Low(packed, 15);
      auto second = hn::ShiftRight<4>(packed);
      if constexpr (kFifthBit) {
        first = hn::Or(first, hn::ShiftLeft<4>(Low(fifth, 1)));
        second = hn::Or(second, hn::ShiftLeft<3>(Low(fifth, 2)));
        fifth = hn::ShiftRight<2>(fifth);
      }
      StoreCodes(first, 0, codes + i * 64 + at);
      StoreCodes(second, 0, codes + i * 64 + 32 + at);
    }
  }
  return UnpackEight(b, scales, offsets);
}

HWY_INLINE bool UnpackQ6K(const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  float d;
  const bool finite = F16At(b + 208, &d);
  for (size_t i = 0; i < kTile / kGroup; ++i) {
    scales[i] = d * static_cast<float>(static_cast<int8_t>(b[192 + i]));
    offsets[i] = -0.0F;
  }
  for (size_t half = 0; half < 2; ++half) {
    for (size_t at = 0; at < 32; at += 16) {
      const auto even = LoadCodes(b + half * 64 + at);
      const auto odd = LoadCodes(b + half * 64 + 32 + at);
      const auto upper = LoadCodes(b + 128 + half * 32 + at);
      uint8_t* to = codes + half * 128 + at;
      StoreCodes(hn::Or(Low(even, 15), hn::ShiftLeft<4>(Low(upper, 3))), 32, to);
      StoreCodes(hn::Or(Low(odd, 15), hn::ShiftLeft<2>(Low(upper, 12))), 32, to + 32);
      StoreCodes(hn::Or(hn::ShiftRight<4>(even), Low(upper, 48)), 32, to + 64);
      StoreCodes(hn::Or(hn::ShiftRight<4>(odd), hn::ShiftRight<2>(Low(upper, 192))), 32, to + 96);
    }
  }
  return finite;
}

HWY_INLINE bool UnpackBlock(Dtype stored, const uint8_t* b, uint8_t* codes, float* scales, float* offsets) {
  switch (stored) {
    case Dtype::q4_0:
      return Unpack32<8, false, false>(b, codes, scales, offsets);
    case Dtype::q4_1:
      return Unpack32<0, true, false>(b, codes, scales, offsets);
    case Dtype::q5_0:
      return Unpack32<16, false, true>(b, codes, scales, offsets);
    case Dtype::q5_1:
      return Unpack32<0, true, true>(b, codes, scales, offsets);
    case Dtype::q8_0:
      return UnpackQ8(b, codes, scales, offsets);
    case Dtype::q2_k:
      return UnpackQ2K(b, codes, scales, offsets);
    case Dtype::q3_k:
      return UnpackQ3K(b, codes, scales, offsets);
    case Dtype::q4_k:
      return UnpackQ45K<false>(b, codes, scales, offsets);
    case Dtype::q5_k:
      return UnpackQ45K<true>(b, codes, scales, offsets);
    case Dtype::q6_k:
      return UnpackQ6K(b, codes, scales, offsets);
    default:
      HWY_ABORT("convert: dtype %d has no value to convert", static_cast<int>(stored));
  }
}

// `elements` values, whole blocks and at most a tile of them, at any address.
HWY_NOINLINE void DequantiseTile(Dtype stored, Block unit, const uint8_t* source, size_t elements, uint8_t* values) {
  const hn::CappedTag<float, kGroup> d;  // its lanes share a scale
  const hn::Rebind<int32_t, decltype(d)> di;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  Tile tile;
  bool finite = true;
  for (size_t at = 0; at < elements; at += unit.elements) {
    finite &= UnpackBlock(stored, source + at / unit.elements * unit.bytes, tile.codes + at, tile.scales + at / kGroup,
                          tile.offsets + at / kGroup);
  }
  for (size_t group = 0; group < elements / kGroup; ++group) {
    const auto scale = hn::Set(d, tile.scales[group]);
    const auto offset = hn::Set(d, tile.offsets[group]);
    for (size_t i = group * kGroup; i < (group + 1) * kGroup; i += lanes) {
      const auto code = hn::LoadU(d8, reinterpret_cast<const int8_t*>(tile.codes) + i);
      const auto product = hn::Mul(hn::ConvertTo(d, hn::PromoteTo(di, code)), scale);
      StoreBytes(d, hn::Add(product, offset), values + i * sizeof(float));
    }
  }
  if (finite) return;
  for (size_t at = 0; at < elements; at += unit.elements) {
    float exact[scalar::kLargestBlock];
    scalar::dequantise_block(stored, reinterpret_cast<const std::byte*>(source + at / unit.elements * unit.bytes),
                             exact);
    std::memcpy(values + at * sizeof(float), exact, unit.elements * sizeof(float));
  }
}

// A run of whole blocks, tile by tile: `take(values, first, count)` has each tile's values at any alignment it likes,
// the first `count` of them being elements [first, first + count) of the run.
template <class Take>
HWY_INLINE void ForTiles(Dtype stored, const uint8_t* source, uint64_t count, Take take) {
  const Block unit = block(stored);
  alignas(64) uint8_t values[kTile * sizeof(float)];
  for (uint64_t first = 0; first < count; first += kTile) {
    const auto elements = static_cast<size_t>(std::min<uint64_t>(kTile, count - first));
    DequantiseTile(stored, unit, source + first / unit.elements * unit.bytes, elements, values);
    take(values, first, elements);
  }
}

template <class To>
void ConvertBlocks(Dtype stored, const uint8_t* source, uint64_t count, uint8_t* target) {
  ForTiles(stored, source, count, [target](const uint8_t* values, uint64_t first, size_t elements) HWY_ATTR {
    Transform<FromF32>(values, elements, target + first * To::kBytes, To());
  });
}

template <>
inline void ConvertBlocks<ToF32>(Dtype stored, const uint8_t* source, uint64_t count, uint8_t* target) {
  const Block unit = block(stored);
  for (uint64_t first = 0; first < count; first += kTile) {
    const auto elements = static_cast<size_t>(std::min<uint64_t>(kTile, count - first));
    DequantiseTile(stored, unit, source + first / unit.elements * unit.bytes, elements, target + first * sizeof(float));
  }
}

// To blocks of another kind.
template <class To>
void RequantiseBlocks(Dtype stored, const uint8_t* source, uint64_t count, uint8_t* target) {
  ForTiles(stored, source, count, [target](const uint8_t* values, uint64_t first, size_t elements) HWY_ATTR {
    QuantiseTile<To>(values, elements / kQuantised, target + first / kQuantised * To::kBytes);
  });
}

template <bool kFiniteOnly>
int32_t LargestOfBlocks(Dtype stored, const uint8_t* source, uint64_t count) {
  int32_t largest = 0;
  ForTiles(stored, source, count, [&largest](const uint8_t* values, uint64_t, size_t elements) HWY_ATTR {
    largest = std::max(largest, LargestMagnitude<FromF32, kFiniteOnly>(values, elements));
  });
  return largest;
}

// As QuantiseRows; each row is dequantised twice.
inline void QuantiseBlockRows(Dtype stored, const uint8_t* source, uint64_t rows, uint64_t row_elements,
                              uint8_t* scales, uint8_t* codes) {
  const Block unit = block(stored);
  for (uint64_t row = 0; row < rows; ++row) {
    int32_t largest = LargestOfBlocks<false>(stored, source, row_elements);
    const bool finite = largest < kInfinityBits;
    if (!finite) largest = LargestOfBlocks<true>(stored, source, row_elements);
    const float scale = ScaleOf(largest);
    std::memcpy(scales, &scale, sizeof scale);
    if (scale == 0) {
      std::memset(codes, 0, row_elements);
    } else {
      ForTiles(stored, source, row_elements, [=](const uint8_t* values, uint64_t first, size_t elements) HWY_ATTR {
        if (finite) {
          Transform<FromF32>(values, elements, codes + first, ToInt8<true>{1.0F / scale});
        } else {
          Transform<FromF32>(values, elements, codes + first, ToInt8<false>{1.0F / scale});
        }
      });
    }
    source += row_elements / unit.elements * unit.bytes;
    scales += sizeof scale;
    codes += row_elements;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weighbridge
HWY_AFTER_NAMESPACE();

#endif  // WEIGHBRIDGE_STRATEGIES_DTYPE_DEQUANTISE_INL_H_
