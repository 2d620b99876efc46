// eager: tensor by tensor into its final buffer.
//
// Mechanism: allocate a tensor, read() it where it will stay. A tensor that is converted passes through a staging copy
// of itself, freed before the next. What a careful loader does (safetensors with load_file, low_cpu_mem_usage).
// Need: T native; T + the largest staging copy converted, one for each of several threads. Fails where T alone does not
// fit.
#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Eager : public Strategy {
 public:
  std::string_view name() const override { return "eager"; }
  std::string_view mechanism() const override { return "tensor by tensor into its final buffer"; }
  std::string_view cost() const override { return "T native, T + L converted"; }

  std::span<const OptionInfo> options() const override { return {&kThreadsOption, 1}; }
  void check(const Options& options) const override { threads_of(options, name()); }

  void plan(const Request& request, Steps& steps) const override {
    const auto load = [&](uint32_t tensor, Place) { return Spot{load_tensor(request, steps, tensor)}; };
    use_and_release(request, steps, load_each(request, steps, threads_of(request.options, name()), 0, load));
  }
};

}  // namespace

const Strategy* eager() {
  static const Eager strategy;
  return &strategy;
}

}  // namespace weighbridge
