#include "strategies/dtype/ggml.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "strategies/dtype/scalar.h"

namespace weighbridge::scalar {
namespace {

using Bytes = const uint8_t*;

float f16_at(Bytes at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return f32_from_f16(bits);
}

unsigned bit(Bytes bits, unsigned index) {
  return bits[index / 8] >> (index % 8) & 1U;
}

// 32 four-bit codes in 16 bytes: the first half of the elements in the low halves.
unsigned nibble(Bytes packed, unsigned i) {
  return i < 16 ? packed[i] & 15U : packed[i - 16] >> 4;
}

// 256 two-bit codes in 64 bytes: each half of the elements in 32 bytes, 32 elements in one pair of bits of them all.
unsigned pair(Bytes packed, unsigned i) {
  return packed[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3U;
}

// 256 four-bit codes in 128 bytes: 64 elements in 32 bytes, the first half of them in the low halves.
unsigned nibble_of_64(Bytes packed, unsigned i) {
  return packed[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15U;
}

// Eight six-bit scales and eight six-bit minima in 12 bytes (q4_k, q5_k): of the first four each the low six bits of
// bytes 0 to 3 and 4 to 7, whose upper bits are the upper bits of the last four, whose lower ones are bytes 8 to 11.
unsigned scale_of_eight(Bytes packed, unsigned group) {
  return group < 4 ? packed[group] & 63U : (packed[group + 4] & 15U) | (packed[group - 4] >> 6 << 4);
}
unsigned min_of_eight(Bytes packed, unsigned group) {
  return group < 4 ? packed[group + 4] & 63U : (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
}

// Sixteen six-bit scales in 12 bytes (q3_k): low halves in the nibbles of the first eight, upper bits in the last four.
unsigned scale_of_sixteen(Bytes packed, unsigned group) {
  const unsigned low = group < 8 ? packed[group] & 15U : packed[group - 8] >> 4;
  return low | (packed[8 + group % 4] >> (group / 4 * 2) & 3U) << 4;
}

float as_float(unsigned code, unsigned zero = 0) {
  return static_cast<float>(static_cast<int>(code) - static_cast<int>(zero));
}

// The f16 scales of a block: d, and m or dmin where there is one.
struct Scales {
  float d;
  float m;
};

Scales scales(Dtype stored, Bytes b) {
  switch (stored) {
    case Dtype::q2_k:
      return {f16_at(b + 80), f16_at(b + 82)};
    case Dtype::q3_k:
      return {f16_at(b + 108), 0};
    case Dtype::q6_k:
      return {f16_at(b + 208), 0};
    case Dtype::q4_1:
    case Dtype::q5_1:
    case Dtype::q4_k:
    case Dtype::q5_k:
      return {f16_at(b), f16_at(b + 2)};
    default:
      return {f16_at(b), 0};
  }
}

// Element i of the block at b. The offsets are those of ggml-common.h's structs, which have no padding.
float value(Dtype stored, Bytes b, Scales of, unsigned i) {
  switch (stored) {
    case Dtype::q4_0:
      return as_float(nibble(b + 2, i), 8) * of.d;
    case Dtype::q4_1:
      return as_float(nibble(b + 4, i)) * of.d + of.m;
    case Dtype::q5_0:
      return as_float(nibble(b + 6, i) | bit(b + 2, i) << 4, 16) * of.d;
    case Dtype::q5_1:
      return as_float(nibble(b + 8, i) | bit(b + 4, i) << 4) * of.d + of.m;
    case Dtype::q8_0:
      return static_cast<float>(static_cast<int8_t>(b[2 + i])) * of.d;
    case Dtype::q2_k: {
      const unsigned packed = b[i / 16];
      const float scale = of.d * as_float(packed & 15);
      const float min = of.m * as_float(packed >> 4);
      return scale * as_float(pair(b + 16, i)) - min;
    }
    case Dtype::q3_k: {
      const float scale = of.d * as_float(scale_of_sixteen(b + 96, i / 16), 32);
      const unsigned high = b[i % 32] >> (i / 32) & 1U;
      return scale * as_float(pair(b + 32, i) | high << 2, 4);
    }
    case Dtype::q4_k: {
      const float scale = of.d * as_float(scale_of_eight(b + 4, i / 32));
      const float min = of.m * as_float(min_of_eight(b + 4, i / 32));
      return scale * as_float(nibble_of_64(b + 16, i)) - min;
    }
    case Dtype::q5_k: {
      const float scale = of.d * as_float(scale_of_eight(b + 4, i / 32));
      const float min = of.m * as_float(min_of_eight(b + 4, i / 32));
      const unsigned high = b[16 + i % 32] >> (i / 32) & 1U;
      return scale * as_float(nibble_of_64(b + 48, i) | high << 4) - min;
    }
    case Dtype::q6_k: {
      const float scale = of.d * static_cast<float>(static_cast<int8_t>(b[192 + i / 16]));
      // Of each 128 elements: 64 bytes of low halves (0 to 63 in the low ones), 32 of upper pairs.
      const unsigned low = b[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15U;
      return scale * as_float(low | pair(b + 128, i) << 4, 32);
    }
    default:
      std::abort();  // layout() lets no other dtype be converted
  }
}

// `inverse` is 1 / d, or 0.
int code_q8(float value, float inverse) {
  const float scaled = value * inverse;
  if (std::isinf(inverse) || std::isnan(scaled)) return 0;
  return static_cast<int>(std::round(std::clamp(scaled, -127.0F, 127.0F)));
}

unsigned code_q4(float value, float inverse) {
  if (std::isinf(inverse)) return 0;
  const float scaled = value * inverse + 8.5F;
  return std::isnan(scaled) ? 8 : static_cast<unsigned>(std::clamp(scaled, 0.0F, 15.0F));
}

}  // namespace

void dequantise_block(Dtype stored, const std::byte* source, float* values) {
  const auto* bytes = reinterpret_cast<Bytes>(source);
  const Scales of = scales(stored, bytes);
  const unsigned elements = block(stored).elements;
  for (unsigned i = 0; i < elements; ++i) {
    const float result = value(stored, bytes, of, i);
    values[i] = std::isnan(result) ? std::bit_cast<float>(0x7fc00000U) : result;
  }
}

void quantise_block(Dtype loaded, const float* values, std::byte* target) {
  float extreme = 0;  // the first of the largest magnitude
  for (size_t i = 0; i < kQuantised; ++i) {
    if (std::isfinite(values[i]) && std::abs(values[i]) > std::abs(extreme)) extreme = values[i];
  }
  const float d = loaded == Dtype::q8_0 ? std::abs(extreme) / 127.0F : extreme / -8.0F;
  const float inverse = d != 0 ? 1.0F / d : 0;
  const uint16_t half = f16_from_f32(d);
  std::memcpy(target, &half, sizeof half);
  target += sizeof half;
  if (loaded == Dtype::q8_0) {
    for (size_t i = 0; i < kQuantised; ++i) target[i] = static_cast<std::byte>(code_q8(values[i], inverse));
    return;
  }
  constexpr size_t kHalf = kQuantised / 2;
  for (size_t i = 0; i < kHalf; ++i) {
    target[i] = static_cast<std::byte>(code_q4(values[i], inverse) | code_q4(values[i + kHalf], inverse) << 4);
  }
}

}  // namespace weighbridge::scalar
