// Reads elements of a chunked dataset in C order.
//
// A stretch of elements is taken apart into boxes, at most two for each dimension; each box visits the chunks that it
// cuts, and copies from each what they share. The chunks of one row of chunks are kept while elements are read front to
// back, as each of them is met once for every row of elements: that is the memory this takes, the smaller of one row of
// chunks and 32 MiB + an eighth of the file. Where a row does not fit, chunks are decoded again; a file that would need
// that more than 16 times over (columns for chunks, in a file that compresses extremely) is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "strategies/checkpoint/hdf5/chunk_index.h"
#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/filters.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

// Along one dimension, or several that are one as far as chunks are concerned: those behind the first are not divided.
struct ChunkAxis {
  uint64_t size = 0;     // in elements
  uint64_t chunk = 0;    // of each chunk
  size_t dimension = 0;  // the first
  uint64_t chunks() const { return size / chunk + (size % chunk != 0 ? 1 : 0); }
};
std::vector<ChunkAxis> chunk_axes(const Dataset& dataset);
uint64_t chunk_count(const Dataset& dataset);

class ChunkedElements {
 public:
  // Heap that an object of this class holds at most.
  static uint64_t heap_bytes(const Frame& frame, const Dataset& dataset);

  // Both must outlive it; no dimension of the dataset may be 0. Throws Error (bad_input), also where a filtered chunk
  // needs more memory than the file's size + 48 MiB.
  ChunkedElements(Source& source, const Dataset& dataset);

  // Elements [first, first + count) in C order, as the file stores them.
  void read(uint64_t first, uint64_t count, unsigned char* to);

 private:
  struct Held {
    uint64_t number = UINT64_MAX;  // of the chunk
    bool written = false;
    Elements elements;
    std::unique_ptr<Mapping> mapping;  // in place of `elements`: a large chunk without filters
  };
  using Place = std::vector<uint64_t>;  // one number an axis

  void read_box(const Place& low, const Place& high, unsigned char* to);
  void copy_shared(const Held& held, const Place& chunk, const Place& low, const Place& high, unsigned char* to) const;
  void copy_run(const Held& held, uint64_t element, uint64_t count, unsigned char* to) const;
  const Held& chunk_at(const Place& place);
  void load(Held& held, const Place& place);
  bool is_cut(const Place& place) const;

  Source& source_;
  const Dataset& dataset_;
  const size_t element_bytes_;
  const uint64_t chunk_bytes_;
  const std::vector<ChunkAxis> axes_;
  std::vector<uint64_t> strides_;        // of the axes, in elements of the dataset
  std::vector<uint64_t> chunk_strides_;  // in elements of a chunk
  const std::unique_ptr<ChunkIndex> index_;
  const size_t capacity_;
  std::vector<Held> held_;
  size_t oldest_ = 0;  // once there are as many as may be
  std::unordered_map<uint64_t, size_t> by_number_;
  uint64_t decoded_ = 0, delivered_ = 0;  // bytes
};

}  // namespace weighbridge::hdf5
