#include "strategies/checkpoint/storage/element_decoder.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/tensor_reader.h"

namespace weighbridge {
namespace {

constexpr uint64_t kPieceBytes = 64u << 10;
constexpr size_t kLargestItem = 16;

void swap_bytes(std::byte* data, uint64_t bytes, size_t number) {
  const auto each = [&](auto swapped) {
    auto value = decltype(swapped(0)){};
    for (uint64_t at = 0; at < bytes; at += sizeof value) {
      std::memcpy(&value, data + at, sizeof value);
      value = swapped(value);
      std::memcpy(data + at, &value, sizeof value);
    }
  };
  if (number == 2) each([](uint16_t value) { return __builtin_bswap16(value); });
  if (number == 4) each([](uint32_t value) { return __builtin_bswap32(value); });
  if (number == 8) each([](uint64_t value) { return __builtin_bswap64(value); });
}

// Serves any bytes from whole elements.
class ElementDecoder : public Decoder {
 public:
  ElementDecoder(size_t item_bytes, size_t swapped) : item_(item_bytes), swapped_(swapped) {}

  void read(uint64_t begin, void* to, size_t bytes) override {
    auto* target = static_cast<std::byte*>(to);
    while (bytes > 0) {
      const uint64_t element = begin / item_;
      const size_t inside = begin % item_;
      size_t done = bytes / item_ * item_;
      if (inside == 0 && done > 0) {
        fetch(element, done / item_, target);
      } else {
        // The rest of an element that was begun is asked for next, and a stream does not like to go back.
        if (kept_ != element) {
          kept_ = UINT64_MAX;  // should fetch throw
          fetch(element, 1, one_);
          kept_ = element;
        }
        done = std::min(bytes, item_ - inside);
        std::memcpy(target, one_ + inside, done);
      }
      target += done;
      begin += done;
      bytes -= done;
    }
  }

 protected:
  virtual void elements(uint64_t first, uint64_t count, std::byte* to) = 0;

 private:
  void fetch(uint64_t first, uint64_t count, std::byte* to) {
    elements(first, count, to);
    if (swapped_ != 0) swap_bytes(to, count * item_, swapped_);
  }

  const size_t item_, swapped_;
  uint64_t kept_ = UINT64_MAX;  // the element in `one_`
  std::byte one_[kLargestItem];
};

// C order.
class OrderedDecoder final : public ElementDecoder {
 public:
  OrderedDecoder(const Checkpoint& checkpoint, const Storage& storage, uint64_t begin, size_t item, size_t swapped)
      : ElementDecoder(item, swapped), storage_(open_storage(checkpoint, storage)), begin_(begin), item_(item) {}

 private:
  void elements(uint64_t first, uint64_t count, std::byte* to) override {
    storage_->read(begin_ + first * item_, to, count * item_);
  }

  const std::unique_ptr<Decoder> storage_;
  const uint64_t begin_;
  const size_t item_;
};

// The same without regard to elements, so that packed types (two a byte) pass too.
class ByteDecoder final : public Decoder {
 public:
  ByteDecoder(const Checkpoint& checkpoint, const Storage& storage, uint64_t begin)
      : storage_(open_storage(checkpoint, storage)), begin_(begin) {}

  void read(uint64_t begin, void* to, size_t bytes) override { storage_->read(begin_ + begin, to, bytes); }

 private:
  const std::unique_ptr<Decoder> storage_;
  const uint64_t begin_;
};

class MappedDecoder final : public ElementDecoder {
 public:
  // `stretch`: the bytes of the file from the view's element 0 to the last one that it reaches.
  MappedDecoder(const File& file, const Extent& stretch, std::span<const Axis> axes, size_t item, size_t swapped)
      : ElementDecoder(item, swapped), mapping_(file, stretch.offset, stretch.bytes), axes_(axes), item_(item) {}

 private:
  void elements(uint64_t first, uint64_t count, std::byte* to) override {
    gather(axes_, item_, mapping_.data(), first, count, to);
  }

  const Mapping mapping_;
  const std::span<const Axis> axes_;
  const size_t item_;
};

class InflatedWholeDecoder final : public ElementDecoder {
 public:
  InflatedWholeDecoder(const Checkpoint& checkpoint, const Storage& storage, uint64_t begin, uint64_t bytes,
                       std::span<const Axis> axes, size_t item, size_t swapped)
      : ElementDecoder(item, swapped), source_(new std::byte[bytes]), axes_(axes), item_(item) {
    open_storage(checkpoint, storage)->read(begin, source_.get(), bytes);
  }

 private:
  void elements(uint64_t first, uint64_t count, std::byte* to) override {
    gather(axes_, item_, source_.get(), first, count, to);
  }

