// Four decoders, by where the bytes are and how they lie:
//
//                  | in the file as they are           | deflated
//   C order        | read; swapped where big-endian    | inflated; swapped where big-endian
//   other orders   | gathered from a private mapping   | at most 16 MiB: inflated whole, gathered from there
//                  |                                   | more: windows of at most 16 MiB of the output, each filled by
//                  |                                   | one pass over the inflated bytes
//
// The mapping: elements of one row of a transposed matrix lie a column apart, so any buffer that serves them is in
// proportion to the tensor or is refilled for each row. Mapped pages are the page cache's own and reclaimable, not
// need; it serves the scattered reads at its own grain.
//
// The windows: nothing of an inflated stream can be reached but what comes next, so memory can only be bounded by
// passing over it again: bytes / 16 MiB times, twice that at the most. Each window is a box of the view (a range along
// one axis, all of the axes after it), so that each piece of the stream knows its elements of the box by two divisions
// an axis.
#include "strategies/checkpoint/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/gather.h"
#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kWindowBytes = 16u << 20;
constexpr uint64_t kPieceBytes = 64u << 10;
constexpr size_t kLargestItem = 16;
// A file of a few bytes must not stand for a tensor of any size.
constexpr uint64_t kMostExpanded = 64u << 20;

// The two halves of a complex number are swapped each.
size_t number_bytes(Dtype dtype) {
  const size_t item = block(dtype).bytes;
  return dtype == Dtype::c32 || dtype == Dtype::c64 || dtype == Dtype::c128 ? item / 2 : item;
}

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

struct Form {
  uint64_t begin = 0;      // bytes of the storage before element 0
  uint64_t bytes = 0;      // from there to the end of the last element reached
  std::vector<Axis> axes;  // empty: C order without gaps
  bool fortran = false;
  bool swapped = false;
};

class ViewEncoding final : public Encoding {
 public:
  ViewEncoding(Storage storage, Form form) : storage_(std::move(storage)), form_(std::move(form)) {}

  std::string reason() const override {
    std::string text;
    const auto add = [&](bool holds, std::string_view what) {
      if (holds) text += fmt::format("{}{}", text.empty() ? "" : ", ", what);
    };
    add(storage_.deflated != nullptr, "compressed with deflate");
    add(form_.swapped, "big-endian");
    add(!form_.axes.empty(), form_.fortran ? "Fortran order" : "a strided view");
    return text;
  }

  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    const size_t item = block(tensor.dtype).bytes;
    const size_t swapped = form_.swapped ? number_bytes(tensor.dtype) : 0;
    if (form_.axes.empty()) {
      if (swapped == 0) return std::make_unique<ByteDecoder>(checkpoint, storage_, form_.begin);
      return std::make_unique<OrderedDecoder>(checkpoint, storage_, form_.begin, item, swapped);
    }
    if (!storage_.deflated) {
      const Extent stretch{storage_.extent.file, storage_.extent.offset + form_.begin, form_.bytes};
      return std::make_unique<MappedDecoder>(open_again(checkpoint.files.at(stretch.file)), stretch, form_.axes, item,
                                             swapped);
    }
    if (form_.bytes <= kWindowBytes) {
      return std::make_unique<InflatedWholeDecoder>(checkpoint, storage_, form_.begin, form_.bytes, form_.axes, item,
                                                    swapped);
    }
    return std::make_unique<WindowDecoder>(checkpoint, storage_, form_.begin, form_.axes, item, swapped);
  }

  uint64_t decoder_bytes() const override {
    const uint64_t window =
        storage_.deflated && !form_.axes.empty() ? std::min(form_.bytes, kWindowBytes) + kPieceBytes : 0;
    return weighbridge::decoder_bytes(storage_) + window + sizeof(WindowDecoder);
  }

  uint64_t heap_bytes() const override {
    return sizeof *this + form_.axes.capacity() * sizeof(Axis) +
           (storage_.deflated ? sizeof(Deflated) + storage_.deflated->member.size() : 0);
  }

 private:
  const Storage storage_;
  const Form form_;
};

// Whether the strides are those, but for dimensions of size 1, whose stride means nothing.
bool steps_as(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& strides,
              const std::vector<uint64_t>& wanted) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1 && strides[i] != wanted[i]) return false;
  }
  return true;
}

std::vector<uint64_t> c_strides(const std::vector<uint64_t>& shape) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
  return strides;
}

// The view's last element, counted from its storage's begin; nullopt where that overflows.
std::optional<uint64_t> last_element(const Tensor& tensor, const View& view) {
  uint64_t last = view.first_element;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    uint64_t step;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, (*view.strides)[i], &step)) return std::nullopt;
    if (__builtin_add_overflow(last, step, &last)) return std::nullopt;
  }
  return last;
}

}  // namespace

