#include "tests/strategies/checkpoint/hdf5_fixture.h"

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::testing {

std::string le(uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) & 0xff : 0);
  return text;
}

std::string guarded(std::string bytes) {
  return bytes + le(hdf5::checksum({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()}), 4);
}

Hdf5Message dataspace(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& most) {
  std::string body = le(2, 1) + le(shape.size(), 1) + le(most.empty() ? 0 : 1, 1) + le(shape.empty() ? 0 : 1, 1);
  for (const uint64_t dimension : shape) body += le(dimension, 8);
  for (const uint64_t dimension : most) body += le(dimension, 8);
  return {0x01, body};
}

Hdf5Message float32() {
  // Version 1, class 1; normalised with an implied bit, the sign at bit 31; exponent 8 bits at 23, bias 127.
  return {0x03, le(0x11, 1) + le(0x1f20, 3) + le(4, 4) + le(0, 2) + le(32, 2) + le(23, 1) + le(8, 1) + le(0, 1) +
                    le(23, 1) + le(127, 4)};
}

Hdf5Message signed_bytes() {
  return {0x03, le(0x10, 1) + le(0x08, 3) + le(1, 4) + le(0, 2) + le(8, 2)};
}

Hdf5Message contiguous(uint64_t address, uint64_t bytes) {
  return {0x08, le(3, 1) + le(1, 1) + le(address, 8) + le(bytes, 8)};
}

Hdf5Message chunked(uint64_t tree, const std::vector<uint32_t>& chunk) {
  std::string body = le(3, 1) + le(2, 1) + le(chunk.size(), 1) + le(tree, 8);
  for (const uint32_t dimension : chunk) body += le(dimension, 4);
  return {0x08, body};
}

Hdf5Message single_chunk(uint64_t address, const std::vector<uint32_t>& chunk, uint64_t stored_bytes, uint8_t flags) {
  std::string body = le(4, 1) + le(2, 1) + le(flags, 1) + le(chunk.size(), 1) + le(4, 1);
  for (const uint32_t dimension : chunk) body += le(dimension, 4);
  body += le(1, 1);
  if ((flags & 2) != 0) body += le(stored_bytes, 8) + le(0, 4);
  return {0x08, body + le(address, 8)};
}

Hdf5Message filters(const std::vector<Hdf5Filter>& filters) {
  std::string body = le(2, 1) + le(filters.size(), 1);
  for (const Hdf5Filter& filter : filters) {
    body += le(filter.id, 2);
    if (filter.id >= 256) body += le(0, 2);  // no name
    body += le(0, 2) + le(filter.parameters.size(), 2);
    for (const uint32_t parameter : filter.parameters) body += le(parameter, 4);
  }
  return {0x0b, body};
}

Hdf5Message link(std::string_view name, uint64_t address) {
  return {0x06, le(1, 1) + le(1, 1) + le(name.size(), 2) + std::string(name) + le(address, 8)};
}

Hdf5Message soft_link(std::string_view name, std::string_view path) {
  return {0x06, le(1, 1) + le(0x09, 1) + le(1, 1) + le(name.size(), 2) + std::string(name) + le(path.size(), 2) +
                    std::string(path)};
}

uint64_t Hdf5File::add(const std::string& bytes) {
  const uint64_t at = bytes_.size();
  bytes_ += bytes;
  return at;
}

uint64_t Hdf5File::object(const std::vector<Hdf5Message>& messages) {
  std::string body;
  for (const Hdf5Message& message : messages) {
    body += le(message.type, 1) + le(message.body.size(), 2) + le(message.flags, 1) + message.body;
  }
  return add(guarded("OHDR" + le(2, 1) + le(2, 1) + le(body.size(), 4) + body));
}

std::string Hdf5File::with_root(const std::vector<Hdf5Message>& links) {
  std::vector<Hdf5Message> messages{{0x02, le(0, 1) + le(0, 1) + le(kNowhere, 8) + le(kNowhere, 8)}};
  messages.insert(messages.end(), links.begin(), links.end());
  const uint64_t root = object(messages);
  const std::string superblock = guarded("\x89HDF\r\n\x1a\n" + le(2, 1) + le(8, 1) + le(8, 1) + le(0, 1) + le(0, 8) +
                                         le(kNowhere, 8) + le(bytes_.size(), 8) + le(root, 8));
  return superblock + bytes_.substr(superblock.size());
}

std::string Hdf5File::with_dataset(const std::vector<Hdf5Message>& messages) {
  const uint64_t x = object(messages);
  return with_root({link("x", x)});
}

}  // namespace weighbridge::testing
