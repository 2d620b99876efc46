// A checkpoint as every strategy sees it: tensors with name, dtype and shape, and where their elements lie: plainly in
// a file, so that they can be mapped, or encoded, so that a bounded decoder has to read them.
//
// Reading one costs memory in proportion to its number of tensors, never to a number that a file merely claims. A file
// that does not hold what it must ends in an Error of kind bad_input, one line: file, offset, found, expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// Bytes of a file.
struct Extent {
  uint32_t file = 0;  // index into Checkpoint::files
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// Reads one encoded tensor's elements in C order, little-endian, packed. Cheapest front to back; going back is allowed
// and may start again from the beginning.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Bytes [begin, begin + bytes) of the elements. Throws Error (bad_input) where the file does not give them.
  virtual void read(uint64_t begin, void* to, size_t bytes) = 0;
};

struct Checkpoint;
struct Tensor;

// How elements are laid down where they do not lie plainly. Immutable, shared by tensors that are the same view of the
// same bytes.
class Encoding {
 public:
  virtual ~Encoding() = default;
  // What a person is told of why the tensor cannot be mapped: "compressed with deflate", "big-endian".
  virtual std::string reason() const = 0;
  // A decoder at the beginning. Both arguments must outlive it. It opens the files it needs and holds at most
  // decoder_bytes() of heap, whatever the tensor's size.
  virtual std::unique_ptr<Decoder> open(const Checkpoint& checkpoint, const Tensor& tensor) const = 0;
  virtual uint64_t decoder_bytes() const = 0;
  virtual uint64_t heap_bytes() const = 0;             // of this object, itself included
  virtual uint64_t mapped_bytes() const { return 0; }  // file pages that an open decoder maps, at the most
};

struct Tensor {
  static constexpr uint32_t kItself = UINT32_MAX;

  std::string name;
  std::vector<uint64_t> shape;  // empty for a scalar
  // Plain: exactly the elements (extent.bytes == bytes()), C order, little-endian, no compression. Encoded: the stretch
  // of the file that the decoder reads, as far as one stretch tells it.
  Extent extent;
  std::shared_ptr<const Encoding> encoding;  // null: plain
  // The earlier tensor whose elements these are (same bytes, dtype and shape: tied weights), or kItself. Set by
  // open_checkpoint.
  uint32_t same_as = kItself;
  Dtype dtype = Dtype::f32;

  // Of its elements in the stored dtype. Whoever makes a tensor has seen to it that this is a whole number below 2^64.
  uint64_t bytes() const;
  bool plain() const { return encoding == nullptr; }
};

struct CheckpointFile {
  std::string path;
  uint64_t bytes = 0;  // of the whole file, as fstat told
};

// Something a person should know of a checkpoint that could be read all the same.
struct Remark {
  std::string id;      // "asks-to-run-code", "optimizer-state", "chosen", "left-out"
  std::string text;    // one sentence without its full stop; what it quotes is printable already
  uint64_t bytes = 0;  // of the tensors it speaks of, where it speaks of tensors
};

// Bytes that a file guards by a checksum of its own, and that no decoder checks on the way.
struct Checksummed {
  Extent extent;
  uint32_t crc32 = 0;
  std::string what;  // "member archive/data/0"
};

struct Checkpoint {
  std::string path;    // as given
  std::string format;  // "safetensors"
  std::vector<CheckpointFile> files;
  std::vector<Tensor> tensors;  // ordered by file, then offset
  std::vector<Remark> remarks;
  std::vector<Checksummed> checksums;

  uint64_t stored_bytes() const;  // sum of the tensors' bytes, those that share their elements counted once
  uint64_t file_bytes() const;    // sum of the files' bytes
  uint64_t table_bytes() const;   // heap held by this table itself
};

// Opens a file, a sharded set through its index (*.index.json), or a folder (folder.cc has the order in which a
// folder's files are looked for). A file is taken for what its content says, before its name. Throws Error.
Checkpoint open_checkpoint(const std::string& path);

struct FormatInfo {
  std::string_view name;
  std::string_view summary;
};
std::vector<FormatInfo> formats();

}  // namespace weighbridge
