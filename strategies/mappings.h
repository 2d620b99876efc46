// The mappings of a checkpoint's files that strategies share: one of each file that holds plain tensors.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "strategies/plan.h"
#include "strategies/strategy.h"

namespace weighbridge {

class Mappings {
 public:
  // Speaks the steps that map; only files with a plain tensor that `viewed` says yes to. Unmaps nothing by itself: that
  // is a step too.
  Mappings(
      const Request& request, Steps& steps, std::optional<Advice> advice = std::nullopt,
      const std::function<bool(uint32_t tensor)>& viewed = [](uint32_t) { return true; });

  Spot at(const Extent& extent) const { return {*places_[extent.file], extent.offset}; }
  void unmap(Steps& steps);  // once; later calls do nothing

 private:
  std::vector<std::optional<Place>> places_;  // by file
};

// Where a mapping strategy finds its tensors: views where they stay as stored, else buffers that they were converted
// into from the mapping, or, for encoded ones, read into.
struct MappedTensors {
  std::vector<Spot> at;  // by tensor
  bool views = false;    // the mapping is still needed
};
// On `threads` threads. `drop`: a tensor's pages are given back once it was converted.
MappedTensors load_from(Mappings& mappings, const Request& request, Steps& steps, unsigned threads, bool drop);

}  // namespace weighbridge
