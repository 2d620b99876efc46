// A checkpoint as every strategy sees it: tensors with name, dtype and shape, and where their bytes lie.
//
// Reading one costs memory in proportion to its number of tensors, never to a number that a file merely claims. A file
// that does not hold what it must ends in an Error of kind bad_input, one line: file, offset, found, expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/dtype/dtype.h"

namespace weighbridge {

// Bytes that lie plainly in a file: C order, little-endian, no compression.
struct Extent {
  uint32_t file = 0;  // index into Checkpoint::files
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct Tensor {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<uint64_t> shape;  // empty for a scalar
  Extent extent;
};

struct CheckpointFile {
  std::string path;
  uint64_t bytes = 0;  // of the whole file, as fstat told
};

struct Checkpoint {
  std::string path;    // as given
  std::string format;  // "safetensors"
  std::vector<CheckpointFile> files;
  std::vector<Tensor> tensors;  // ordered by file, then offset

  uint64_t stored_bytes() const;  // sum of the tensors' bytes
  uint64_t file_bytes() const;    // sum of the files' bytes
  uint64_t table_bytes() const;   // heap held by this table itself
};

// Opens a file, a sharded set through its index (*.safetensors.index.json), or a folder in Hugging Face layout
// (model.safetensors, else model.safetensors.index.json, else the only *.safetensors in it, else the only
// *.safetensors.index.json). A file is taken for what its content says, before its name. Throws Error.
Checkpoint open_checkpoint(const std::string& path);

struct FormatInfo {
  std::string_view name;
  std::string_view summary;
};
std::vector<FormatInfo> formats();

}  // namespace weighbridge
