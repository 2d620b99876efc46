// The bytes of a GGUF file in the making.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weighbridge::testing {

// Types of a key's value, by their numbers in the file.
inline constexpr uint32_t kU16 = 2, kU32 = 4, kF32 = 6, kString = 8, kArray = 9;

// Little-endian.
struct GgufBytes {
  std::string bytes;

  GgufBytes& number(uint64_t value, unsigned width) {
    for (unsigned byte = 0; byte < width; ++byte) bytes += static_cast<char>(value >> (8 * byte) & 0xff);
    return *this;
  }
  GgufBytes& u32(uint64_t value) { return number(value, 4); }
  GgufBytes& u64(uint64_t value) { return number(value, 8); }
  GgufBytes& text(std::string_view text) {
    u64(text.size());
    bytes += text;
    return *this;
  }
  GgufBytes& zeros(size_t count) {
    bytes.append(count, '\0');
    return *this;
  }
  // Up to a multiple of `alignment`.
  GgufBytes& pad(size_t alignment = 32) { return zeros((alignment - bytes.size() % alignment) % alignment); }
  GgufBytes& info(std::string_view name, std::initializer_list<uint64_t> ne, uint32_t type, uint64_t offset) {
    text(name).u32(ne.size());
    for (const uint64_t dimension : ne) u64(dimension);
    return u32(type).u64(offset);
  }
};

inline GgufBytes header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  GgufBytes file;
  file.bytes = "GGUF";
  return file.u32(version).u64(tensors).u64(keys);
}

}  // namespace weighbridge::testing
