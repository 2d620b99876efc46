#include "strategies/tensor_steps.h"

namespace weighbridge {

Place load_tensor(const Request& request, Steps& steps, uint32_t tensor) {
  const Layout& layout = request.layouts[tensor];
  const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
  if (!layout.converted()) {
    steps.read(tensor, 0, layout.stored_bytes, {weights});
    return weights;
  }
  const Place staging = steps.allocate(Purpose::staging, layout.stored_bytes);
  steps.read_and_deliver(tensor, 0, layout.stored_bytes, {staging}, weights);
  steps.free(staging);
  return weights;
}

void use_and_release(const Request& request, Steps& steps, const std::vector<Spot>& at) {
  steps.enter(Phase::use);
  for (int pass = 0; pass < request.passes; ++pass) {
    for (uint32_t tensor = 0; tensor < at.size(); ++tensor) steps.use(tensor, at[tensor]);
  }
  steps.enter(Phase::release);
  for (uint32_t tensor = 0; tensor < at.size(); ++tensor) {
    if (at[tensor].place.kind == Place::Kind::buffer && holder(request, tensor) == tensor) steps.free(at[tensor].place);
  }
}

}  // namespace weighbridge
