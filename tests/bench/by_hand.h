// The limits of this machine: the least work that ends in the same bytes in the same memory, written by hand, with
// nothing of a plan, an executor or a checkpoint's reader in it. Each returns the seconds that it took, memory got and
// given back included, and throws Error.
#pragma once

#include <cstdint>

#include "strategies/strategy.h"

namespace weighbridge::bench {

enum class Use : uint8_t { none, hash };  // hash: of each tensor, by the same function as `use`

// The file's tensors into one fresh buffer, `piece` bytes a call.
double read_into_fresh(uint64_t piece, Use use);
// The same into one buffer of `piece` bytes, again and again.
double read_into_reused(uint64_t piece);

enum class Touch : uint8_t {
  pages,  // a word of each page: the faults alone
  sum,    // every byte, added as 64-bit words
  hash,   // every tensor by the function that `use` applies
};
// Maps the file, touches it, unmaps it.
double map_and(Touch touch);

// Every tensor's conversion into fresh memory, and nothing else: the source is one chunk of `chunk` bytes that is read
// before the clock starts, and stays in whatever cache holds it.
double convert_into_fresh(const Request& request, uint64_t chunk, Use use);

}  // namespace weighbridge::bench
