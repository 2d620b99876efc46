#include "strategies/tensor_steps.h"

namespace weighbridge {

Place load_tensor(const Request& request, Steps& steps, uint32_t tensor) {
  const Layout& layout = request.layouts[tensor];
  const Extent& extent = request.checkpoint.tensors[tensor].extent;
  const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
  if (!layout.converted()) {
    steps.read(extent, {weights});
    return weights;
  }
  const Place staging = steps.allocate(Purpose::staging, extent.bytes);
  steps.read(extent, {staging});
  steps.deliver(tensor, 0, extent.bytes, {staging}, weights);
  steps.free(staging);
  return weights;
}

void use_and_release(const Request& request, Steps& steps, const std::vector<Place>& at) {
  steps.enter(Phase::use);
  for (int pass = 0; pass < request.passes; ++pass) {
    for (uint32_t tensor = 0; tensor < at.size(); ++tensor) steps.use(tensor, {at[tensor]});
  }
  steps.enter(Phase::release);
  for (const Place buffer : at) steps.free(buffer);
}

}  // namespace weighbridge
