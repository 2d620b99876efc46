#include "strategies/checkpoint/hdf5/chunked_elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

constexpr uint64_t kCacheBytes = 32u << 20;
constexpr uint64_t kSpareBytes = 48u << 20;    // beyond the file's size, for one filtered chunk
constexpr uint64_t kMappedBytes = 256u << 10;  // from here on, mapping costs less than copying
constexpr size_t kMostHeld = 1u << 16;
constexpr uint64_t kMostDecoded = 16;  // times what was delivered

uint64_t bytes_of_chunk(const Dataset& dataset) {
  return dataset.chunking.chunk_elements() * dataset.type.bytes();
}

// Of a chunk that has to be held whole.
uint64_t most_filtered(const Frame& frame, const Dataset& dataset) {
  return (frame.bytes + kSpareBytes) / buffers_for(dataset.chunking.filters, dataset.type.bytes());
}

size_t capacity_for(const Frame& frame, const Dataset& dataset) {
  const std::vector<ChunkAxis> axes = chunk_axes(dataset);
  // Along axes with chunks of one element, no two rows share a chunk.
  size_t first = 0;
  while (first < axes.size() && axes[first].chunk == 1) ++first;
  uint64_t row = 1;
  for (size_t i = first + 1; i < axes.size(); ++i) row *= axes[i].chunks();
  const uint64_t fit = (kCacheBytes + frame.bytes / 8) / bytes_of_chunk(dataset);
  return static_cast<size_t>(std::clamp<uint64_t>(row, 1, std::clamp<uint64_t>(fit, 1, kMostHeld)));
}

}  // namespace

std::vector<ChunkAxis> chunk_axes(const Dataset& dataset) {
  std::vector<ChunkAxis> axes;  // the last first
  for (size_t i = dataset.shape.size(); i-- > 0;) {
    const uint64_t size = dataset.shape[i], chunk = dataset.chunking.shape[i];
    if (!axes.empty() && axes.back().chunk == axes.back().size) {
      const uint64_t behind = axes.back().size;
      axes.back() = {size * behind, chunk * behind, i};
    } else {
      axes.push_back({size, chunk, i});
    }
  }
  std::reverse(axes.begin(), axes.end());
  return axes;
}

uint64_t chunk_count(const Dataset& dataset) {
  uint64_t count = 1;  // at most one for each element, if there are any
  for (const ChunkAxis& axis : chunk_axes(dataset)) count *= axis.chunks();
  return count;
}

uint64_t ChunkedElements::heap_bytes(const Frame& frame, const Dataset& dataset) {
  const uint64_t held = capacity_for(frame, dataset), bytes = bytes_of_chunk(dataset);
  if (!dataset.chunking.filters.empty() && bytes > most_filtered(frame, dataset)) return sizeof(ChunkedElements);
  const bool mapped = dataset.chunking.filters.empty() && bytes >= kMappedBytes;
  constexpr uint64_t kMapNode = 48;
  constexpr uint64_t kInflate = 48u << 10;  // zlib's state and window
  // Where more than one filter changes the size, what one gave is held beside what the next makes of it: filters.cc.
  const auto& filters = dataset.chunking.filters;
  const uint64_t second = buffers_for(filters, dataset.type.bytes()) < 2 ? 0 : bytes + bytes / 8 + 1024;
  return sizeof(ChunkedElements) + held * (sizeof(Held) + kMapNode + (mapped ? 0 : bytes)) + second + kMappedBytes +
         kInflate;
}

ChunkedElements::ChunkedElements(Source& source, const Dataset& dataset)
    : source_(source),
      dataset_(dataset),
      element_bytes_(dataset.type.bytes()),
      chunk_bytes_(bytes_of_chunk(dataset)),
      axes_(chunk_axes(dataset)),
      strides_(axes_.size(), 1),
      chunk_strides_(axes_.size(), 1),
      index_(open_chunk_index(source, dataset)),
      capacity_(capacity_for(source.frame(), dataset)) {
  for (size_t i = axes_.size() - 1; i-- > 0;) {
    strides_[i] = strides_[i + 1] * axes_[i + 1].size;
    chunk_strides_[i] = chunk_strides_[i + 1] * axes_[i + 1].chunk;
  }
  const uint64_t most = most_filtered(source.frame(), dataset);
  if (!dataset.chunking.filters.empty() && chunk_bytes_ > most) {
    throw format_error(source.file().path(), source.frame().base + *dataset.chunking.address,
                       fmt::format("compressed chunks of {} bytes each, which must be held whole", chunk_bytes_),
                       fmt::format("at most {} in a file of this size", most));
  }
}

