#include "strategies/hash.h"

#include <new>

namespace weighbridge {
namespace {

uint64_t name_seed(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}
// The scales' seed differs from the elements', or a swap of the two parts could cancel out.
uint64_t scale_seed(uint64_t seed) {
  return ~seed;
}

}  // namespace

uint64_t tensor_hash(std::string_view name, const Layout& layout, const std::byte* bytes) {
  const uint64_t seed = name_seed(name);
  if (layout.loaded != Dtype::int8) return XXH3_64bits_withSeed(bytes, layout.loaded_bytes, seed);
  const uint64_t scale_bytes = layout.rows * sizeof(float);
  return XXH3_64bits_withSeed(bytes, scale_bytes, scale_seed(seed)) +
         XXH3_64bits_withSeed(bytes + scale_bytes, layout.loaded_bytes - scale_bytes, seed);
}

TensorHasher::TensorHasher(std::string_view name, bool int8) : elements_(XXH3_createState()) {
  const uint64_t seed = name_seed(name);
  if (int8) scales_.reset(XXH3_createState());
  if (elements_ == nullptr || (int8 && scales_ == nullptr)) throw std::bad_alloc();
  XXH3_64bits_reset_withSeed(elements_.get(), seed);
  if (int8) XXH3_64bits_reset_withSeed(scales_.get(), scale_seed(seed));
}

void TensorHasher::scales(const std::byte* bytes, size_t size) {
  XXH3_64bits_update(scales_.get(), bytes, size);
}
void TensorHasher::elements(const std::byte* bytes, size_t size) {
  XXH3_64bits_update(elements_.get(), bytes, size);
}

uint64_t TensorHasher::result() const {
  return XXH3_64bits_digest(elements_.get()) + (scales_ == nullptr ? 0 : XXH3_64bits_digest(scales_.get()));
}

}  // namespace weighbridge
