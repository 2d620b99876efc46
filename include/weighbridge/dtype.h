// Element types, by name.
#pragma once

#include <cstdint>
#include <string_view>

namespace weighbridge {

// Stored element types, named as the field names them. Packed types (i4, u4, f4, f6) share bytes between elements; the
// quantised types of ggml (q4_0 and below) hold blocks of elements with the scales that give them a value.
enum class Dtype : uint8_t {
  boolean,
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  u64,
  i64,
  f4,           // E2M1, two a byte
  f6_e2m3,      // four in three bytes
  f6_e3m2,      // four in three bytes
  f8_e4m3,      // OCP E4M3 (finite, "fn"): no infinity, NaN is S.1111.111
  f8_e5m2,      // IEEE-like
  f8_e4m3fnuz,  // finite, one NaN (0x80), no negative zero
  f8_e5m2fnuz,
  f8_e8m0,  // a power of two, as block scales use it
  f16,
  bf16,
  f32,
  f64,
  i4,  // two a byte, the first in the low half
  u4,
  c32,  // complex: two f16
  c64,  // complex: two f32
  c128,
  q4_0,  // from here to q8_k and below: ggml's blocks, https://github.com/ggml-org/ggml (ggml-common.h)
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q8_1,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  iq4_nl,
  iq4_xs,
  tq1_0,
  tq2_0,
  mxfp4,
  nvfp4,
  q1_0,
  q2_0,
  int8,  // symmetric, one f32 scale per output row: never stored, only delivered
};

// "f16": as people write it, on the command line too.
std::string_view name(Dtype dtype);

}  // namespace weighbridge
