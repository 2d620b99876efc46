// What the superblock's extension says of where structures are.
//
// A file may be closed with its structures still in the writer's cache, and the cache saved as one block (HDF5 1.10's
// metadata cache image): what lies at their addresses is then out of date or was never written. And datasets may share
// their descriptions: such messages lie in heaps, one for each kind (shared object header messages, 1.8).
#pragma once

#include "strategies/checkpoint/hdf5/source.h"
#include "strategies/checkpoint/hdf5/superblock.h"

namespace weighbridge::hdf5 {

// Has `source` read structures from the cache image, and tells it the heaps of shared messages, if the file has them.
// Throws Error (bad_input).
void use_extension(Source& source, const Superblock& superblock);

}  // namespace weighbridge::hdf5
