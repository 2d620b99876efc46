#include "strategies/loader/kept.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "strategies/error.h"
#include "strategies/loader/keep_used.h"

namespace weighbridge {

class Kept::Noting : public KeepUsed {
 public:
  explicit Noting(Kept& kept) : KeepUsed(kept.executor_), kept_(kept) {}

  void enter(Phase) override {}
  Place map(uint32_t file) override {
    kept_.mappings_.push_back({KeepUsed::map(file), file});
    return kept_.mappings_.back().place;
  }
  void unmap(Place mapping) override {
    KeepUsed::unmap(mapping);
    if (stays(mapping)) return;
    std::erase_if(kept_.mappings_, [&](const Mapping& mapped) { return mapped.place.id == mapping.id; });
  }

 private:
  void used(uint32_t tensor, Spot at) override {
    kept_.delivered_.push_back({tensor, kept_.executor_.address(at), at.place.kind == Place::Kind::mapping});
  }
  Kept& kept_;
};

Kept::Kept(std::shared_ptr<const OpenModel> model, const Strategy& strategy, Write write)
    : model_(std::move(model)), memory_(write), executor_(model_->request, memory_, nobody_) {
  Noting steps(*this);
  strategy.plan(model_->request, steps);
  // layerwise uses a layer's tensors together, wherever they stand in the checkpoint.
  std::sort(delivered_.begin(), delivered_.end(),
            [](const auto& one, const auto& other) { return one.tensor < other.tensor; });
  executor_.close_files();
}

void Kept::flush() const {
  const auto& files = model_->checkpoint.files;
  for (const Mapping& mapping : mappings_) {
    const CheckpointFile& file = files[mapping.file];
    if (file.bytes > 0 && msync(executor_.address({mapping.place}), file.bytes, MS_SYNC) != 0) {
      throw system_error("msync", file.path, errno, ErrorKind::environment);
    }
  }
}

}  // namespace weighbridge
