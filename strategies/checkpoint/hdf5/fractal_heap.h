// Fractal heaps, in which large groups keep their links. Format specification 3.0, III.G.
//
// A heap is a row of blocks that double in size, addressed as one stretch of bytes; a table of them (an indirect block)
// may hold further tables. Objects are read in the order in which they lie, so that each block is read once however the
// tree that names them is sorted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

class FractalHeap {
 public:
  // Reads the header. Throws Error (bad_input).
  FractalHeap(Source& source, uint64_t address);

  uint16_t id_bytes() const { return id_bytes_; }
  // Takes note of an object. Throws Error (bad_input) for one that lies outside the heap's blocks (a link of more than
  // 4 KB).
  void want(Cursor id);
  // Visits what was wanted.
  void read(const std::function<void(Cursor)>& visit);

 private:
  struct Wanted {
    uint64_t offset;  // in the heap
    uint64_t bytes;
  };
  struct DirectBlock {
    uint64_t begin, bytes;  // in the heap
    Block block;
  };

  uint64_t row_bytes(unsigned row) const;   // of each block in it
  uint64_t row_offset(unsigned row) const;  // of its first block
  DirectBlock find_block(uint64_t offset);
  DirectBlock read_direct(uint64_t address, uint64_t begin, uint64_t bytes);

  Source& source_;
  uint16_t id_bytes_ = 0;
  uint16_t width_ = 0;
  uint64_t first_bytes_ = 0, largest_direct_ = 0;
  unsigned direct_rows_ = 0;
  uint16_t heap_bits_ = 0;
  std::optional<uint64_t> root_;
  uint16_t root_rows_ = 0;  // 0: the root is a block and no table
  bool checksums_ = false;
  size_t offset_bytes_ = 0, count_bytes_ = 0;
  std::vector<Wanted> wanted_;
};

}  // namespace weighbridge::hdf5
