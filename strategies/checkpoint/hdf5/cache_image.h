// A file may be closed with its structures still in the writer's cache, and the cache saved as one block (HDF5 1.10's
// metadata cache image): what lies at their addresses is then out of date or was never written.
#pragma once

#include "strategies/checkpoint/hdf5/source.h"
#include "strategies/checkpoint/hdf5/superblock.h"

namespace weighbridge::hdf5 {

// Has `source` read structures from the image, if the file has one. Throws Error (bad_input).
void use_cache_image(Source& source, const Superblock& superblock);

}  // namespace weighbridge::hdf5
