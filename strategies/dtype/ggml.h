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
//
// The other way, for q8_0 and q4_0, is that of ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref, to the bit:
//
//   q8_0:   d = (largest |x|) / 127;                          code = x / d to the nearest, ties away from zero
//   q4_0:   d = (the first x of the largest |x|) / -8;        code = x / d + 8.5, cut to a whole number, at most 15
//
// where x / d is x times 1 / d in f32, 0 where d is 0; both come from d before it is rounded to f16. d can become 0 in
// f16 and its block with it, or infinite: accuracy.h counts both. Two things ggml leaves undefined, casts of what no
// integer holds, are settled here. Where 1 / d overflows (a block that has nothing above 2^-121 in q8_0, 2^-125 in
// q4_0, all of which f16's d makes 0) every code is the 0 that ggml gets on x86. Infinity and NaN, which ggml's tools
// refuse, are treated as in int8: d is that of the finite values, infinity becomes the last code of its side, NaN the
// code of zero, and so do all where d is 0.
#pragma once

#include <cstddef>

#include "strategies/dtype/dtype.h"

namespace weighbridge::scalar {

constexpr size_t kLargestBlock = 256;  // elements

// The block(stored).elements values of the block of block(stored).bytes at `source`, in order; one element at a time,
// each from its place in the block: the reference that the vector kernels (dequantise-inl.h) are tested against.
// `stored` is a block type that is convertible().
void dequantise_block(Dtype stored, const std::byte* source, float* values);

constexpr size_t kQuantised = 32;  // elements of a block of q8_0 and q4_0

// The block of block(loaded).bytes at `target` from kQuantised values; `loaded` is q8_0 or q4_0. The reference for the
// vector kernels (blocks-inl.h), which leave to it the blocks that are out of the ordinary.
void quantise_block(Dtype loaded, const float* values, std::byte* target);

}  // namespace weighbridge::scalar
