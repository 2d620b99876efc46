// What a tensor would take if its zeros were not stored, in bytes:
//   CSR       nonzero x (value + 4) + (rows + 1) x pointer   column indices of 32 bits; row pointers of 32 bits too, of
//                                                            64 from 2^31 values on, as scipy and PyTorch have them
//   bitmap    nonzero x value + ceil(elements / 8)           a bit an element: there or not
// A row is the first dimension; a tensor of no or one dimension is one row. -0.0 counts as zero and comes back as +0.0:
// pruning by a mask makes it of every negative weight. CSR saves from one half of zeros on for f32 (two thirds for 16
// bits), the bitmap from 1/32 (1/16).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace weighbridge {

struct SparseBytes {
  std::optional<uint64_t> csr;  // nullopt: a row is longer than 32-bit indices reach
  uint64_t bitmap = 0;

  uint64_t smaller() const { return csr ? std::min(*csr, bitmap) : bitmap; }
  bool is_csr() const { return csr && *csr < bitmap; }
};

// `elements` is the product of the shape; value_bytes x elements is below 2^64, as it is for any tensor.
inline SparseBytes sparse_bytes(std::span<const uint64_t> shape, uint64_t elements, uint64_t nonzero,
                                uint64_t value_bytes) {
  constexpr uint64_t kReach = uint64_t{1} << 31;
  SparseBytes bytes{std::nullopt, nonzero * value_bytes + elements / 8 + (elements % 8 != 0 ? 1 : 0)};
  const uint64_t rows = shape.size() > 1 ? shape[0] : 1;
  const uint64_t columns = rows == 0 ? 0 : elements / rows;
  uint64_t values, pointers, all;
  const uint64_t pointer_bytes = nonzero < kReach ? 4 : 8;
  if (columns < kReach && !__builtin_mul_overflow(nonzero, value_bytes + 4, &values) &&
      !__builtin_mul_overflow(rows + 1, pointer_bytes, &pointers) && !__builtin_add_overflow(values, pointers, &all)) {
    bytes.csr = all;
  }
  return bytes;
}

}  // namespace weighbridge
