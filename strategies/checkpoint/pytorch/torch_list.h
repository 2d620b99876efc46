// From what a torch pickle holds to the checkpoint's table: finds the tensors (torch_walk.h), lays each over its
// storage (view.h), and says what a person should know of the rest.
#pragma once

#include <cstdint>
#include <string>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/pytorch/pickle_stream.h"
#include "strategies/checkpoint/pytorch/pickle_values.h"
#include "strategies/checkpoint/pytorch/torch_tensor.h"
#include "strategies/checkpoint/storage/storage.h"

namespace weighbridge {

// Where a container keeps the storages that its pickle names.
class TorchStorages {
 public:
  virtual ~TorchStorages() = default;
  // The storage, or the part of it that the id means: exactly as many bytes as the id says, where they lie plainly.
  // Throws Error (bad_input) where it is missing or shorter; `what` is of it, "tensor "w"", `at` the id's place in the
  // pickle's stream.
  virtual Storage find(const StorageId& id, const std::string& what, uint64_t at) = 0;
  virtual bool big_endian() const { return false; }
};

struct TorchPickle {
  const PickleStream& stream;
  PickleValues& values;
  PickleRef root = PickleValues::kNone;
  bool script = false;       // of a TorchScript archive
  uint64_t limit_bytes = 0;  // for the values and the table together
};

// Appends to the checkpoint's tensors and remarks. Throws Error (bad_input) where a tensor cannot be what it says, or
// where there is none.
void list_torch_tensors(const TorchPickle& pickle, TorchStorages& storages, Checkpoint& checkpoint);

// Heap for a file's values and tensors together, so that opening it stays below its size and 64 MiB. `taken` of the
// file's size stands for other tables.
uint64_t torch_limit(const File& file, uint64_t taken);

}  // namespace weighbridge
