// Where an HDF5 file begins and what it says of itself. Format specification 3.0, II.A "Disk Format: Level 0A":
// https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
#pragma once

#include <cstdint>
#include <optional>

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

struct Superblock {
  Frame frame;
  uint64_t root = 0;  // address of the root group's object header
  std::optional<uint64_t> extension;
};

// The superblock of what lies in [begin, begin + bytes) of the file: at its beginning or after a user block of 512,
// 1024, 2048, ... bytes; nullopt where there is none.
std::optional<uint64_t> find_superblock(const File& file, uint64_t begin, uint64_t bytes);

// Throws Error (bad_input) where there is none, or it does not hold together, or the file is cut.
Superblock read_superblock(const File& file, uint64_t begin, uint64_t bytes);

}  // namespace weighbridge::hdf5
