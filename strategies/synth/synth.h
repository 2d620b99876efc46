// Checkpoints of real architectures with made-up weights: the tensor names, shapes and layout of the published files,
// so that a load can be weighed without downloading one.
//
// The weights are normal, with the spread that each family is initialised with. They depend on the seed, the tensor's
// name and the element's place in it, and on nothing else: not on the machine, the compiler, the dtype (but for
// rounding), the number of layers or shards.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

struct ArchitectureInfo {
  std::string_view name;  // as on the command line
  std::string_view summary;
  unsigned layers;  // blocks, where that is the better word
};
std::span<const ArchitectureInfo> architectures();

struct SynthRequest {
  std::string architecture;
  Dtype dtype = Dtype::f32;        // f64, f32, f16, bf16, f8_e4m3 or f8_e5m2; counters stay i64, as published
  std::optional<unsigned> layers;  // the first so many, 1 to ArchitectureInfo::layers
  unsigned shards = 1;
  uint64_t seed = 0;
  // One shard: the file. Several: "DIR/NAME.safetensors" makes DIR/NAME-00001-of-0000N.safetensors and so on and
  // DIR/NAME.safetensors.index.json; any other name is a folder, made where missing, and NAME is "model".
  std::string output;
  std::function<void(uint64_t done, uint64_t total)> progress;  // bytes of weights; may be empty
};

// Writes the checkpoint in a few MiB of memory. Every file appears under its name only once complete and fsynced, an
// index last of all; what was half written is removed. A file of that name is replaced, anything else that stands there
// is left alone. Throws Error: usage for a request that cannot be met, environment where the disk refuses (full, say).
void synthesise(const SynthRequest& request);

}  // namespace weighbridge
