// One TensorProto: what it says, held against itself, and the tensor that it makes.
//
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, and the checks of onnx's own checker (onnx/checker.cc): a
// type and a name, exactly one field with data (none for a tensor without elements or with external data), and that
// field the one which the documentation names for the type. Stricter than it: the number of elements must be what the
// dims say, which the checker leaves to the runtime that crashes on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/onnx/onnx_data.h"
#include "strategies/checkpoint/onnx/protobuf.h"

namespace weighbridge {

class OnnxExternalFiles;

// Data in a file of its own, as the key-value pairs of external_data tell it.
struct OnnxExternalData {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;  // where it is not said, as many bytes as the dims ask for
};

struct OnnxTensor {
  uint64_t at = 0;  // of its fields, in the file
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t data_type = 0;  // TensorProto.DataType
  std::optional<OnnxExternalData> external;

  // The field that holds its data (raw_data or a typed one), and how much stands in it: bytes of raw_data, else
  // numbers.
  OnnxField field = OnnxField::none;
  uint64_t values = 0;
  uint64_t runs = 0;            // pieces in which they came: packed runs, single numbers
  uint64_t begin = 0, end = 0;  // in the file, from the first piece's tag to the last piece's end
  uint64_t content_at = 0;      // of the last piece
};

// Throws Error (bad_input) where the message contradicts itself.
OnnxTensor read_onnx_tensor(WireMessage message);

// Why a tensor is not made, where that is no fault of the file.
enum class OnnxLeftOut : uint8_t {
  no,
  text,       // elements are strings
  half_byte,  // an odd number of 4-bit elements: the last byte is half padding
};
OnnxLeftOut left_out(const OnnxTensor& tensor);

// The tensor that lies in `file` (the model, index `model` of the checkpoint's files) or in one of the external files.
// Its left_out must be `no`. Throws Error (bad_input) where type, dims and data do not fit each other.
Tensor place_onnx_tensor(OnnxTensor tensor, const File& file, uint32_t model, OnnxExternalFiles& external);

// "PATH: byte AT: found tensor "NAME" FOUND, expected EXPECTED".
[[noreturn]] void refuse(const OnnxTensor& tensor, const File& file, std::string_view found, std::string_view expected);

}  // namespace weighbridge
