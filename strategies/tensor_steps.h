// Steps that several strategies share.
#pragma once

#include <cstdint>
#include <vector>

#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

// Reads one tensor to its final buffer, a weights buffer of layout.loaded_bytes: straight where it stays as stored,
// through a staging copy of the whole tensor where it is converted.
Place load_tensor(const Request& request, Steps& steps, uint32_t tensor);

// `use` over every tensor in order, as often as the request says; then `release`, which frees the buffers.
// at[i] is the buffer of tensor i.
void use_and_release(const Request& request, Steps& steps, const std::vector<Place>& at);

}  // namespace weighbridge
