#include "strategies/mappings.h"

#include "strategies/tensor_steps.h"

namespace weighbridge {

Mappings::Mappings(const Request& request, Steps& steps, std::optional<Advice> advice)
    : places_(request.checkpoint.files.size()) {
  for (const Tensor& tensor : request.checkpoint.tensors) {
    auto& place = places_[tensor.extent.file];
    if (!tensor.plain() || place) continue;
    place = steps.map(tensor.extent.file);
    if (advice) steps.advise(*place, *advice);
  }
}

MappedTensors load_from(Mappings& mappings, const Request& request, Steps& steps, bool drop) {
  const auto& tensors = request.checkpoint.tensors;
  MappedTensors mapped;
  mapped.at.reserve(tensors.size());
  for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
    const Layout& layout = request.layouts[tensor];
    const Extent& extent = tensors[tensor].extent;
    if (const uint32_t from = holder(request, tensor); from != tensor) {
      mapped.at.push_back(mapped.at[from]);
    } else if (!tensors[tensor].plain()) {
      steps.fall_back(tensor);
      mapped.at.push_back({load_tensor(request, steps, tensor)});
    } else if (!layout.converted()) {
      mapped.at.push_back(mappings.at(extent));
      mapped.views = true;
    } else {
      const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
      const Spot stored = mappings.at(extent);
      steps.deliver(tensor, 0, layout.stored_bytes, stored, {weights});
      if (drop) steps.drop(stored.place, extent);
      mapped.at.push_back({weights});
    }
  }
  return mapped;
}

void Mappings::unmap(Steps& steps) {
  for (const auto& place : places_) {
    if (place) steps.unmap(*place);
  }
  places_.clear();
}

}  // namespace weighbridge
