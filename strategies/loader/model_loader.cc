// ModelLoader: a strategy's plan, kept whole.
#include <utility>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/loader/kept.h"
#include "strategies/loader/model.h"
#include "weighbridge/loader.h"

namespace weighbridge {

ModelLoader::ModelLoader(std::string path, std::string_view dtype, std::string_view strategy)
    : Loader(std::make_shared<OpenModel>(open_checkpoint(path), target_of(dtype), strategy)) {}

ModelLoader::ModelLoader(std::string path, Dtype dtype, std::string_view strategy)
    : Loader(std::make_shared<OpenModel>(open_checkpoint(path), target_of(dtype), strategy)) {}

Weights ModelLoader::get_weights() const {
  verify_checksums(model_->checkpoint);
  auto kept = std::make_shared<Kept>(model_, *model_->choice.strategy);
  return gather(model_, kept->delivered(), {kept});
}

Need ModelLoader::need() const {
  return need_of(*model_->choice.strategy, model_->request);
}

}  // namespace weighbridge
