// LazyModelLoader: a plan for each tensor, as layers overlap ("h.0" and "h.0.attn") and a tensor can be released while
// another of its layer stays.
#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/loader/kept.h"
#include "strategies/layers.h"
#include "strategies/loader/model.h"
#include "strategies/tensor_steps.h"
#include "weighbridge/loader.h"

namespace weighbridge {
namespace {

// Some tensors, each as eager loads it.
class SomeTensors : public Strategy {
 public:
  // Ascending, each its own holder.
  explicit SomeTensors(std::vector<uint32_t> tensors) : tensors_(std::move(tensors)) {}
  std::string_view name() const override { return "layer"; }
  std::string_view mechanism() const override { return "some tensors, each into its final buffer"; }
  std::string_view cost() const override { return "T of these, + L of these converted"; }

  void plan(const Request& request, Steps& steps) const override {
    std::vector<Place> places;
    for (const uint32_t tensor : tensors_) places.push_back(load_tensor(request, steps, tensor));
    steps.enter(Phase::use);
    for (size_t i = 0; i < tensors_.size(); ++i) steps.use(tensors_[i], {places[i]});
    steps.enter(Phase::release);
    for (const Place place : places) steps.free(place);
  }

 private:
  std::vector<uint32_t> tensors_;
};

}  // namespace

struct LazyModelLoader::State {
  explicit State(const Checkpoint& checkpoint) : layers(checkpoint) {}

  struct Loaded {
    std::shared_ptr<Kept> kept;  // null once released
    std::weak_ptr<Kept> alive;   // what a Weights may still hold
  };
  std::shared_ptr<Kept> find(uint32_t tensor) const {
    const auto found = loaded.find(tensor);
    return found == loaded.end() ? nullptr : found->second.alive.lock();
  }
  // Forgets the tensor, unless somebody has it still.
  auto let_go(std::unordered_map<uint32_t, Loaded>::iterator tensor) {
    tensor->second.kept.reset();
    return tensor->second.alive.expired() ? loaded.erase(tensor) : std::next(tensor);
  }

  const Layers layers;
  mutable std::mutex mutex;
  std::unordered_map<uint32_t, Loaded> loaded;  // by the tensor that holds the elements
};

LazyModelLoader::LazyModelLoader(std::string path, std::string_view dtype)
    : Loader(std::make_shared<OpenModel>(open_checkpoint(path), target_of(dtype), "lazy")),
      state_(std::make_unique<State>(model_->checkpoint)) {}

LazyModelLoader::LazyModelLoader(std::string path, Dtype dtype)
    : LazyModelLoader(std::move(path), weighbridge::name(dtype)) {}

LazyModelLoader::LazyModelLoader(LazyModelLoader&&) noexcept = default;
LazyModelLoader& LazyModelLoader::operator=(LazyModelLoader&&) noexcept = default;
LazyModelLoader::~LazyModelLoader() = default;

const std::vector<std::string>& LazyModelLoader::layers() const {
  return state_->layers.names();
}

Weights LazyModelLoader::get_layer_weights(std::string_view layer) {
  const std::vector<uint32_t> tensors = state_->layers.tensors_of(layer);
  const std::scoped_lock lock(state_->mutex);
  std::map<uint32_t, std::shared_ptr<Kept>> kept;  // by the tensor that holds the elements
  std::vector<Delivered> delivered;
  for (const uint32_t tensor : tensors) {
    const uint32_t from = holder(model_->request, tensor);
    std::shared_ptr<Kept>& here = kept[from];
    if (here == nullptr) here = state_->find(from);
    if (here == nullptr) {
      verify_checksums(model_->checkpoint, model_->checkpoint.tensors[from]);
      here = std::make_shared<Kept>(model_, SomeTensors({from}));
    }
    const Delivered& at = here->delivered().front();
    delivered.push_back({tensor, at.address, at.mapped});
  }
  // The loader keeps them only now: a layer of which one tensor cannot be read leaves nothing behind.
  std::vector<std::shared_ptr<Kept>> owners;
  for (const auto& [tensor, here] : kept) {
    state_->loaded[tensor] = {here, here};
    owners.push_back(here);
  }
  return gather(model_, delivered, std::move(owners));
}

Need LazyModelLoader::need(std::string_view layer) const {
  std::vector<uint32_t> holders;
  for (const uint32_t tensor : state_->layers.tensors_of(layer)) holders.push_back(holder(model_->request, tensor));
  std::sort(holders.begin(), holders.end());
  holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
  return need_of(SomeTensors(std::move(holders)), model_->request);
}

void LazyModelLoader::release(std::string_view layer) {
  const std::vector<uint32_t> tensors = state_->layers.tensors_of(layer);
  const std::scoped_lock lock(state_->mutex);
  for (const uint32_t tensor : tensors) {
    const auto loaded = state_->loaded.find(holder(model_->request, tensor));
    if (loaded != state_->loaded.end()) state_->let_go(loaded);
  }
}

void LazyModelLoader::release_all() {
  const std::scoped_lock lock(state_->mutex);
  for (auto loaded = state_->loaded.begin(); loaded != state_->loaded.end();) loaded = state_->let_go(loaded);
}

uint64_t LazyModelLoader::loaded_bytes() const {
  const std::scoped_lock lock(state_->mutex);
  uint64_t sum = 0;
  for (const auto& [tensor, loaded] : state_->loaded) {
    if (!loaded.alive.expired()) sum += model_->request.layouts[tensor].loaded_bytes;
  }
  return sum;
}

}  // namespace weighbridge
