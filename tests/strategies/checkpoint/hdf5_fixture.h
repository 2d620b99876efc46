// HDF5 files made byte by byte, in the format's later form (superblock 2, object headers with checksums), so that a
// test can claim in one field what no writer would.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace weighbridge::testing {

constexpr uint64_t kNowhere = UINT64_MAX;  // HDF5's undefined address

// `value` in `bytes` bytes, little-endian.
std::string le(uint64_t value, unsigned bytes);
std::string guarded(std::string bytes);  // with lookup3 behind it

struct Hdf5Message {
  uint8_t type;
  std::string body;
  uint8_t flags = 0;
};

Hdf5Message dataspace(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& most = {});
Hdf5Message float32();
Hdf5Message signed_bytes();
Hdf5Message contiguous(uint64_t address, uint64_t bytes);
// Version 3, whose chunks are found by a version 1 B-tree; `chunk` ends with the element's size.
Hdf5Message chunked(uint64_t tree, const std::vector<uint32_t>& chunk);
// Version 4, a single chunk with filters.
Hdf5Message single_chunk(uint64_t address, const std::vector<uint32_t>& chunk, uint64_t stored_bytes,
                         uint8_t flags = 2);
struct Hdf5Filter {
  uint16_t id;
  std::vector<uint32_t> parameters;
};
Hdf5Message filters(const std::vector<Hdf5Filter>& filters);
Hdf5Message link(std::string_view name, uint64_t address);
Hdf5Message soft_link(std::string_view name, std::string_view path);

class Hdf5File {
 public:
  uint64_t add(const std::string& bytes);  // its address
  uint64_t object(const std::vector<Hdf5Message>& messages);
  // The file, with this root group.
  std::string with_root(const std::vector<Hdf5Message>& links);
  // The file, with a dataset "x" of these messages alone.
  std::string with_dataset(const std::vector<Hdf5Message>& messages);
  uint64_t next() const { return bytes_.size(); }  // address of what is added next

 private:
  std::string bytes_ = std::string(48, '\0');  // room for the superblock
};

}  // namespace weighbridge::testing
