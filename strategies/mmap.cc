// mmap: a private read-only mapping of each file.
//
// Mechanism: native tensors are views of the mapping, paged in when first touched and given up again without swap;
// converted ones are converted from the mapping into memory of their own. Views can be unaligned, as a header has any
// length.
// Need: 0 native, T converted. Reclaimable: S. It looks as heavy as eager in a resident set and is not; where less than
// S is free it does not fail, it gets slow, reading the same pages again on every pass.
#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class Mmap : public Strategy {
 public:
  std::string_view name() const override { return "mmap"; }
  std::string_view mechanism() const override {
    return "private read-only mapping: views when native, else converted from it";
  }
  std::string_view cost() const override { return "0 native, T converted; S reclaimable"; }

  void plan(const Request& request, Steps& steps) const override {
    const auto& tensors = request.checkpoint.tensors;
    std::vector<Place> mappings;
    for (uint32_t file = 0; file < request.checkpoint.files.size(); ++file) mappings.push_back(steps.map(file));

    std::vector<Spot> at;
    at.reserve(tensors.size());
    bool views = false;
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Layout& layout = request.layouts[tensor];
      const Extent& extent = tensors[tensor].extent;
      const Spot stored{mappings[extent.file], extent.offset};
      if (!layout.converted()) {
        at.push_back(stored);
        views = true;
        continue;
      }
      const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
      steps.deliver(tensor, 0, extent.bytes, stored, weights);
      at.push_back({weights});
    }
    if (!views) {  // every tensor has memory of its own: the mapping has done its work
      for (const Place mapping : mappings) steps.unmap(mapping);
    }

    steps.enter(Phase::use);
    for (int pass = 0; pass < request.passes; ++pass) {
      for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) steps.use(tensor, at[tensor]);
    }
    steps.enter(Phase::release);
    for (const Spot& spot : at) {
      if (spot.place.kind == Place::Kind::buffer) steps.free(spot.place);
    }
    if (views) {
      for (const Place mapping : mappings) steps.unmap(mapping);
    }
  }
};

}  // namespace

const Strategy* mmap_strategy() {
  static const Mmap strategy;
  return &strategy;
}

}  // namespace weighbridge
