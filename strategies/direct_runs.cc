#include "strategies/direct_runs.h"

#include <algorithm>

#include "strategies/io/direct_file.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

// From here on a native tensor is read by itself: a read of 256 KiB keeps a device as busy as one of 1 MiB, a smaller
// one does not, and copying it costs less than its wait.
constexpr uint64_t kReadByItself = 256u << 10;
// What lies between two tensors and is read with them.
constexpr uint64_t kGap = 64u << 10;

uint64_t down(uint64_t offset, uint64_t block) {
  return offset / block * block;
}
uint64_t up(uint64_t bytes, uint64_t block) {
  return down(bytes + block - 1, block);
}

}  // namespace

DirectRuns::DirectRuns(const Request& request, uint64_t chunk) : request_(request) {
  uint64_t largest = kPageBytes;
  blocks_.reserve(request.checkpoint.files.size());
  for (const CheckpointFile& file : request.checkpoint.files) {
    blocks_.push_back(direct_block(file.path));
    largest = std::max(largest, blocks_.back());
  }
  chunk_ = up(chunk, largest);
}

bool DirectRuns::reads(uint32_t tensor) const {
  return request_.layouts[tensor].stored_bytes > 0 && request_.checkpoint.tensors[tensor].plain() &&
         holder(request_, tensor) == tensor;
}

bool DirectRuns::staged(uint32_t tensor) const {
  const Layout& layout = request_.layouts[tensor];
  return layout.converted() || layout.stored_bytes < std::min(kReadByItself, chunk_);
}

// Of the smallest piece of a tensor that can be delivered apart from the rest.
uint64_t DirectRuns::unit_bytes(uint32_t tensor) const {
  const Layout& layout = request_.layouts[tensor];
  return layout.converted() ? layout.unit_bytes() : 1;
}

DirectRuns::Run DirectRuns::gathered(Cursor from) const {
  const auto& tensors = request_.checkpoint.tensors;
  const uint32_t file = tensors[from.tensor].extent.file;
  const uint64_t base = down(tensors[from.tensor].extent.offset + from.begin, blocks_[file]);
  Run run{{file, base, 0}, 0, from, from, true};
  uint64_t end = base;
  for (Cursor& at = run.to; at.tensor < tensors.size(); at = {at.tensor + 1, 0}) {
    if (!reads(at.tensor)) continue;
    const bool first = end == base;
    const Extent& extent = tensors[at.tensor].extent;
    const uint64_t begin = extent.offset + at.begin;
    if (!first && (extent.file != file || !staged(at.tensor) || begin < base || begin > end + kGap)) break;
    const uint64_t unit = unit_bytes(at.tensor), left = extent.bytes - at.begin;
    uint64_t bytes = std::min(left, begin < base + chunk_ ? down(base + chunk_ - begin, unit) : 0);
    if (bytes == 0 && !first) break;
    if (bytes == 0) bytes = unit;  // a row that is longer than a chunk
    end = std::max(end, begin + bytes);
    if (bytes < left) {
      at.begin += bytes;
      break;
    }
  }
  run.extent.bytes = end - base;
  run.buffer_bytes = page_rounded(up(run.extent.bytes, blocks_[file]));
  return run;
}

std::optional<DirectRuns::Run> DirectRuns::next(Cursor at) const {
  const auto& tensors = request_.checkpoint.tensors;
  while (at.tensor < tensors.size() && !reads(at.tensor)) at = {at.tensor + 1, 0};
  if (at.tensor == tensors.size()) return std::nullopt;
  if (staged(at.tensor)) return gathered(at);
  const Extent& whole = tensors[at.tensor].extent;
  const uint64_t block = blocks_[whole.file], base = down(whole.offset, block);
  const Extent extent{whole.file, base, whole.offset + whole.bytes - base};
  return Run{extent, up(extent.bytes, block), at, {at.tensor + 1, 0}, false};
}

uint64_t DirectRuns::staging_bytes(uint32_t chunks) const {
  uint64_t bytes = chunks * chunk_;
  for (uint32_t tensor = 0; tensor < request_.layouts.size(); ++tensor) {
    if (!reads(tensor) || !staged(tensor)) continue;
    const uint64_t block = blocks_[request_.checkpoint.tensors[tensor].extent.file];
    // A unit that lies anywhere in its blocks.
    if (unit_bytes(tensor) > chunk_ - block)
      bytes = std::max(bytes, page_rounded(up(unit_bytes(tensor), block) + block));
  }
  uint64_t all = 0;
  for (auto run = next({}); run && all < bytes; run = next(run->to)) {
    if (run->staged) all += run->buffer_bytes;
  }
  return std::min(bytes, all);
}

}  // namespace weighbridge
