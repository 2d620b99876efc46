// Conversion between element types, vectorised with Highway and dispatched at run time.
//
// Rules, the same for the vector kernels and their scalar twin (scalar.h), to the bit:
//   - to f32, f16, bf16: round to nearest, ties to even, once (f64 -> f16 is not rounded twice); infinity stays
//     infinity, overflow becomes infinity, subnormals are kept, NaN stays NaN: sign and the upper payload bits kept,
//     quiet bit set.
//   - to f8_e4m3: the same, but there is no infinity: what would round beyond 448 (more than 464) and infinity become
//     the one NaN, as torch's .to(torch.float8_e4m3fn) has it. Nothing saturates.
//   - to int8, one row at a time: scale = (largest finite |x| of the row) / 127 in f32, code = round_to_even(x * (1 /
//     scale)) clamped to [-127, 127], where x is the element in f32 (an f64 is rounded to it first); a row whose scale
//     is below the smallest normal f32 is all zero with scale 0, whatever else is in it; elsewhere infinity becomes
//     +-127 and NaN 0, each counted by accuracy.h.
//   - to q8_0, q4_0, one block of 32 at a time: ggml's reference quantisation of the elements in f32, see ggml.h.
// Stored blocks of ggml (ggml.h) are dequantised to f32, exactly as ggml does; that f32 is the element that these rules
// take. f8 NaN keeps its bits in the same way: S.1111.111 becomes 0x7ff00000 with its sign, fnuz' only one 0xffc00000.
// Sources and targets need no alignment: a view into a checkpoint has none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// Converts elements [first, first + count) of a tensor. `source` points at element `first` in the stored dtype;
// `tensor` is the start of the tensor's whole delivered buffer (layout.loaded_bytes long), so that int8 can place
// scales and codes. `layout.converted()` must hold; first and count are multiples of layout.unit_elements().
void convert(const Layout& layout, uint64_t first, uint64_t count, const std::byte* source, std::byte* tensor);

}  // namespace weighbridge
