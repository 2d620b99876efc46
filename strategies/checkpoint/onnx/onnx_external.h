// The files beside an ONNX model in which tensors lie that are too large for a protobuf message of 2 GiB, or that were
// to be mapped. https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
//
// The location is text out of an untrusted file. It must be a relative path without "..", and what it leads to must lie
// in the model's folder when every link is resolved (require_inside). The document would have ".." stripped; onnx 1.12
// does so, and drops a leading "/" too, and then reads another file than the one named, without a word: a location that
// climbs out is refused here, with its path and the tensor named.
//
// The checksum (SHA-1 of the whole file) is not verified: it would cost reading everything, no writer known writes it,
// no reader known reads it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "strategies/checkpoint/onnx/onnx_tensor.h"

namespace weighbridge {

class OnnxExternalFiles {
 public:
  // Enters the files it opens in `checkpoint.files`, each once. Both must outlive it.
  OnnxExternalFiles(const File& model, Checkpoint& checkpoint);

  // Where the tensor's external data lies, `bytes` of it. Throws Error: bad_input where the location is not allowed or
  // the file does not hold what it must.
  Extent extent(const OnnxTensor& tensor, uint64_t bytes);

  uint64_t heap_bytes() const { return heap_bytes_; }  // about what the table of files takes

 private:
  uint32_t file(const OnnxTensor& tensor);

  const File& model_;
  Checkpoint& checkpoint_;
  std::string folder_;
  std::map<std::string, uint32_t> files_;  // by location, its path made normal
  uint64_t heap_bytes_ = 0;
};

}  // namespace weighbridge
