#include "strategies/checkpoint/checkpoint.h"

#include <unordered_set>

namespace weighbridge {
namespace {

// What a string holds on the heap: nothing while it fits into the object itself.
uint64_t heap_bytes(const std::string& text) {
  static const size_t kInside = std::string().capacity();
  return text.capacity() > kInside ? text.capacity() + 1 : 0;
}

}  // namespace

uint64_t Tensor::bytes() const {
  return packed_bytes(dtype, element_count(shape).value()).value();
}

uint64_t Checkpoint::stored_bytes() const {
  uint64_t sum = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.same_as == Tensor::kItself) sum += tensor.bytes();
  }
  return sum;
}

uint64_t Checkpoint::file_bytes() const {
  uint64_t sum = 0;
  for (const CheckpointFile& file : files) sum += file.bytes;
  return sum;
}

uint64_t Checkpoint::table_bytes() const {
  uint64_t sum = heap_bytes(path) + heap_bytes(format);
  sum += files.capacity() * sizeof(CheckpointFile) + tensors.capacity() * sizeof(Tensor);
  for (const CheckpointFile& file : files) sum += heap_bytes(file.path);
  std::unordered_set<const Encoding*> encodings;
  for (const Tensor& tensor : tensors) {
    sum += heap_bytes(tensor.name) + tensor.shape.capacity() * sizeof(uint64_t);
    if (!tensor.plain() && encodings.insert(tensor.encoding.get()).second) sum += tensor.encoding->heap_bytes();
  }
  sum += remarks.capacity() * sizeof(Remark) + checksums.capacity() * sizeof(Checksummed);
  for (const Remark& remark : remarks) sum += heap_bytes(remark.id) + heap_bytes(remark.text);
  for (const Checksummed& checked : checksums) sum += heap_bytes(checked.what);
  return sum;
}

}  // namespace weighbridge