void ChunkedElements::read(uint64_t first, uint64_t count, unsigned char* to) {
  delivered_ += count * element_bytes_;
  Place low(axes_.size()), high(axes_.size());
  while (count > 0) {
    for (size_t i = 0; i < axes_.size(); ++i) low[i] = first / strides_[i] % axes_[i].size;
    // The slowest axis along which whole slices can be taken from here.
    size_t along = axes_.size() - 1;
    while (along > 0 && low[along] == 0 && count >= strides_[along - 1]) --along;
    const uint64_t slices = std::min(count / strides_[along], axes_[along].size - low[along]);
    for (size_t i = 0; i < axes_.size(); ++i) {
      high[i] = i < along ? low[i] + 1 : i == along ? low[i] + slices : axes_[i].size;
    }
    read_box(low, high, to);
    const uint64_t elements = slices * strides_[along];
    first += elements;
    count -= elements;
    to += elements * element_bytes_;
  }
}

void ChunkedElements::read_box(const Place& low, const Place& high, unsigned char* to) {
  Place place(axes_.size());
  for (size_t i = 0; i < axes_.size(); ++i) place[i] = low[i] / axes_[i].chunk;
  for (;;) {
    copy_shared(chunk_at(place), place, low, high, to);
    size_t axis = axes_.size();
    while (axis-- > 0) {
      if (place[axis] < (high[axis] - 1) / axes_[axis].chunk) {
        ++place[axis];
        break;
      }
      place[axis] = low[axis] / axes_[axis].chunk;
    }
    if (axis == SIZE_MAX) return;
  }
}

void ChunkedElements::copy_shared(const Held& held, const Place& chunk, const Place& low, const Place& high,
                                  unsigned char* to) const {
  const size_t axes = axes_.size();
  Place from(axes), end(axes);
  uint64_t source = 0, target = 0;  // elements before the run, in the chunk and in the box
  Place box_strides(axes, 1);
  for (size_t i = axes; i-- > 0;) {
    const uint64_t begin = chunk[i] * axes_[i].chunk;
    from[i] = std::max(low[i], begin);
    end[i] = high[i] - begin <= axes_[i].chunk ? high[i] : begin + axes_[i].chunk;
    if (i + 1 < axes) box_strides[i] = box_strides[i + 1] * (high[i + 1] - low[i + 1]);
    source += (from[i] - begin) * chunk_strides_[i];
    target += (from[i] - low[i]) * box_strides[i];
  }
  Place at = from;
  const uint64_t run = end[axes - 1] - from[axes - 1];
  for (;;) {
    copy_run(held, source, run, to + target * element_bytes_);
    size_t axis = axes - 1;
    while (axis-- > 0) {
      if (++at[axis] < end[axis]) {
        source += chunk_strides_[axis];
        target += box_strides[axis];
        break;
      }
      source -= (end[axis] - 1 - from[axis]) * chunk_strides_[axis];
      target -= (end[axis] - 1 - from[axis]) * box_strides[axis];
      at[axis] = from[axis];
    }
    if (axis == SIZE_MAX) return;
  }
}

