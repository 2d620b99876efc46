// SHA-256 over a tensor's elements, so that what one reader sees can be held against what another one saw, and over
// whole files.
#pragma once

#include <string>

#include "strategies/checkpoint/tensor_reader.h"

namespace weighbridge {

// 64 hexadecimal digits: of the elements in C order, little-endian, in the stored dtype. Reads in pieces of 1 MiB.
std::string sha256_of(const Checkpoint& checkpoint, TensorReader& reader, uint32_t tensor);
std::string sha256_of(const File& file);

}  // namespace weighbridge
