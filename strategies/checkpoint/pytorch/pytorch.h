// Internal to the PyTorch reader: its containers. pytorch.cc tells them apart.
#pragma once

#include <cstdint>
#include <string>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/storage/storage.h"
#include "strategies/checkpoint/storage/zip.h"

namespace weighbridge {

// torch.save since 1.6, and TorchScript: pytorch_zip.cc. The folder in the archive that holds data.pkl; empty: it is
// none of torch's.
std::string torch_folder(const ZipArchive& archive);
bool is_torch_package(const ZipArchive& archive);
void read_torch_zip(const File& file, Checkpoint& checkpoint);

// torch.save before 1.6, and pickles by themselves: pytorch_legacy.cc.
void read_torch_pickle(const File& file, Checkpoint& checkpoint);

// A storage that torch.save wrote by itself in the old form, in a stretch of a file: what Storage.__reduce__ puts into
// pickles that are not torch.save's own. `what` it is of, for what is wrong with it.
struct StoredAlone {
  Storage storage;
  Dtype dtype;
  uint64_t elements;
};
StoredAlone read_stored_alone(const File& file, const Storage& stretch, const Checkpoint& checkpoint,
                              const std::string& what, uint64_t limit_bytes);

}  // namespace weighbridge
