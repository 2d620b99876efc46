// A checkpoint's file opened for reads past the page cache (O_DIRECT), or through it where that is refused.
//
// O_DIRECT has the device put the file's blocks straight into the reader's memory: the page cache is neither used nor
// filled, and no byte is copied. The price is that file offset, length and address must be whole blocks. statx tells
// their size (STATX_DIOALIGN, Linux 6.1) or that the file has no direct reads at all; before, 4096 serves every device.
#pragma once

#include <cstdint>
#include <string>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"

namespace weighbridge {

// Bytes that a direct read's file offset and length are multiples of: a power of two. An address may be a multiple of
// less, and never needs more than a page. The same for the same file whenever it is asked; no error where it is gone.
uint64_t direct_block(const std::string& path);

class DirectFile {
 public:
  // Throws as open_again does; that O_DIRECT is refused is no error.
  explicit DirectFile(const CheckpointFile& file);

  const File& file() const { return file_; }
  uint64_t block() const { return block_; }
  bool direct() const { return refusal_.empty(); }
  const std::string& refusal() const { return refusal_; }  // why it is not: "Invalid argument"; empty where it is
  // From now on through the page cache. Reads that were submitted stay what they are.
  void read_through_cache(std::string refusal);

 private:
  File file_;
  uint64_t block_;
  std::string refusal_;
};

}  // namespace weighbridge
