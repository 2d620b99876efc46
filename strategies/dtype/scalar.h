// The scalar twin of convert.h: one element at a time, integer arithmetic where it decides a rounding.
//
// It is the reference that the vector kernels are tested against (scripts/exhaustive: for every f32), and yet no part
// of the tests: the reference reader (reference.h) converts with it, so that a kernel that is wrong on somebody's
// processor fails its cell there and then, and measures accuracy on the way. The kernels too leave some things to it:
// processors without vectors, or without f64 in them, and blocks with an infinity or NaN in them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strategies/dtype/accuracy.h"
#include "strategies/dtype/dtype.h"

namespace weighbridge::scalar {

uint16_t f16_from_f32(float value);
uint16_t bf16_from_f32(float value);
float f32_from_f16(uint16_t bits);
float f32_from_bf16(uint16_t bits);
float f32_from_f8(Dtype dtype, uint8_t bits);

// As weighbridge::convert, and adds what became of the values to `accuracy` where that is not null.
void convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source, std::byte* tensor,
             Accuracy* accuracy);

}  // namespace weighbridge::scalar
