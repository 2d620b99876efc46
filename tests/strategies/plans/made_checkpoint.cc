#include "tests/strategies/plans/made_checkpoint.h"

#include <algorithm>
#include <memory>
#include <random>
#include <span>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/reference.h"

namespace weighbridge::test {
namespace {

// The last byte comes first.
class Backwards : public Encoding {
 public:
  std::string reason() const override { return "written backwards"; }
  uint64_t decoder_bytes() const override { return 0; }  // no heap but a descriptor
  uint64_t heap_bytes() const override { return sizeof(*this); }
  std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const override {
    return std::make_unique<Reader>(open_again(checkpoint.files.at(tensor.extent.file)), tensor.extent);
  }

 private:
  class Reader : public Decoder {
   public:
    Reader(File file, const Extent& extent) : file_(std::move(file)), extent_(extent) {}
    void read(uint64_t begin, void* to, size_t bytes) override {
      auto* const first = static_cast<char*>(to);
      file_.read(extent_.offset + extent_.bytes - begin - bytes, first, bytes);
      std::reverse(first, first + bytes);
    }

   private:
    File file_;
    const Extent extent_;
  };
};

}  // namespace

Checkpoint make_checkpoint(const Scratch& scratch, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  constexpr Dtype kDtypes[] = {Dtype::f32,     Dtype::f32,  Dtype::f16,     Dtype::bf16,  Dtype::f64,
                               Dtype::f8_e4m3, Dtype::i64,  Dtype::boolean, Dtype::f4,    Dtype::c64,
                               Dtype::q4_0,    Dtype::q5_1, Dtype::q6_k,    Dtype::iq4_nl};
  Checkpoint checkpoint;
  checkpoint.path = scratch.path();
  checkpoint.format = "made";
  const uint64_t files = 1 + below(3);
  for (uint32_t file = 0; file < files; ++file) {
    std::string bytes(1 + below(100), 'h');  // a header of any length: what follows is unaligned
    const uint64_t tensors = 1 + below(14);
    for (uint64_t number = 0; number < tensors; ++number) {
      Tensor tensor;
      if (!checkpoint.tensors.empty() && below(8) == 0) {
        const auto shared = static_cast<uint32_t>(below(checkpoint.tensors.size()));
        tensor = checkpoint.tensors[shared];
        if (tensor.same_as == Tensor::kItself) tensor.same_as = shared;
        tensor.name = std::to_string(file) + ".shared." + std::to_string(number);
        checkpoint.tensors.push_back(std::move(tensor));
        continue;
      }
      tensor.name = std::to_string(file) + "." + std::to_string(number);
      tensor.dtype = kDtypes[below(std::size(kDtypes))];
      const uint64_t rank = below(4);
      const uint64_t unit = block(tensor.dtype).elements;
      const uint64_t most = rank == 1 ? 200'000 / unit : unit > 2 ? 8 : 60;
      for (uint64_t axis = 0; axis < rank; ++axis) tensor.shape.push_back(below(20) == 0 ? 0 : 1 + below(most));
      if (unit > 1) tensor.shape.push_back(unit);
      tensor.extent = {file, bytes.size(), *packed_bytes(tensor.dtype, *element_count(tensor.shape))};
      for (uint64_t i = 0; i < tensor.extent.bytes; ++i)
        bytes += static_cast<char>(below(60));  // small exponents: finite
      if (below(6) == 0) tensor.encoding = std::make_shared<Backwards>();
      checkpoint.tensors.push_back(std::move(tensor));
    }
    const std::string path = scratch / ("file" + std::to_string(file));
    write_file(path, bytes);
    checkpoint.files.push_back({path, bytes.size()});
  }
  return checkpoint;
}

std::map<uint32_t, uint64_t> reference_of(const Checkpoint& checkpoint, Target target) {
  std::map<uint32_t, uint64_t> hashes;
  make_reference(
      checkpoint, std::span(&target, 1), [&](size_t, uint32_t tensor, uint64_t hash) { hashes[tensor] = hash; },
      [](uint64_t) {});
  return hashes;
}

}  // namespace weighbridge::test
