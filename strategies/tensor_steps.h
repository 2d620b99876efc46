// Steps that several strategies share.
#pragma once

#include <cstdint>
#include <vector>

#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

// The tensor in whose buffer this one's elements are: itself, or the earlier one that it shares them with.
inline uint32_t holder(const Request& request, uint32_t tensor) {
  const uint32_t same_as = request.checkpoint.tensors[tensor].same_as;
  return same_as == Tensor::kItself ? tensor : same_as;
}

// Reads one tensor to its final buffer, a weights buffer of layout.loaded_bytes: straight where it stays as stored,
// through a staging copy of the whole tensor where it is converted.
Place load_tensor(const Request& request, Steps& steps, uint32_t tensor);

// `use` over every tensor in order, as often as the request says; then `release`, which frees the buffers.
// at[i] is where tensor i lies; buffers are freed, each once.
void release(const Request& request, Steps& steps, const std::vector<Spot>& at);
void use_and_release(const Request& request, Steps& steps, const std::vector<Spot>& at);

}  // namespace weighbridge
