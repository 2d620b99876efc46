#include "tests/strategies/plans/made_checkpoint.h"

#include <random>

namespace weighbridge::test {

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
      checkpoint.tensors.push_back(std::move(tensor));
    }
    const std::string path = scratch / ("file" + std::to_string(file));
    write_file(path, bytes);
    checkpoint.files.push_back({path, bytes.size()});
  }
  return checkpoint;
}

}  // namespace weighbridge::test
