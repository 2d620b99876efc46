// What a block of ggml's quantised types is worth: small codes and the scales that give them a value.
//
//   q4_0, q5_0, q8_0:    value = code x d                          32 elements, d in f16
//   q4_1, q5_1:          value = code x d + m
//   q3_k, q6_k:          value = (d x scale) x code                256 elements; a scale of a few bits for each 16
//   q2_k, q4_k, q5_k:    value = (d x scale) x code - (dmin x min)      likewise for each 16 or 32
//
// The value is that of ggml's dequantize_row_* (ggml-quants.c): every product and sum rounded to f32 as it stands
// there, in that order, nothing fused. Only what cannot come out of a quantiser is settled here: an infinite or NaN d,
// where ggml gives a NaN whose bits depend on the processor (infinity x 0), gives 0x7fc00000.
//
// The other blocks of ggml need tables (iq*), or scales of other kinds, and are loaded as they are stored.
#pragma once

#include <cstddef>

#include "strategies/dtype/dtype.h"

namespace weighbridge::scalar {

constexpr size_t kLargestBlock = 256;  // elements

// The block(stored).elements values of the block of block(stored).bytes at `source`, in order; one element at a time,
// each from its place in the block: the reference that the vector kernels (dequantise-inl.h) are tested against.
// `stored` is a block type that is convertible().
void dequantise_block(Dtype stored, const std::byte* source, float* values);

}  // namespace weighbridge::scalar
