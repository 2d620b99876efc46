#include "strategies/loader/kept.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {

Kept::Kept(std::shared_ptr<const OpenModel> model, const Strategy& strategy, Write write)
    : model_(std::move(model)), memory_(write), executor_(model_->request, memory_, nobody_) {
  strategy.plan(model_->request, *this);
  executor_.close_files();
}

void Kept::free(Place buffer) {
  if (!stays(buffer)) executor_.free(buffer);
}

Place Kept::map(uint32_t file) {
  mappings_.push_back({executor_.map(file), file});
  return mappings_.back().place;
}

void Kept::unmap(Place mapping) {
  if (stays(mapping)) return;
  executor_.unmap(mapping);
  std::erase_if(mappings_, [&](const Mapping& mapped) { return mapped.place.id == mapping.id; });
}

void Kept::use(uint32_t tensor, Spot at) {
  if (stays_.size() <= at.place.id) stays_.resize(at.place.id + 1);
  stays_[at.place.id] = true;
  delivered_.push_back({tensor, executor_.address(at), at.place.kind == Place::Kind::mapping});
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
