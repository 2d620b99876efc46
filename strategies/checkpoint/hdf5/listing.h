// Lists the datasets of an HDF5 file as a checkpoint's tensors.
#pragma once

#include <cstdint>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"

namespace weighbridge::hdf5 {

// Appends the datasets of what lies in [begin, begin + bytes) of the file, which is the checkpoint's last. Throws Error
// (bad_input) where it does not hold together, and where nothing in it is a plain number.
void list_datasets(const File& file, uint64_t begin, uint64_t bytes, Checkpoint& checkpoint);

}  // namespace weighbridge::hdf5