void ChunkedElements::copy_run(const Held& held, uint64_t element, uint64_t count, unsigned char* to) const {
  const size_t bytes = element_bytes_;
  if (!held.written) {
    if (dataset_.fill.empty()) {
      std::memset(to, 0, count * bytes);
    } else {
      for (uint64_t i = 0; i < count; ++i) std::memcpy(to + i * bytes, dataset_.fill.data(), bytes);
    }
  } else if (held.elements.shuffled) {
    const uint64_t plane = chunk_bytes_ / bytes;
    for (size_t byte = 0; byte < bytes; ++byte) {
      const unsigned char* from = held.elements.bytes.data.get() + byte * plane + element;
      for (uint64_t i = 0; i < count; ++i) to[i * bytes + byte] = from[i];
    }
  } else {
    const auto* from =
        held.mapping ? reinterpret_cast<const unsigned char*>(held.mapping->data()) : held.elements.bytes.data.get();
    std::memcpy(to, from + element * bytes, count * bytes);
  }
}

const ChunkedElements::Held& ChunkedElements::chunk_at(const Place& place) {
  uint64_t number = 0;
  for (size_t i = 0; i < axes_.size(); ++i) number = number * axes_[i].chunks() + place[i];
  if (const auto found = by_number_.find(number); found != by_number_.end()) return held_[found->second];
  size_t slot = held_.size();
  if (slot < capacity_) {
    held_.emplace_back();
  } else {
    slot = oldest_;
    oldest_ = (oldest_ + 1) % capacity_;
    by_number_.erase(held_[slot].number);
    held_[slot] = {};  // before the next one takes memory
  }
  load(held_[slot], place);
  held_[slot].number = number;
  by_number_.emplace(number, slot);
  return held_[slot];
}

bool ChunkedElements::is_cut(const Place& place) const {
  for (size_t i = 0; i < axes_.size(); ++i) {
    if (axes_[i].size - place[i] * axes_[i].chunk < axes_[i].chunk) return true;
  }
  return false;
}

void ChunkedElements::load(Held& held, const Place& place) {
  constexpr std::string_view kWhat = "a chunk";
  Place coordinates(dataset_.shape.size(), 0);
  for (size_t i = 0; i < axes_.size(); ++i) coordinates[axes_[i].dimension] = place[i];
  const std::optional<Chunk> chunk = index_->find(coordinates);
  held.written = chunk.has_value();
  if (!chunk) return;

  const uint64_t at = source_.file_offset(kWhat, chunk->address, chunk->bytes);
  const Cursor here(source_.file(), source_.frame(), kWhat, {}, at);
  const Chunking& chunking = dataset_.chunking;
  const bool filtered = !chunking.filters.empty() && !(chunking.unfiltered_edges && is_cut(place));
  if (!filtered && chunk->bytes != chunk_bytes_) {
    here.fail(fmt::format("a chunk of {} bytes", chunk->bytes), fmt::format("{}, as its shape says", chunk_bytes_));
  }
  if (!filtered && chunk_bytes_ >= kMappedBytes) {
    held.mapping = std::make_unique<Mapping>(source_.file(), at, chunk_bytes_);
    return;
  }
  if (chunk->bytes == 0) here.fail("a chunk of 0 bytes", "some");

  decoded_ += chunk_bytes_;
  if (decoded_ > kMostDecoded * delivered_ + 4 * kCacheBytes) {
    here.fail(fmt::format("chunks across the rows, of which {} bytes had to be decoded for {} bytes of elements",
                          decoded_, delivered_),
              "chunks of whole rows: `h5repack -l` lays them so");
  }
  if (!filtered) {
    held.elements.bytes = Buffer(static_cast<size_t>(chunk_bytes_));
    source_.file().read(at, held.elements.bytes.data.get(), held.elements.bytes.size);
    return;
  }
  if (chunk->bytes >= kMappedBytes) {
    const Mapping stored(source_.file(), at, chunk->bytes);
    const std::span<const unsigned char> bytes(reinterpret_cast<const unsigned char*>(stored.data()),
                                               static_cast<size_t>(chunk->bytes));
    held.elements = undo(chunking.filters, chunk->filter_mask, bytes, chunk_bytes_, element_bytes_, here);
  } else {
    Buffer stored(static_cast<size_t>(chunk->bytes));
    source_.file().read(at, stored.data.get(), stored.size);
    held.elements = undo(chunking.filters, chunk->filter_mask, stored.span(), chunk_bytes_, element_bytes_, here);
  }
}

}  // namespace weighbridge::hdf5
