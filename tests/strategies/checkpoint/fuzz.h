// What any bytes must end in, whatever format they are taken for: a checkpoint that holds together and whose elements
// can be read, or an Error of kind bad_input in one line; and no heap beyond the file's size and 64 MiB.
//
// The fuzz targets (fuzz_target.cc, scripts/fuzz) hold libFuzzer's inputs against it, mutation_test.cc a fixed set of
// damaged files in every build.
#pragma once

#include <cstdint>
#include <span>

#include "strategies/checkpoint/format.h"

namespace weighbridge::testing {

// Aborts where `bytes` break the rule. With a format its reader is called whatever the bytes begin with; without one
// the file is opened as a user's would be, a shard index included. The heap is watched where AddressSanitizer allows
// it.
void check_input(const Format* format, std::span<const uint8_t> bytes);

}  // namespace weighbridge::testing
