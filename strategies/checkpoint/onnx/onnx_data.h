// The elements of an ONNX tensor that lie in one of TensorProto's typed fields.
//
// int32_data, int64_data and uint64_data are varints of one to ten bytes: nothing can be mapped, and where element n
// lies is known only to who has read the n - 1 before it. float_data and double_data are fixed and little-endian; in
// one packed run they are plain, but protobuf lets a writer spread them over several runs or single fields, between
// which anything may stand. Both are read front to back here by walking the fields of TensorProto once more. Each
// number gives as many bytes as the element type takes: the low bits of its value, as TensorProto's documentation has
// it for float16 (two bytes), float8 and pairs of 4-bit elements (one byte).
#pragma once

#include <cstdint>
#include <memory>

#include "strategies/checkpoint/checkpoint.h"

namespace weighbridge {

// Numbers of TensorProto's fields.
enum class OnnxField : uint32_t {
  none = 0,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
};

// How many bytes of elements one number of a typed field gives.
unsigned bytes_a_number(OnnxField field, Dtype dtype);

// For tensors whose extent is a stretch of TensorProto's fields and holds, in `field`, as many numbers as their
// elements take. The same object for every tensor of that field; never null for the five numeric fields.
std::shared_ptr<const Encoding> onnx_encoding(OnnxField field);

}  // namespace weighbridge
