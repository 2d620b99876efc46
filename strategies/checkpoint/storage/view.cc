#include "strategies/checkpoint/storage/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/storage/element_decoder.h"
#include "strategies/checkpoint/storage/gather.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// A file of a few bytes must not stand for a tensor of any size.
constexpr uint64_t kMostExpanded = 64u << 20;

class ViewEncoding final : public Encoding {
 public:
  ViewEncoding(Storage storage, ElementOrder order, bool fortran)
      : storage_(std::move(storage)), order_(std::move(order)), fortran_(fortran) {}

  std::string reason() const override {
    std::string text;
    const auto add = [&](bool holds, std::string_view what) {
      if (holds) text += fmt::format("{}{}", text.empty() ? "" : ", ", what);
    };
    add(storage_.deflated != nullptr, "compressed with deflate");
    add(order_.swapped, "big-endian");
    add(!order_.axes.empty(), fortran_ ? "Fortran order" : "a strided view");
    return text;
  }

  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    return open_elements(checkpoint, storage_, order_, tensor.dtype);
  }

  uint64_t decoder_bytes() const override { return weighbridge::decoder_bytes(storage_, order_); }

  uint64_t mapped_bytes() const override { return storage_.deflated || order_.axes.empty() ? 0 : order_.bytes; }

  uint64_t heap_bytes() const override {
    return sizeof *this + order_.axes.capacity() * sizeof(Axis) +
           (storage_.deflated ? sizeof(Deflated) + storage_.deflated->member.size() : 0);
  }

 private:
  const Storage storage_;
  const ElementOrder order_;
  const bool fortran_;
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

// Elements from the view's first to its last one, both included; nullopt where that overflows. No dimension is 0.
std::optional<uint64_t> reached_elements(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& strides) {
  uint64_t reached = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    uint64_t reach;
    if (__builtin_mul_overflow(shape[i] - 1, strides[i], &reach)) return std::nullopt;
    if (__builtin_add_overflow(reached, reach, &reached)) return std::nullopt;
  }
  return reached;
}

}  // namespace

std::vector<uint64_t> fortran_strides(const std::vector<uint64_t>& shape) {
  std::vector<uint64_t> strides(shape.size());
  uint64_t stride = 1;
  for (size_t i = 0; i < shape.size(); stride *= shape[i++]) strides[i] = stride;
  return strides;
}

void TensorLayout::lay(Tensor& tensor, const Storage& storage, const View& view, const DescribedAt& place) {
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
  ElementOrder order;
  bool fortran = false;
  uint64_t before;
  if (__builtin_mul_overflow(view.first_element, item, &before) ||
      __builtin_add_overflow(before, view.begin, &order.begin) || order.begin > storage.bytes()) {
    fail(fmt::format("from element {} on", view.first_element),
         fmt::format("a beginning within the {} bytes of its storage", storage.bytes()));
  }
  if (!storage.deflated) tensor.extent.offset += order.begin;
  if (*bytes == 0) return;  // nothing to read, and strides mean nothing

  order.bytes = *bytes;
  if (view.strides && !steps_as(tensor.shape, *view.strides, c_strides(tensor.shape))) {
    const std::optional<uint64_t> reached = reached_elements(tensor.shape, *view.strides);
    if (!reached || __builtin_mul_overflow(*reached, item, &order.bytes)) {
      fail("with strides beyond 64 bits", fmt::format("elements within the {} bytes of its storage", storage.bytes()));
    }
    order.axes = joined_axes(tensor.shape, *view.strides);
    fortran = steps_as(tensor.shape, *view.strides, fortran_strides(tensor.shape));
    if (!whole_items || order.axes.size() > kMaximumAxes) {
      fail(fmt::format("of type {} and rank {} as a strided view", name(tensor.dtype), tensor.shape.size()),
           fmt::format("a type of whole bytes and at most {} dimensions", kMaximumAxes));
    }
  }
  if (order.bytes > storage.bytes() - order.begin) {
    fail(fmt::format("from byte {} to {} of its storage", order.begin, order.begin + order.bytes),
         fmt::format("an end within its {} bytes", storage.bytes()));
  }
  if (storage.deflated && order.bytes > kWindowBytes && !nested(order.axes)) {
    fail(fmt::format("with overlapping elements in {} compressed bytes", order.bytes),
         fmt::format("at most {} MiB of them", kWindowBytes >> 20));
  }
  order.swapped = view.big_endian && number_bytes(tensor.dtype) > 1;
  if (order.swapped && (!whole_items || number_bytes(tensor.dtype) > 8)) {
    fail(fmt::format("of type {} in big-endian order", name(tensor.dtype)), "numbers of 2, 4 or 8 bytes");
  }
  tensor.extent.bytes = order.bytes;
  if (storage.deflated) tensor.extent.bytes = storage.extent.bytes;
  if (!storage.deflated && order.axes.empty() && !order.swapped) return;

  std::vector<uint64_t> strides = order.axes.empty() ? std::vector<uint64_t>() : *view.strides;
  for (size_t i = 0; i < strides.size(); ++i) {
    if (tensor.shape[i] == 1) strides[i] = 0;
  }
  auto& encoding = encodings_[{tensor.extent.file, tensor.extent.offset, tensor.extent.bytes, order.begin, order.bytes,
                               order.swapped, tensor.dtype, tensor.shape, strides}];
  if (!encoding) {
    const uint64_t beyond = *bytes > order.bytes ? *bytes - order.bytes : 0;
    if (beyond > kMostExpanded - expanded_) {
      fail(fmt::format("of {} bytes as a view of {}", *bytes, order.bytes),
           fmt::format("at most {} MiB more than the file stores", kMostExpanded >> 20));
    }
    expanded_ += beyond;
    encoding = std::make_shared<ViewEncoding>(storage, std::move(order), fortran);
  }
  tensor.encoding = encoding;
}

}  // namespace weighbridge
