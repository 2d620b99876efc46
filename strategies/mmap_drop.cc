// mmap-drop: a mapping whose pages are given back as soon as a tensor was used or converted.
//
// Mechanism: as mmap, with madvise(MADV_DONTNEED) on each tensor's pages once it is done with. The process then holds
// no more of the file than one tensor, so that a resident set tells the truth; the page cache may keep the rest, and
// does where there is room. Every pass faults its pages in anew. Need: 0 native, T converted. Reclaimable: the largest
// tensor.
#include "strategies/builtin.h"
#include "strategies/mappings.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class MmapDrop : public Strategy {
 public:
  std::string_view name() const override { return "mmap-drop"; }
  std::string_view mechanism() const override { return "as mmap, a tensor's pages given back once it was used"; }
  std::string_view cost() const override { return "0 native, T converted; L reclaimable"; }

  std::span<const OptionInfo> options() const override { return {&kThreadsOption, 1}; }
  void check(const Options& options) const override { threads_of(options, name()); }

  void plan(const Request& request, Steps& steps) const override {
    const auto& tensors = request.checkpoint.tensors;
    Mappings mappings(request, steps);
    const MappedTensors mapped = load_from(mappings, request, steps, threads_of(request.options, name()), true);
    if (!mapped.views) mappings.unmap(steps);

    steps.enter(Phase::use);
    for (int pass = 0; pass < request.passes; ++pass) {
      for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
        const Spot at = mapped.at[tensor];
        steps.use(tensor, at);
        if (at.place.kind == Place::Kind::mapping) steps.drop(at.place, tensors[tensor].extent);
      }
    }
    release(request, steps, mapped.at);
    mappings.unmap(steps);
  }
};

}  // namespace

const Strategy* mmap_drop() {
  static const MmapDrop strategy;
  return &strategy;
}

}  // namespace weighbridge