std::vector<uint64_t> fortran_strides(const std::vector<uint64_t>& shape) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t stride = 1;
  for (size_t i = 0; i < shape.size(); stride *= shape[i++]) strides[i] = stride;
  return strides;
}

void TensorLayout::lay(Tensor& tensor, const Storage& storage, const View& view, const Place& place) {
  const auto fail = [&](const std::string& what, const std::string& expected) {
    throw format_error(place.path, place.offset, fmt::format("tensor {} {}", in_quotes(tensor.name), what), expected);
  };
  const std::optional<uint64_t> count = element_count(tensor.shape);
  const std::optional<uint64_t> bytes = count ? packed_bytes(tensor.dtype, *count) : std::nullopt;
  if (!bytes) fail(fmt::format("of type {} and a size beyond 64 bits", name(tensor.dtype)), "fewer than 2^64 bytes");
  if (view.strides && view.strides->size() != tensor.shape.size()) {
    fail(fmt::format("of rank {} with {} strides", tensor.shape.size(), view.strides->size()),
         "one for each dimension");
  }
  const uint64_t item = block(tensor.dtype).bytes;
  const bool whole_items = block(tensor.dtype).elements == 1;

  tensor.encoding.reset();
  tensor.extent = {storage.extent.file, storage.extent.offset, 0};
  Form form;
  uint64_t before;
  if (__builtin_mul_overflow(view.first_element, item, &before) ||
      __builtin_add_overflow(before, view.begin, &form.begin) || form.begin > storage.bytes()) {
    fail(fmt::format("from element {} on", view.first_element),
         fmt::format("a beginning within the {} bytes of its storage", storage.bytes()));
  }
  if (!storage.deflated) tensor.extent.offset += form.begin;
  if (*bytes == 0) return;  // nothing to read, and strides mean nothing

  form.bytes = *bytes;
  if (view.strides && !steps_as(tensor.shape, *view.strides, c_strides(tensor.shape))) {
    const std::optional<uint64_t> last = last_element(tensor, view);
    if (!last || __builtin_mul_overflow(*last - view.first_element + 1, item, &form.bytes)) {
      fail("with strides beyond 64 bits", fmt::format("elements within the {} bytes of its storage", storage.bytes()));
    }
    form.axes = joined_axes(tensor.shape, *view.strides);
    form.fortran = steps_as(tensor.shape, *view.strides, fortran_strides(tensor.shape));
    if (!whole_items || form.axes.size() > kMaximumAxes) {
      fail(fmt::format("of type {} and rank {} as a strided view", name(tensor.dtype), tensor.shape.size()),
           fmt::format("a type of whole bytes and at most {} dimensions", kMaximumAxes));
    }
  }
  if (form.bytes > storage.bytes() - form.begin) {
    fail(fmt::format("from byte {} to {} of its storage", form.begin, form.begin + form.bytes),
         fmt::format("an end within its {} bytes", storage.bytes()));
  }
  if (*bytes > form.bytes) {
    expanded_ += std::min(*bytes - form.bytes, kMostExpanded + 1);
    if (expanded_ > kMostExpanded) {
      fail(fmt::format("of {} bytes as a view of {}", *bytes, form.bytes),
           fmt::format("at most {} MiB more than the file stores", kMostExpanded >> 20));
    }
  }
  if (storage.deflated && form.bytes > kWindowBytes && !nested(form.axes)) {
    fail(fmt::format("with overlapping elements in {} compressed bytes", form.bytes),
         fmt::format("at most {} MiB of them", kWindowBytes >> 20));
  }
  form.swapped = view.big_endian && number_bytes(tensor.dtype) > 1;
  if (form.swapped && (!whole_items || number_bytes(tensor.dtype) > 8)) {
    fail(fmt::format("of type {} in big-endian order", name(tensor.dtype)), "numbers of 2, 4 or 8 bytes");
  }
  tensor.extent.bytes = form.bytes;
  if (storage.deflated) tensor.extent.bytes = storage.extent.bytes;
  if (!storage.deflated && form.axes.empty() && !form.swapped) return;

  const std::vector<uint64_t> strides = form.axes.empty() ? std::vector<uint64_t>() : *view.strides;
  auto& encoding = encodings_[{tensor.extent.file, tensor.extent.offset, tensor.extent.bytes, form.begin, form.bytes,
                               form.swapped, tensor.dtype, tensor.shape, strides}];
  if (!encoding) encoding = std::make_shared<ViewEncoding>(storage, std::move(form));
  tensor.encoding = encoding;
}

}  // namespace weighbridge
