#include "strategies/checkpoint/onnx/onnx_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/onnx/protobuf.h"
#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie in memory");

bool is_fixed(OnnxField field) {
  return field == OnnxField::float_data || field == OnnxField::double_data;
}

class NumbersDecoder final : public Decoder {
 public:
  NumbersDecoder(const Checkpoint& checkpoint, const Tensor& tensor, OnnxField field)
      : tensor_(tensor),
        field_(field),
        width_(bytes_a_number(field, tensor.dtype)),
        file_(open_again(checkpoint.files.at(tensor.extent.file))),
        cursor_(file_) {
    restart();
  }

  void read(uint64_t begin, void* to, size_t bytes) override {
    auto* target = static_cast<unsigned char*>(to);
    while (bytes > 0) {
      const uint64_t number = begin / width_;
      if (number + 1 < decoded_) restart();
      for (; decoded_ <= number; ++decoded_) last_ = next();
      const auto skipped = static_cast<size_t>(begin % width_);
      const size_t count = std::min<size_t>(bytes, width_ - skipped);
      std::memcpy(target, reinterpret_cast<const unsigned char*>(&last_) + skipped, count);
      target += count;
      begin += count;
      bytes -= count;
    }
  }

 private:
  void restart() {
    message_.emplace(cursor_, tensor_.extent.offset, tensor_.extent.bytes);
    run_at_ = run_end_ = decoded_ = 0;
  }

  uint64_t next() {
    while (run_at_ == run_end_) {
      if (!message_->next()) {
        throw format_error(file_.path(), tensor_.extent.offset + tensor_.extent.bytes,
                           fmt::format("the end of tensor {}", in_quotes(tensor_.name)), "more numbers of it");
      }
      if (message_->field() != static_cast<uint32_t>(field_)) continue;
      if (message_->type() != WireType::bytes) return is_fixed(field_) ? message_->fixed() : fit(message_->number());
      run_at_ = message_->content_at();
      run_end_ = message_->after();
      cursor_.seek(run_at_);
    }
    const uint64_t value = is_fixed(field_) ? cursor_.fixed(width_, run_end_) : fit(cursor_.varint(run_end_));
    run_at_ = cursor_.position();
    return value;
  }

  // A number whose bits beyond the element's width are more than its sign was made by no writer of this type.
  uint64_t fit(uint64_t value) const {
    if (tensor_.dtype == Dtype::boolean) return value != 0 ? 1 : 0;
    if (width_ == 8) return value;
    const auto number = static_cast<int64_t>(value);
    const int64_t limit = int64_t{1} << 8 * width_;
    if (number >= limit || number < -(limit / 2)) {
      throw format_error(
          file_.path(), cursor_.position(),
          fmt::format("the number {} in tensor {} of {}", number, in_quotes(tensor_.name), name(tensor_.dtype)),
          fmt::format("a number of {} bits", 8 * width_));
    }
    return value;
  }

  const Tensor& tensor_;
  const OnnxField field_;
  const unsigned width_;
  File file_;
  WireCursor cursor_;
  std::optional<WireMessage> message_;
  uint64_t run_at_ = 0, run_end_ = 0;  // of packed numbers, as far as they are not read
  uint64_t decoded_ = 0;               // numbers read
  uint64_t last_ = 0;                  // the last of them
};

class Numbers final : public Encoding {
 public:
  explicit Numbers(OnnxField field) : field_(field) {}

  std::string reason() const override {
    return is_fixed(field_) ? "stored in several pieces" : "stored as numbers of varying length (varints)";
  }
  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    return std::make_unique<NumbersDecoder>(checkpoint, tensor, field_);
  }
  // The buffer, and room for the path of the file.
  uint64_t decoder_bytes() const override { return sizeof(NumbersDecoder) + WireCursor::kMaximumBuffer + 4096; }
  uint64_t heap_bytes() const override { return sizeof *this; }

 private:
  const OnnxField field_;
};

template <OnnxField field>
std::shared_ptr<const Encoding> only() {
  static const std::shared_ptr<const Encoding> encoding = std::make_shared<Numbers>(field);
  return encoding;
}

}  // namespace

unsigned bytes_a_number(OnnxField field, Dtype dtype) {
  switch (field) {
    case OnnxField::float_data:
      return 4;
    case OnnxField::double_data:
      return 8;
    default:
      return block(dtype).bytes;  // of one element, or of a pair of 4-bit elements
  }
}

std::shared_ptr<const Encoding> onnx_encoding(OnnxField field) {
  switch (field) {
    case OnnxField::float_data:
      return only<OnnxField::float_data>();
    case OnnxField::double_data:
      return only<OnnxField::double_data>();
    case OnnxField::int32_data:
      return only<OnnxField::int32_data>();
    case OnnxField::int64_data:
      return only<OnnxField::int64_data>();
    case OnnxField::uint64_data:
      return only<OnnxField::uint64_data>();
    case OnnxField::none:
    case OnnxField::string_data:
    case OnnxField::raw_data:
      break;
  }
  return nullptr;
}

}  // namespace weighbridge
