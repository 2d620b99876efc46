// Tensors of a big-endian GGUF file: each block's numbers of more than one byte lie the other way round, its bytes as
// they are.
#pragma once

#include <memory>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/gguf/ggml_types.h"

namespace weighbridge {

// For tensors of `type`, whose extents are their blocks in the file's order. `type` is of the table, has a dtype, and
// its fields are known.
std::shared_ptr<const Encoding> swapped_blocks(const GgmlType& type);

}  // namespace weighbridge
