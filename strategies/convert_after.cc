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

  void plan(const Request& request, Steps& steps) const override {
    const auto count = static_cast<uint32_t>(request.layouts.size());
    std::vector<Spot> at(count);
    for (uint32_t tensor = 0; tensor < count; ++tensor) {
      const Layout& layout = request.layouts[tensor];
      if (holder(request, tensor) != tensor) continue;
      at[tensor] = {steps.allocate(layout.converted() ? Purpose::staging : Purpose::weights, layout.stored_bytes)};
      steps.read(tensor, 0, layout.stored_bytes, at[tensor]);
    }
    std::vector<Place> originals;
    for (uint32_t tensor = 0; tensor < count; ++tensor) {
      const Layout& layout = request.layouts[tensor];
      const uint32_t from = holder(request, tensor);
      if (from != tensor) {
        at[tensor] = at[from];
      } else if (layout.converted()) {
        const Place converted = steps.allocate(Purpose::weights, layout.loaded_bytes);
        steps.deliver(tensor, 0, layout.stored_bytes, at[tensor], {converted});
        originals.push_back(at[tensor].place);
        at[tensor] = {converted};
      }
    }
    for (const Place original : originals) steps.free(original);
    use_and_release(request, steps, at);
  }
};

}  // namespace

const Strategy* convert_after() {
  static const ConvertAfter strategy;
  return &strategy;
}

}  // namespace weighbridge
