#include "strategies/reference.h"

#include <algorithm>
#include <memory>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/dtype/scalar.h"
#include "strategies/hash.h"

namespace weighbridge {
namespace {

constexpr uint64_t kChunkBytes = 4u << 20;

// One tensor on its way to one target: converts and hashes pieces of whole rows.
class Delivery {
 public:
  Delivery(const Tensor& tensor, const Layout& layout)
      : layout_(layout), hasher_(tensor.name, layout.loaded == Dtype::int8) {}

  void piece(const std::byte* stored, uint64_t bytes, std::vector<std::byte>& buffer) {
    if (!layout_.converted()) {
      hasher_.elements(stored, bytes);
      return;
    }
    Layout part = layout_;  // the piece as a tensor of its own: it has whole units only
    const Block unit = block(layout_.stored);
    part.elements = bytes / unit.bytes * unit.elements;
    part.stored_bytes = bytes;
    if (part.loaded == Dtype::int8) {
      part.rows = part.elements / part.row_elements;
      part.loaded_bytes = part.rows * sizeof(float) + part.elements;
    } else {
      part.row_elements = part.elements;
      part.loaded_bytes = packed_bytes(part.loaded, part.elements).value();
    }
    if (buffer.size() < part.loaded_bytes) buffer.resize(part.loaded_bytes);
    scalar::convert(part, 0, part.elements, stored, buffer.data(), &accuracy_);
    const uint64_t scales = part.loaded == Dtype::int8 ? part.rows * sizeof(float) : 0;
    if (scales > 0) hasher_.scales(buffer.data(), scales);
    hasher_.elements(buffer.data() + scales, part.loaded_bytes - scales);
  }

  const Layout& layout() const { return layout_; }
  const Accuracy& accuracy() const { return accuracy_; }
  uint64_t hash() const { return hasher_.result(); }

 private:
  const Layout layout_;
  TensorHasher hasher_;
  Accuracy accuracy_;
};

void settle(const Tensor& tensor, const Delivery& delivery, Target target, Reference& reference) {
  reference.checksum += delivery.hash();
  const Layout& layout = delivery.layout();
  if (target.dtype && !layout.converted() && layout.stored != *target.dtype && layout.elements > 0) {
    ++reference.kept_native;
  }
  const Accuracy& accuracy = delivery.accuracy();
  reference.accuracy.add(accuracy);
  const auto sqnr = accuracy.sqnr_db();
  if (sqnr && (reference.worst_tensor.empty() || *sqnr < *reference.worst.sqnr_db())) {
    reference.worst_tensor = tensor.name;
    reference.worst = accuracy;
  }
}

}  // namespace

std::vector<Reference> make_reference(const Checkpoint& checkpoint, std::span<const Target> targets,
                                      const std::function<void(size_t, uint32_t, uint64_t)>& hash,
                                      const std::function<void(uint64_t)>& progress) {
  verify_checksums(checkpoint);
  std::vector<Reference> references(targets.size());
  std::vector<std::byte> stored, converted;
  TensorReader reader(checkpoint);
  for (uint32_t index = 0; index < checkpoint.tensors.size(); ++index) {
    const Tensor& tensor = checkpoint.tensors[index];
    const uint64_t stored_bytes = tensor.bytes();
    std::vector<std::unique_ptr<Delivery>> deliveries;
    uint64_t unit = 1;  // bytes: whole elements, and whole rows where one target wants rows
    for (const Target target : targets) {
      deliveries.push_back(std::make_unique<Delivery>(tensor, layout(tensor.dtype, tensor.shape, target)));
      const Layout& wanted = deliveries.back()->layout();
      if (wanted.converted()) unit = std::max(unit, wanted.unit_bytes());
    }
    const uint64_t step = std::max(kChunkBytes / unit, uint64_t{1}) * unit;
    for (uint64_t begin = 0; begin < stored_bytes; begin += step) {
      const uint64_t bytes = std::min(step, stored_bytes - begin);
      if (stored.size() < bytes) stored.resize(bytes);
      reader.read(index, begin, stored.data(), bytes);
      for (auto& delivery : deliveries) delivery->piece(stored.data(), bytes, converted);
      progress(bytes);
    }
    for (size_t target = 0; target < targets.size(); ++target) {
      hash(target, index, deliveries[target]->hash());
      settle(tensor, *deliveries[target], targets[target], references[target]);
    }
  }
  return references;
}

}  // namespace weighbridge
