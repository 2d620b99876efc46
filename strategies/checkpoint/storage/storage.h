// A run of bytes that tensors' elements lie in: a stretch of a file as it is, or what a deflated zip member holds once
// inflated. view.h lays tensors over it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "strategies/checkpoint/checkpoint.h"

namespace weighbridge {

struct Deflated {
  uint64_t plain_bytes = 0;
  uint32_t crc32 = 0;  // of the plain bytes
  std::string member;  // for messages
};

struct Storage {
  Extent extent;                             // in the file; deflated: of the compressed bytes
  std::shared_ptr<const Deflated> deflated;  // null: the bytes lie plainly in `extent`

  uint64_t bytes() const { return deflated ? deflated->plain_bytes : extent.bytes; }
};

// Reads a storage's bytes: [begin, begin + bytes) must lie within it. A deflated one is inflated front to back through
// 64 KiB of input; going back begins again. Once its last byte has been read, its size and CRC-32 have held.
// `checkpoint` and `storage` must outlive the decoder. Throws Error (bad_input) for a broken stream.
std::unique_ptr<Decoder> open_storage(const Checkpoint& checkpoint, const Storage& storage);
uint64_t decoder_bytes(const Storage& storage);  // heap that a decoder of it holds

}  // namespace weighbridge
