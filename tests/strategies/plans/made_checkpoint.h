// A checkpoint drawn from a seed, in files that hold nothing but its tensors' bytes.
#pragma once

#include <cstdint>
#include <map>

#include "strategies/checkpoint/checkpoint.h"
#include "tests/support/program.h"

namespace weighbridge::test {

// 1 to 40 tensors of mixed dtypes (scalars, empty ones, integers, packed types and ggml's blocks among them) over 1 to
// 3 files, at odd offsets. Some are encoded (their bytes lie backwards), some share the elements of an earlier one. The
// values are finite.
Checkpoint make_checkpoint(const Scratch& scratch, uint64_t seed);

// The hash of each tensor as the reference reads and converts it.
std::map<uint32_t, uint64_t> reference_of(const Checkpoint& checkpoint, Target target);

}  // namespace weighbridge::test
