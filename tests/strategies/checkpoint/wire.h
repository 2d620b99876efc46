// Protobuf's wire format by hand, and the few messages of ONNX that hold tensors: what no library would write can be
// written too.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace weighbridge::testing::wire {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string little_endian(uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::string tag(uint32_t field, unsigned type) {
  return varint((uint64_t{field} << 3) | type);
}
inline std::string number(uint32_t field, uint64_t value) {
  return tag(field, 0) + varint(value);
}
inline std::string bytes(uint32_t field, std::string_view content) {
  return tag(field, 2) + varint(content.size()) + std::string(content);
}
inline std::string fixed32(uint32_t field, uint32_t value) {
  return tag(field, 5) + little_endian(value, 4);
}
inline std::string fixed64(uint32_t field, uint64_t value) {
  return tag(field, 1) + little_endian(value, 8);
}
inline std::string packed(uint32_t field, const std::vector<int64_t>& values) {
  std::string content;
  for (const int64_t value : values) content += varint(static_cast<uint64_t>(value));
  return bytes(field, content);
}

// The beginning of a TensorProto: dims, data_type, name.
inline std::string tensor(std::string_view name, uint64_t data_type, const std::vector<int64_t>& dims) {
  std::string text;
  for (const int64_t dimension : dims) text += number(1, static_cast<uint64_t>(dimension));
  return text + number(2, data_type) + bytes(8, name);
}
inline std::string raw_data(std::string_view content) {
  return bytes(9, content);
}
// An entry of TensorProto.external_data.
inline std::string external(std::string_view key, std::string_view value) {
  return bytes(13, bytes(1, key) + bytes(2, value));
}
inline std::string external_tensor(std::string_view name, std::string_view location, int64_t floats) {
  return tensor(name, 1, {floats}) + external("location", location) + number(14, 1);
}

inline std::string graph(const std::vector<std::string>& initializers, std::string_view more = "") {
  std::string text = bytes(2, "graph");
  for (const std::string& initializer : initializers) text += bytes(5, initializer);
  return text + std::string(more);
}
inline std::string node_with(std::string_view attribute) {
  return bytes(1, bytes(4, "Operator") + bytes(5, attribute));
}
// A model: ir_version 8, the graph, an opset import.
inline std::string model(std::string_view graph, std::string_view more = "") {
  return number(1, 8) + bytes(7, graph) + bytes(8, number(2, 17)) + std::string(more);
}

}  // namespace weighbridge::testing::wire
