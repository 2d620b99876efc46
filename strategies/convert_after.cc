// convert-after: every tensor as stored, then every tensor converted, then the originals freed.
//
// Mechanism: load first, `model.half()` later, with the originals kept alive by the list that holds them.
// Need: S + T; S when nothing is converted.
#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class ConvertAfter : public Strategy {
 public:
  std::string_view name() const override { return "convert-after"; }
  std::string_view mechanism() const override {
    return "all tensors as stored, then all converted, then the originals freed";
  }
  std::string_view cost() const override { return "S + T, S when native"; }

  std::span<const OptionInfo> options() const override { return {&kThreadsOption, 1}; }
  void check(const Options& options) const override { threads_of(options, name()); }

  void plan(const Request& request, Steps& steps) const override {
    const unsigned threads = threads_of(request.options, name());
    const auto read = [&](uint32_t tensor, Place) {
      const Layout& layout = request.layouts[tensor];
      const Spot at{steps.allocate(layout.converted() ? Purpose::staging : Purpose::weights, layout.stored_bytes)};
      steps.read(tensor, 0, layout.stored_bytes, at);
      return at;
    };
    const std::vector<Spot> originals = load_each(request, steps, threads, 0, read);
    const auto convert = [&](uint32_t tensor, Place) {
      const Layout& layout = request.layouts[tensor];
      if (!layout.converted()) return originals[tensor];
      const Spot converted{steps.allocate(Purpose::weights, layout.loaded_bytes)};
      steps.deliver(tensor, 0, layout.stored_bytes, originals[tensor], converted);
      return converted;
    };
    const std::vector<Spot> weights = load_each(request, steps, threads, 0, convert);
    for (uint32_t tensor = 0; tensor < originals.size(); ++tensor) {
      if (holder(request, tensor) == tensor && request.layouts[tensor].converted()) steps.free(originals[tensor].place);
    }
    use_and_release(request, steps, weights);
  }
};

}  // namespace

const Strategy* convert_after() {
  static const ConvertAfter strategy;
  return &strategy;
}

}  // namespace weighbridge
