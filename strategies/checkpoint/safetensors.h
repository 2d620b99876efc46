// What a safetensors file calls the element types; for the reader and for whoever writes one.
#pragma once

#include <optional>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// "F32"; empty for int8, which is never stored.
std::string_view safetensors_name(Dtype dtype);
std::optional<Dtype> dtype_of_safetensors(std::string_view name);
// The reference writer lays tensors out by descending rank, so that wide elements come first and are aligned, then by
// name.
unsigned safetensors_rank(Dtype dtype);

}  // namespace weighbridge
