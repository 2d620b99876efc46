// Element types: what a checkpoint stores, and what a strategy can be asked to deliver. The list of them is public:
// weighbridge/dtype.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "weighbridge/dtype.h"

namespace weighbridge {

// The smallest group of elements that fills whole bytes: one element of most types, two of f4 in one byte, four of f6
// in three, 32 of q8_0 in 34. For int8 the code alone, without its row's scale.
struct Block {
  uint32_t elements;
  uint32_t bytes;
};
Block block(Dtype dtype);
// Bytes of `elements` elements packed without gaps; nullopt when that overflows 64 bits or is not a whole number of
// bytes.
std::optional<uint64_t> packed_bytes(Dtype dtype, uint64_t elements);
// Product of the dimensions, 1 for a scalar; nullopt when it overflows 64 bits.
std::optional<uint64_t> element_count(std::span<const uint64_t> shape);

// What a cell asks for: every convertible tensor in one dtype, or (nullopt) each tensor as it is stored, "native".
struct Target {
  std::optional<Dtype> dtype;
  friend bool operator==(const Target&, const Target&) = default;
};

struct TargetInfo {
  std::string_view name;  // as on the command line
  Target target;
  std::string_view summary;
};
// native, f32, f16, bf16, int8, q8_0, q4_0, f8_e4m3, in this order.
std::span<const TargetInfo> targets();
std::string_view name(Target target);
std::optional<Target> parse_target(std::string_view name);

// How one tensor lies in memory once delivered.
//   stored == loaded:          its stored bytes, unchanged.
//   f32, f16, bf16, f8_e4m3:   elements in C order, little-endian.
//   int8:                      rows x f32 scale, then rows x row_elements x int8 code; value = code x scale of its row.
//                              The row is the first dimension; a tensor of rank 0 or 1 is one row.
//   q8_0, q4_0:                ggml's blocks of 32 elements of a row, in C order (ggml.h). The row is ggml's, the last
//                              dimension.
struct Layout {
  Dtype stored;
  Dtype loaded;
  uint64_t elements;
  uint64_t rows;          // 1 unless int8
  uint64_t row_elements;  // elements / rows
  uint64_t stored_bytes;
  uint64_t loaded_bytes;
  bool converted() const { return stored != loaded; }
  // The smallest piece of a converted tensor that can be converted apart from the rest: a row for int8, else a block of
  // the larger kind (all kinds hold a power of two).
  uint64_t unit_elements() const {
    return loaded == Dtype::int8 ? row_elements : std::max(block(stored).elements, block(loaded).elements);
  }
  uint64_t unit_bytes() const { return unit_elements() / block(stored).elements * block(stored).bytes; }
};

// f64, f32, f16, bf16, f8_e4m3, f8_e5m2, f8_e4m3fnuz, f8_e5m2fnuz have a value of their own and can be converted; so
// can q4_0, q4_1, q5_0, q5_1, q8_0 and q2_k to q6_k, which hold their scales (ggml.h). Integers and booleans are
// indices, masks and packed codes whose meaning a cast would change, f4, f6 and f8_e8m0 mean nothing without the scales
// beside them, complex types have two parts, the other blocks need tables: those are delivered as stored.
bool convertible(Dtype stored);

// `shape` must have passed element_count and packed_bytes for `stored`. A tensor that cannot be converted, or is stored
// in the target already, or is empty, comes back with loaded == stored. So does one that has no form in blocks: rows
// that are no multiple of 32, which ggml cannot hold either (llama.cpp's tools make such a tensor f16), and rank 0 or 1
// (norms, biases), which llama.cpp leaves alone because they are small and their errors are not. Error (bad_input)
// where the delivered bytes overflow 64 bits.
Layout layout(Dtype stored, std::span<const uint64_t> shape, Target target);

}  // namespace weighbridge
