// layerwise: a layer is loaded, used and freed before the next.
//
// Mechanism: what runs a model that does not fit, a layer at a time (accelerate's disk offload, AirLLM): the tensors of
// one layer (layers.h tells from their names which those are) are loaded as eager loads them, used, and freed. Every
// pass reads the whole checkpoint again: memory is paid with time.
// Need: the largest layer, and one tensor's staging.
#include <cstdint>
#include <vector>

#include "strategies/builtin.h"
#include "strategies/layers.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Layerwise : public Strategy {
 public:
  std::string_view name() const override { return "layerwise"; }
  std::string_view mechanism() const override { return "a layer is loaded, used and freed before the next"; }
  std::string_view cost() const override { return "the largest layer + staging"; }

  void plan(const Request& request, Steps& steps) const override {
    const Layers layers(request.checkpoint);
    const auto count = static_cast<uint32_t>(request.layouts.size());
    std::vector<std::vector<uint32_t>> tensors_of(layers.names().size());
    for (uint32_t tensor = 0; tensor < count; ++tensor) tensors_of[layers.layer_of(tensor)].push_back(tensor);

    steps.enter(Phase::use);
    std::vector<Spot> at(count);
    std::vector<uint32_t> loaded;
    constexpr uint32_t kNowhere = UINT32_MAX;
    std::vector<uint32_t> loaded_for(count, kNowhere);  // the layer that holds the tensor now
    for (int pass = 0; pass < request.passes; ++pass) {
      for (uint32_t index = 0; index < tensors_of.size(); ++index) {
        // A tensor that another layer shares (tied embeddings) is loaded in each of them; within one, once.
        for (const uint32_t tensor : tensors_of[index]) {
          const uint32_t from = holder(request, tensor);
          if (loaded_for[from] == index) continue;
          loaded_for[from] = index;
          at[from] = {load_tensor(request, steps, from)};
          loaded.push_back(from);
        }
        for (const uint32_t tensor : tensors_of[index]) steps.use(tensor, at[holder(request, tensor)]);
        for (const uint32_t tensor : loaded) {
          steps.free(at[tensor].place);
          loaded_for[tensor] = kNowhere;
        }
        loaded.clear();
      }
    }
    steps.enter(Phase::release);
  }
};

}  // namespace

const Strategy* layerwise() {
  static const Layerwise strategy;
  return &strategy;
}

}  // namespace weighbridge
