#include "strategies/checkpoint/hdf5/dataset_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/hdf5/chunked_elements.h"
#include "strategies/checkpoint/hdf5/extension.h"
#include "strategies/checkpoint/hdf5/superblock.h"
#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

// Integers that use a part of their bits, in the order of their bytes, made to fill them.
void widen(const ElementType& type, unsigned char* data, uint64_t count) {
  const size_t bytes = type.bytes();
  const unsigned unused = 64u - type.precision;
  const bool is_signed =
      type.dtype == Dtype::i8 || type.dtype == Dtype::i16 || type.dtype == Dtype::i32 || type.dtype == Dtype::i64;
  for (uint64_t i = 0; i < count; ++i, data += bytes) {
    uint64_t value = 0;
    for (size_t byte = bytes; byte-- > 0;) value = value << 8 | data[byte];
    value = value >> type.bit_offset << unused;
    value = is_signed ? static_cast<uint64_t>(static_cast<int64_t>(value) >> unused) : value >> unused;
    for (size_t byte = 0; byte < bytes; ++byte) data[byte] = static_cast<unsigned char>(value >> (8 * byte));
  }
}

void swap(size_t bytes, unsigned char* data, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i, data += bytes) std::reverse(data, data + bytes);
}

class DatasetDecoder final : public Decoder {
 public:
  DatasetDecoder(File file, const EncodedPlace& place, const Tensor& tensor)
      : file_(std::move(file)),
        superblock_(read_superblock(file_, place.begin, place.bytes)),
        source_(file_, superblock_.frame) {
    use_extension(source_, superblock_);
    Object object = read_object(source_, place.object);
    if (!object.dataset || !object.dataset->dataset || object.dataset->dataset->shape != tensor.shape ||
        object.dataset->dataset->type.dtype != tensor.dtype) {
      throw format_error(file_.path(), source_.frame().base + place.object,
                         fmt::format("another object than dataset {}", in_quotes(tensor.name)),
                         "it, as when the file was opened first");
    }
    dataset_ = std::move(*object.dataset->dataset);
    if (dataset_.layout == Layout::chunked && dataset_.chunking.address) chunks_.emplace(source_, dataset_);
  }

  void read(uint64_t begin, void* to, size_t bytes) override {
    auto* target = static_cast<unsigned char*>(to);
    const size_t item = dataset_.type.bytes();
    while (bytes > 0) {
      const uint64_t element = begin / item;
      const size_t inside = begin % item;
      size_t done = bytes / item * item;
      if (inside == 0 && done > 0) {
        elements(element, done / item, target);
      } else {
        unsigned char one[16];
        elements(element, 1, one);
        done = std::min(bytes, item - inside);
        std::memcpy(target, one + inside, done);
      }
      target += done;
      begin += done;
      bytes -= done;
    }
  }

 private:
  void elements(uint64_t first, uint64_t count, unsigned char* to) {
    const ElementType& type = dataset_.type;
    const size_t item = type.bytes();
    if (chunks_) {
      chunks_->read(first, count, to);
    } else if (dataset_.data_offset) {
      file_.read(*dataset_.data_offset + first * item, to, count * item);
    } else if (dataset_.fill.empty()) {
      std::memset(to, 0, count * item);
    } else {
      for (uint64_t i = 0; i < count; ++i) std::memcpy(to + i * item, dataset_.fill.data(), item);
    }
    if (type.big_endian) swap(item, to, count);
    if (!type.whole()) widen(type, to, count);
  }

  const File file_;
  const Superblock superblock_;
  Source source_;
  Dataset dataset_;
  std::optional<ChunkedElements> chunks_;
};

class DatasetEncoding final : public Encoding {
 public:
  DatasetEncoding(const EncodedPlace& place, const Frame& frame, const Dataset& dataset, bool readable)
      : place_(place), chunked_(dataset.layout == Layout::chunked), readable_(readable) {
    written_ = chunked_ ? dataset.chunking.address.has_value() : dataset.data_offset.has_value();
    big_endian_ = dataset.type.big_endian;
    precision_ = dataset.type.whole() ? uint16_t{0} : dataset.type.precision;
    for (const Filter& filter : dataset.chunking.filters) {
      if (filters_ < kMostFilters) filter_ids_[filters_++] = filter.id;
    }
    decoder_bytes_ = sizeof(DatasetDecoder) + (chunked_ && written_ ? ChunkedElements::heap_bytes(frame, dataset) : 0);
  }

  std::string reason() const override {
    std::string text;
    const auto add = [&](bool holds, const std::string& what) {
      if (holds) text += fmt::format("{}{}", text.empty() ? "" : ", ", what);
    };
    std::vector<Filter> filters;
    for (unsigned i = 0; i < filters_; ++i) filters.push_back({filter_ids_[i], {}});
    add(!written_, "never written");
    add(chunked_ && written_, filters.empty() ? "in chunks" : fmt::format("in chunks ({})", names_of(filters)));
    add(big_endian_, "big-endian");
    add(precision_ != 0, fmt::format("integers of {} bits", precision_));
    return text;
  }

  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    const CheckpointFile& file = checkpoint.files.at(place_.file);
    if (!readable_) {
      throw format_error(
          file.path, tensor.extent.offset,
          fmt::format("dataset {} of {} bytes", in_quotes(tensor.name), tensor.bytes()),
          fmt::format("no more than a file of {} bytes can hold: what was never written is not made up", file.bytes));
    }
    return std::make_unique<DatasetDecoder>(open_again(file), place_, tensor);
  }

  uint64_t decoder_bytes() const override { return decoder_bytes_; }
  uint64_t heap_bytes() const override { return sizeof *this; }

 private:
  static constexpr unsigned kMostFilters = 6;  // in a text for people

  EncodedPlace place_;
  uint64_t decoder_bytes_ = 0;
  uint16_t filter_ids_[kMostFilters] = {};
  uint16_t precision_ = 0;  // 0: all bits
  uint8_t filters_ = 0;
  bool chunked_, readable_;
  bool written_ = false, big_endian_ = false;
};

}  // namespace

std::shared_ptr<const Encoding> encode_dataset(const EncodedPlace& place, const Frame& frame, const Dataset& dataset,
                                               bool readable) {
  return std::make_shared<DatasetEncoding>(place, frame, dataset, readable);
}

}  // namespace weighbridge::hdf5
