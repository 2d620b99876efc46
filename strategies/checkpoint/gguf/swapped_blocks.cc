// Whole blocks are read to where they are wanted and turned round there; a piece of a block, at either end of what is
// asked for, goes by a copy of the whole block. So nothing is held but one block.
#include "strategies/checkpoint/gguf/swapped_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "strategies/checkpoint/tensor_reader.h"

namespace weighbridge {
namespace {

constexpr size_t kLargestBlockBytes = 292;  // q8_k

template <class T, class Swapped>
void swap_each(unsigned char* bytes, size_t count, Swapped swapped) {
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof value, sizeof value);
    value = swapped(value);
    std::memcpy(bytes + i * sizeof value, &value, sizeof value);
  }
}

void swap_each(unsigned char* bytes, size_t width, size_t count) {
  switch (width) {
    case 2:
      return swap_each<uint16_t>(bytes, count, [](uint16_t value) { return __builtin_bswap16(value); });
    case 4:
      return swap_each<uint32_t>(bytes, count, [](uint32_t value) { return __builtin_bswap32(value); });
    default:
      return swap_each<uint64_t>(bytes, count, [](uint64_t value) -> uint64_t { return __builtin_bswap64(value); });
  }
}

class SwappingDecoder : public Decoder {
 public:
  SwappingDecoder(File file, const Extent& extent, const GgmlType& type)
      : file_(std::move(file)), extent_(extent), fields_(type.fields), unit_(block(*type.dtype).bytes) {}

  void read(uint64_t begin, void* to, size_t bytes) override {
    auto* target = static_cast<unsigned char*>(to);
    while (bytes > 0) {
      const auto skipped = static_cast<size_t>(begin % unit_);
      size_t taken = 0;
      if (skipped == 0 && bytes >= unit_) {
        taken = bytes / unit_ * unit_;
        file_.read(extent_.offset + begin, target, taken);
        swap(target, taken / unit_);
      } else {
        std::array<unsigned char, kLargestBlockBytes> whole;
        file_.read(extent_.offset + begin - skipped, whole.data(), unit_);
        swap(whole.data(), 1);
        taken = std::min(bytes, unit_ - skipped);
        std::memcpy(target, whole.data() + skipped, taken);
      }
      begin += taken;
      target += taken;
      bytes -= taken;
    }
  }

 private:
  void swap(unsigned char* blocks, size_t count) const {
    if (fields_.size() == 1 && fields_[0].width == unit_) {
      swap_each(blocks, unit_, count);
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      for (const BlockField& field : fields_) swap_each(blocks + i * unit_ + field.offset, field.width, field.count);
    }
  }

  const File file_;
  const Extent extent_;
  const std::span<const BlockField> fields_;
  const size_t unit_;
};

class SwappedBlocks : public Encoding {
 public:
  explicit SwappedBlocks(const GgmlType& type) : type_(type) {}
  std::string reason() const override { return "big-endian"; }
  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    return std::make_unique<SwappingDecoder>(open_again(checkpoint.files.at(tensor.extent.file)), tensor.extent, type_);
  }
  uint64_t decoder_bytes() const override { return sizeof(SwappingDecoder) + kPathBytes; }
  uint64_t heap_bytes() const override { return sizeof *this; }

 private:
  static constexpr uint64_t kPathBytes = 4096;  // the longest that the kernel takes

  const GgmlType& type_;
};

}  // namespace

std::shared_ptr<const Encoding> swapped_blocks(const GgmlType& type) {
  return std::make_shared<SwappedBlocks>(type);
}

}  // namespace weighbridge