  const std::unique_ptr<std::byte[]> source_;
  const std::span<const Axis> axes_;
  const size_t item_;
};

class WindowDecoder final : public ElementDecoder {
 public:
  WindowDecoder(const Checkpoint& checkpoint, const Storage& storage, uint64_t begin, std::span<const Axis> axes,
                size_t item, size_t swapped)
      : ElementDecoder(item, swapped),
        storage_(open_storage(checkpoint, storage)),
        begin_(begin),
        axes_(axes),
        item_(item),
        piece_(new std::byte[kPieceBytes]) {
    const uint64_t most = kWindowBytes / item_;
    while (split_ > 0 && slice_ * axes_[split_ - 1].size <= most) slice_ *= axes_[--split_].size;
    // Axes from split_ on fit whole; of the one before it, a range does.
    if (split_ > 0) range_ = most / slice_;
    window_.reset(new std::byte[range_ * slice_ * item_]);
  }

 private:
  void elements(uint64_t first, uint64_t count, std::byte* to) override {
    while (count > 0) {
      if (first < window_first_ || first - window_first_ >= window_count_) fill(first);
      const uint64_t inside = first - window_first_;
      const uint64_t copied = std::min(count, window_count_ - inside);
      std::memcpy(to, window_.get() + inside * item_, copied * item_);
      first += copied;
      count -= copied;
      to += copied * item_;
    }
  }

  // The window that `element` lies in.
  void fill(uint64_t element) {
    window_count_ = 0;  // should a read throw
    std::vector<BoxAxis> box;
    uint64_t base = 0, rows = 1;
    uint64_t row = element / slice_;
    window_first_ = 0;
    if (split_ > 0) {
      const Axis& ranged = axes_[split_ - 1];
      const uint64_t from = row % ranged.size / range_ * range_;
      rows = std::min(range_, ranged.size - from);
      window_first_ = (row / ranged.size * ranged.size + from) * slice_;
      base = from * ranged.stride;
      row /= ranged.size;
      for (size_t axis = split_ - 1; axis-- > 0; row /= axes_[axis].size) {
        base += row % axes_[axis].size * axes_[axis].stride;
      }
      box.push_back({rows, ranged.stride, slice_, 0});
    }
    uint64_t output = slice_;
    for (size_t axis = split_; axis < axes_.size(); ++axis) {
      output /= axes_[axis].size;
      box.push_back({axes_[axis].size, axes_[axis].stride, output, 0});
    }
    std::sort(box.begin(), box.end(), [](const BoxAxis& a, const BoxAxis& b) { return a.source > b.source; });
    uint64_t reach = 0;
    for (auto axis = box.rbegin(); axis != box.rend(); ++axis) {
      axis->reach = reach;
      reach += (axis->size - 1) * axis->source;
    }
    const uint64_t most = kPieceBytes / item_;
    for (uint64_t at = 0; at <= reach; at += most) {
      const uint64_t count = std::min(most, reach + 1 - at);
      storage_->read(begin_ + (base + at) * item_, piece_.get(), count * item_);
      scatter(box, item_, piece_.get(), at, count, window_.get());
    }
    window_count_ = rows * slice_;
  }

  const std::unique_ptr<Decoder> storage_;
  const uint64_t begin_;
  const std::span<const Axis> axes_;
  const size_t item_;
  size_t split_ = axes_.size();
  uint64_t slice_ = 1;  // elements of the axes from split_ on
  uint64_t range_ = 1;  // of the axis before
  std::unique_ptr<std::byte[]> window_;
  uint64_t window_first_ = 0, window_count_ = 0;
  const std::unique_ptr<std::byte[]> piece_;
};

}  // namespace

size_t number_bytes(Dtype dtype) {
  const size_t item = block(dtype).bytes;
  return dtype == Dtype::c32 || dtype == Dtype::c64 || dtype == Dtype::c128 ? item / 2 : item;
}

std::unique_ptr<Decoder> open_elements(const Checkpoint& checkpoint, const Storage& storage, const ElementOrder& order,
                                       Dtype dtype) {
  const size_t item = block(dtype).bytes;
  const size_t swapped = order.swapped ? number_bytes(dtype) : 0;
  if (order.axes.empty()) {
    if (swapped == 0) return std::make_unique<ByteDecoder>(checkpoint, storage, order.begin);
    return std::make_unique<OrderedDecoder>(checkpoint, storage, order.begin, item, swapped);
  }
  if (!storage.deflated) {
    const Extent stretch{storage.extent.file, storage.extent.offset + order.begin, order.bytes};
    return std::make_unique<MappedDecoder>(open_again(checkpoint.files.at(stretch.file)), stretch, order.axes, item,
                                           swapped);
  }
  if (order.bytes <= kWindowBytes) {
    return std::make_unique<InflatedWholeDecoder>(checkpoint, storage, order.begin, order.bytes, order.axes, item,
                                                  swapped);
  }
  return std::make_unique<WindowDecoder>(checkpoint, storage, order.begin, order.axes, item, swapped);
}

uint64_t decoder_bytes(const Storage& storage, const ElementOrder& order) {
  const uint64_t window =
      storage.deflated && !order.axes.empty() ? std::min(order.bytes, kWindowBytes) + kPieceBytes : 0;
  return decoder_bytes(storage) + window + sizeof(WindowDecoder);
}

}  // namespace weighbridge
