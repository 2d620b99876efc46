// One GGUF file: its version and byte order, its keys and values walked and not held, its tensors checked and listed.
// What makes several files one model is gguf.cc's part.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"

namespace weighbridge {

// What the keys of a file say of the set it is a part of.
struct GgufSplit {
  uint64_t number = 0;              // split.no, from 0
  uint64_t count = 1;               // split.count: 1 for a model in one file
  std::optional<uint64_t> tensors;  // split.tensors.count, of the whole set
  uint64_t at = 0;                  // where in the file the value of split.count stands
};

// Appends the file's tensors, as tensors of `file_index`, to `tensors`; that their names differ is not checked yet.
// Throws Error (bad_input) where the file does not hold what it must.
GgufSplit read_gguf(const File& file, uint32_t file_index, std::vector<Tensor>& tensors);

}  // namespace weighbridge
