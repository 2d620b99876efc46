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
    const auto& tensors = request.checkpoint.tensors;
    std::vector<Place> at;
    at.reserve(tensors.size());
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Extent& extent = tensors[tensor].extent;
      const Purpose purpose = request.layouts[tensor].converted() ? Purpose::staging : Purpose::weights;
      at.push_back(steps.allocate(purpose, extent.bytes));
      steps.read(extent, {at.back()});
    }
    std::vector<Place> originals;
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Layout& layout = request.layouts[tensor];
      if (!layout.converted()) continue;
      const Place converted = steps.allocate(Purpose::weights, layout.loaded_bytes);
      steps.deliver(tensor, 0, tensors[tensor].extent.bytes, {at[tensor]}, converted);
      originals.push_back(at[tensor]);
      at[tensor] = converted;
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
