// mmap: a private read-only mapping of each file.
//
// Mechanism: native tensors are views of the mapping, paged in when first touched and given up again without swap;
// converted ones are converted from the mapping into memory of their own. Views can be unaligned, as a header has any
// length. A tensor that is encoded (compressed, big-endian, strided) cannot be viewed: it is read as eager does.
// Need: 0 native, T converted. Reclaimable: S. It looks as heavy as eager in a resident set and is not; where less than
// S is free it does not fail, it gets slow, reading the same pages again on every pass.
#include <optional>

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
    std::vector<std::optional<Place>> mappings(request.checkpoint.files.size());
    for (const Tensor& tensor : tensors) {
      auto& mapping = mappings[tensor.extent.file];
      if (tensor.plain() && !mapping) mapping = steps.map(tensor.extent.file);
    }

    std::vector<Spot> at;
    at.reserve(tensors.size());
    bool views = false;
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Layout& layout = request.layouts[tensor];
      const Extent& extent = tensors[tensor].extent;
      if (const uint32_t from = holder(request, tensor); from != tensor) {
        at.push_back(at[from]);
        continue;
      }
      if (!tensors[tensor].plain()) {
        steps.fall_back(tensor);
        at.push_back({load_tensor(request, steps, tensor)});
        continue;
      }
      const Spot stored{*mappings[extent.file], extent.offset};
      if (!layout.converted()) {
        at.push_back(stored);
        views = true;
        continue;
      }
      const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
      steps.deliver(tensor, 0, layout.stored_bytes, stored, weights);
      at.push_back({weights});
    }
    if (!views) {  // every tensor has memory of its own: the mapping has done its work
      unmap_all(mappings, steps);
      mappings.clear();
    }
    use_and_release(request, steps, at);
    unmap_all(mappings, steps);
  }

 private:
  static void unmap_all(const std::vector<std::optional<Place>>& mappings, Steps& steps) {
    for (const auto& mapping : mappings) {
      if (mapping) steps.unmap(*mapping);
    }
  }
};

}  // namespace

const Strategy* mmap_strategy() {
  static const Mmap strategy;
  return &strategy;
}

}  // namespace weighbridge
