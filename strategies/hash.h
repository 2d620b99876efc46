// One hash per delivered tensor, and a checksum over all of them in which their order does not matter.
//
// XXH3 (libxxhash) at memory speed, seeded with the tensor's name, so that two tensors that change places are noticed.
// For int8 the scales and the codes are hashed apart and added: a reader that sees row after row can then compute it
// without holding the tensor.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// Of a whole delivered tensor, layout.loaded_bytes at `bytes`, unaligned allowed.
uint64_t tensor_hash(std::string_view name, const Layout& layout, const std::byte* bytes);

// The same, fed in pieces.
class TensorHasher {
 public:
  TensorHasher(std::string_view name, bool int8);
  void scales(const std::byte* bytes, size_t size);
  void elements(const std::byte* bytes, size_t size);
  uint64_t result() const;

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  using State = std::unique_ptr<XXH3_state_t, Free>;
  State elements_, scales_;  // scales_ is null unless int8
};

}  // namespace weighbridge
