// eager: tensor by tensor into its final buffer.
//
// Mechanism: allocate a tensor, read() it where it will stay. A tensor that is converted passes through a staging copy
// of itself, freed before the next. What a careful loader does (safetensors with load_file, low_cpu_mem_usage).
// Need: T native; T + the largest staging copy converted. Fails where T alone does not fit.
#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Eager : public Strategy {
 public:
  std::string_view name() const override { return "eager"; }
  std::string_view mechanism() const override { return "tensor by tensor into its final buffer"; }
  std::string_view cost() const override { return "T native, T + L converted"; }

  void plan(const Request& request, Steps& steps) const override {
    std::vector<Spot> weights;
    weights.reserve(request.layouts.size());
    for (uint32_t tensor = 0; tensor < request.layouts.size(); ++tensor) {
      const uint32_t from = holder(request, tensor);
      weights.push_back(from == tensor ? Spot{load_tensor(request, steps, tensor)} : weights[from]);
    }
    use_and_release(request, steps, weights);
  }
};

}  // namespace

const Strategy* eager() {
  static const Eager strategy;
  return &strategy;
}

}  // namespace weighbridge
