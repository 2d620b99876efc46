// ggml's tensor types by the number that a GGUF file gives them: enum ggml_type, ggml.h.
// https://github.com/ggml-org/ggml/blob/master/include/ggml.h; the layout of blocks: src/ggml-common.h there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// Numbers of more than one byte within a block: those that lie the other way round in a file of the other byte order.
struct BlockField {
  uint16_t offset;  // of the first, in the block
  uint8_t width;    // bytes of one: 2, 4 or 8
  uint8_t count;    // how many follow each other
};

struct GgmlType {
  uint32_t number;
  std::string_view name;       // as ggml writes it
  std::optional<Dtype> dtype;  // none: support was removed from ggml, and no tool reads such a tensor any longer
  std::string_view instead;    // of a removed type: what to convert to
  // As ggml's own code reads them on a big-endian machine. Empty for types that are made of bytes.
  std::span<const BlockField> fields;
  bool fields_known = true;
};

// Null where ggml has no type of this number.
const GgmlType* ggml_type(uint32_t number);

}  // namespace weighbridge
