// A dataset whose elements do not lie plainly, as a Tensor's encoding: it remembers where the dataset is described, and
// reads the description again when elements are wanted. A file may have a million datasets.
#pragma once

#include <cstdint>
#include <memory>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

struct EncodedPlace {
  uint32_t file = 0;   // index into Checkpoint::files
  uint64_t begin = 0;  // what of it is HDF5, user block included
  uint64_t bytes = 0;
  uint64_t object = 0;  // address of the dataset's object header
};

// `readable`: false for a dataset that declares more than its file can hold, which is listed and not read.
std::shared_ptr<const Encoding> encode_dataset(const EncodedPlace& place, const Frame& frame, const Dataset& dataset,
                                               bool readable);

}  // namespace weighbridge::hdf5
