// What a checkpoint's values are, all of them read once, in the order of the files: zeros, what is no number, whether a
// narrower dtype would hold them, which tensors are the same under two names.
//
// Memory: one chunk of kSurveyChunkBytes, pieces of it that are converted (192 KiB), a table of what f8 holds (64 KiB),
// a decoder where a tensor is encoded (Encoding::decoder_bytes; two while duplicates are compared), and below 200 bytes
// a tensor. The size of a tensor does not matter: of 4 MiB and of 512 MiB the resident set grew by the same 1.9 MiB,
// pages of the program itself among them. A chunk of 1 MiB stays in the second-level cache while it is looked at.
//
// Duplicates are found by dtype, shape and a 128-bit hash (XXH3), and believed only when their bytes were read again
// and compared: a hash that is not cryptographic can be met on purpose. A tensor that is the same value throughout is
// told as that, not as a duplicate of the next one, and two scalars are not told to be the same.
//
// Cost, in CPU time beside reading alone (values_bench, a cached file of 256 MiB of f32, chunk in cache, AVX2): 2.6
// times for ordinary and for pruned weights, 3.5 for such that fit bf16, of which every one is converted there and
// back. SHA-256 alone takes about 4 times as long as all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/values/numbers.h"
#include "strategies/values/sparse.h"

namespace weighbridge {

constexpr size_t kSurveyChunkBytes = size_t{1} << 20;

// How much of a dtype's values is understood.
enum class ValueKind : uint8_t {
  numbers,   // floats, and ggml's blocks as what they are worth
  elements,  // integers and booleans: zeros are counted, no more
  unknown,   // complex numbers, codes without the scale beside them, blocks that need tables: compared and no more
};
ValueKind value_kind(Dtype dtype);

struct TensorValues {
  Numbers numbers;         // of integers, zeros alone
  uint64_t zero_rows = 0;  // of numbers: rows (the first dimension) that are zero throughout
  bool constant = false;   // every element has the bits of the first; never for blocks, and for fewer than two elements
  std::vector<Dtype> fits;                  // narrower dtypes that hold every value exactly
  uint32_t duplicate_of = Tensor::kItself;  // an earlier tensor of the same dtype, shape and bytes
};

struct Survey {
  // One a tensor. Of one that shares another's elements (same_as): a copy of what is said of that one.
  std::vector<TensorValues> tensors;
  uint64_t bytes_read = 0;  // those included that were read again to be compared
};

// What its zeros would save: nullopt where the dtype has no values of whole bytes. Not whether it is worth while.
std::optional<SparseBytes> sparse_bytes_of(const Tensor& tensor, const TensorValues& values);

// `progress(done, total)` in bytes. Checksums that the files hold are verified first, which reads what they guard once
// more. Throws Error (bad_input) where a file does not give what it should.
Survey survey_values(const Checkpoint& checkpoint, const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace weighbridge
