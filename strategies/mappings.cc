#include "strategies/mappings.h"

#include "strategies/tensor_steps.h"

namespace weighbridge {

Mappings::Mappings(const Request& request, Steps& steps, std::optional<Advice> advice,
                   const std::function<bool(uint32_t)>& viewed)
    : places_(request.checkpoint.files.size()) {
  const auto& tensors = request.checkpoint.tensors;
  for (uint32_t index = 0; index < tensors.size(); ++index) {
    const Tensor& tensor = tensors[index];
    auto& place = places_[tensor.extent.file];
    if (!tensor.plain() || place || !viewed(index)) continue;
    place = steps.map(tensor.extent.file);
    if (advice) steps.advise(*place, *advice);
  }
}

MappedTensors load_from(Mappings& mappings, const Request& request, Steps& steps, unsigned threads, bool drop) {
  const auto& tensors = request.checkpoint.tensors;
  const auto load = [&](uint32_t tensor, Place) {
    const Layout& layout = request.layouts[tensor];
    const Extent& extent = tensors[tensor].extent;
    if (!tensors[tensor].plain()) {
      steps.fall_back(tensor);
      return Spot{load_tensor(request, steps, tensor)};
    }
    const Spot stored = mappings.at(extent);
    if (!layout.converted()) return stored;
    const Place weights = steps.allocate(Purpose::weights, layout.loaded_bytes);
    steps.deliver(tensor, 0, layout.stored_bytes, stored, {weights});
    if (drop) steps.drop(stored.place, extent);
    return Spot{weights};
  };
  MappedTensors mapped;
  mapped.at = load_each(request, steps, threads, 0, load);
  for (const Spot& spot : mapped.at) mapped.views |= spot.place.kind == Place::Kind::mapping;
  return mapped;
}

void Mappings::unmap(Steps& steps) {
  for (const auto& place : places_) {
    if (place) steps.unmap(*place);
  }
  places_.clear();
}

}  // namespace weighbridge
