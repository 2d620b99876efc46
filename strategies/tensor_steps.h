// Steps that several strategies share.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
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

// The option of strategies that can load several tensors at once.
constexpr OptionInfo kThreadsOption{"threads", "1", "tensors loaded at once"};
// Its value. Throws Error(usage) in the name of the strategy.
unsigned threads_of(const Options& options, std::string_view strategy);

// Loads every tensor that holds its own elements by `load`, as Steps::each; says where each tensor lies.
std::vector<Spot> load_each(const Request& request, Steps& steps, unsigned threads, uint64_t scratch_bytes,
                            const std::function<Spot(uint32_t tensor, Place scratch)>& load);

// A chunk of `wanted` bytes, or of one unit of a tensor (Layout::unit_bytes) where that is larger, and no more than the
// largest tensor has; of those for which `through` holds.
uint64_t chunk_bytes(const Request& request, uint64_t wanted, const std::function<bool(uint32_t tensor)>& through);
// Reads a tensor through a chunk of that size to its place.
void load_through(const Request& request, Steps& steps, uint32_t tensor, uint64_t wanted, Place chunk, Spot to);

// `use` over every tensor in order, as often as the request says; then `release`, which frees the buffers.
// at[i] is where tensor i lies; buffers are freed, each once.
void release(const Request& request, Steps& steps, const std::vector<Spot>& at);
void use_and_release(const Request& request, Steps& steps, const std::vector<Spot>& at);

}  // namespace weighbridge
