// Reads the elements of a checkpoint's tensors, plain or encoded, in their stored dtype: the one way for strategies,
// the reference and whoever else wants values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"

namespace weighbridge {

// Opens one of a checkpoint's files once more; throws Error (bad_input) where it is not as long as it was.
File open_again(const CheckpointFile& file);

// Keeps at most one file and one decoder open: a set may have more shards than a process may have descriptors. The
// decoder goes when its tensor was read to the end, or when another tensor is read.
class TensorReader {
 public:
  explicit TensorReader(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}  // which must outlive it

  const File& file(uint32_t index);
  // Bytes [begin, begin + bytes) of a tensor's elements: C order, little-endian, packed.
  void read(uint32_t tensor, uint64_t begin, void* to, size_t bytes);
  // Closes both; the next read opens them again.
  void close();

 private:
  const Checkpoint& checkpoint_;
  std::optional<File> file_;
  uint32_t file_index_ = 0;
  std::unique_ptr<Decoder> decoder_;
  uint32_t decoded_ = 0;  // the decoder's tensor
};

// Reads every stretch that the checkpoint's files guard by a checksum (Checkpoint::checksums) and throws Error
// (bad_input) where one does not hold.
void verify_checksums(const Checkpoint& checkpoint);
// The same for the stretches alone that guard this tensor and little else, as a storage's member in an archive does.
// One that guards more than ten times as much (all weights, in a .keras archive) is passed over: to check it means to
// read it all.
void verify_checksums(const Checkpoint& checkpoint, const Tensor& tensor);

}  // namespace weighbridge
