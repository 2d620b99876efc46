// MemoryMappedModelLoader: the plan of the strategy mmap, on mappings that can be written to.
#include <fmt/format.h>

#include <utility>

#include "strategies/error.h"
#include "strategies/loader/kept.h"
#include "strategies/loader/model.h"
#include "weighbridge/loader.h"

namespace weighbridge {
namespace {

// Throws where a change to a weight would not reach the file, or would leave the file in contradiction to itself.
void require_writable(const OpenModel& model) {
  const Checkpoint& checkpoint = model.checkpoint;
  const auto refuse = [&](const std::string& what) {
    return Error(ErrorKind::usage, fmt::format("{}: {}; map it copy-on-write, and changes stay in memory",
                                               printable(checkpoint.path), what));
  };
  for (size_t i = 0; i < checkpoint.tensors.size(); ++i) {
    const Tensor& tensor = checkpoint.tensors[i];
    const Layout& layout = model.request.layouts[i];
    if (!tensor.plain()) {
      throw refuse(fmt::format("writing through to \"{}\" is not possible, as it is {}", printable(tensor.name, 80),
                               tensor.encoding->reason()));
    }
    if (layout.converted()) {
      throw refuse(
          fmt::format("writing through to \"{}\" is not possible, as it is stored as {} and was asked for as {}",
                      printable(tensor.name, 80), name(layout.stored), name(layout.loaded)));
    }
  }
  if (!checkpoint.checksums.empty()) {
    throw refuse(fmt::format("writing through is not possible, as the file holds a checksum of its {}",
                             checkpoint.checksums.front().what));
  }
}

}  // namespace

MemoryMappedModelLoader::MemoryMappedModelLoader(std::string path, std::string_view dtype, Write write)
    : Loader(std::make_shared<OpenModel>(open_checkpoint(path), target_of(dtype), "mmap")), write_(write) {
  if (write_ == Write::through) require_writable(*model_);
}

MemoryMappedModelLoader::MemoryMappedModelLoader(std::string path, Dtype dtype, Write write)
    : MemoryMappedModelLoader(std::move(path), name(dtype), write) {}

MemoryMappedModelLoader::MemoryMappedModelLoader(std::string path, Write write)
    : MemoryMappedModelLoader(std::move(path), "native", write) {}

Weights MemoryMappedModelLoader::get_weights() const {
  auto kept = std::make_shared<Kept>(model_, *model_->choice.strategy, write_);
  return gather(model_, kept->delivered(), {kept});
}

Need MemoryMappedModelLoader::need() const {
  return need_of(*model_->choice.strategy, model_->request);
}

}  // namespace weighbridge
