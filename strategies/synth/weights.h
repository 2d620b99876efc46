// Internal to this folder: made-up weights, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge::synth {

// What a tensor's values are drawn from.
uint64_t stream_of(uint64_t seed, std::string_view tensor);

// Standard normal deviates number `first`, first + 1, ... of a stream.
void draw_normal(uint64_t stream, uint64_t first, std::span<double> deviates);

// Rounds to nearest, ties to even, into `dtype` (f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64), little-endian.
// `bytes` holds at least values.size() elements.
void encode(Dtype dtype, std::span<const double> values, std::span<std::byte> bytes);

// Rounds to nearest, ties to even; overflow becomes infinity, as in PyTorch. (E5M2 is no dtype that a strategy is asked
// for, so convert.h has no kernel for it.)
uint8_t f8_e5m2_from_f32(float value);

}  // namespace weighbridge::synth
