#include "weighbridge/loader.h"

#include <utility>

#include "strategies/loader/kept.h"
#include "strategies/loader/model.h"

namespace weighbridge {

Loader::Loader(std::shared_ptr<const OpenModel> model) : model_(std::move(model)) {}

std::string_view Loader::format() const {
  return model_->checkpoint.format;
}

std::vector<std::string> Loader::remarks() const {
  std::vector<std::string> texts;
  for (const Remark& remark : model_->checkpoint.remarks) texts.push_back(remark.text);
  return texts;
}

Weights Loader::gather(std::shared_ptr<const OpenModel> model, const std::vector<Delivered>& delivered,
                       std::vector<std::shared_ptr<Kept>> kept) {
  std::vector<Weight> weights;
  weights.reserve(delivered.size());
  for (const Delivered& one : delivered) {
    weights.push_back(
        Weight(model->checkpoint.tensors[one.tensor], model->request.layouts[one.tensor], one.address, one.mapped));
  }
  return {std::move(model), std::move(weights), std::move(kept)};
}

}  // namespace weighbridge
