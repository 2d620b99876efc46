// state-dict: the whole checkpoint into memory, then copied into the model's own tensors.
//
// Mechanism: what torch.load + load_state_dict do. Every file is read whole, then each tensor is copied, converted
// where asked, into memory that the model owns; the file images go only when all are copied. Need: S + T, the two full
// copies that people do not know they have. Measured for torch 1.13: 2.11 x the file.
#include <algorithm>

#include "strategies/builtin.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

class StateDict : public Strategy {
 public:
  std::string_view name() const override { return "state-dict"; }
  std::string_view mechanism() const override {
    return "whole checkpoint into memory, then copied into the model's tensors";
  }
  std::string_view cost() const override { return "S + T"; }

  void plan(const Request& request, Steps& steps) const override {
    const auto& tensors = request.checkpoint.tensors;
    struct Image {  // of one file, from its first tensor to its last
      Place buffer;
      uint64_t begin = UINT64_MAX, end = 0;
    };
    std::vector<Image> images(request.checkpoint.files.size());
    for (const Tensor& tensor : tensors) {
      Image& image = images[tensor.extent.file];
      image.begin = std::min(image.begin, tensor.extent.offset);
      image.end = std::max(image.end, tensor.extent.offset + tensor.extent.bytes);
    }
    for (uint32_t file = 0; file < images.size(); ++file) {
      Image& image = images[file];
      if (image.end <= image.begin) continue;
      image.buffer = steps.allocate(Purpose::staging, image.end - image.begin);
      steps.read({file, image.begin, image.end - image.begin}, {image.buffer});
    }
    std::vector<Place> weights;
    weights.reserve(tensors.size());
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const Extent& extent = tensors[tensor].extent;
      const Image& image = images[extent.file];
      weights.push_back(steps.allocate(Purpose::weights, request.layouts[tensor].loaded_bytes));
      steps.deliver(tensor, 0, extent.bytes, {image.buffer, extent.offset - image.begin}, weights.back());
    }
    for (const Image& image : images) {
      if (image.end > image.begin) steps.free(image.buffer);
    }
    use_and_release(request, steps, weights);
  }
};

}  // namespace

const Strategy* state_dict() {
  static const StateDict strategy;
  return &strategy;
}

}  // namespace weighbridge
