// Where a dataset's chunks are. Six kinds of index lead there; each finds one chunk by its place in the grid of chunks,
// in memory that does not grow with their number. Format specification 3.0, III.A, IV.A.2.i and appendix C.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

struct Chunk {
  uint64_t address = 0;
  uint64_t bytes = 0;        // as stored
  uint32_t filter_mask = 0;  // bit i: filter i was left out
};

class ChunkIndex {
 public:
  virtual ~ChunkIndex() = default;
  // The chunk at these coordinates, counted in chunks; nullopt: it was never written. Throws Error (bad_input).
  virtual std::optional<Chunk> find(std::span<const uint64_t> coordinates) = 0;
};

// The number of a chunk in the order in which arrays count them: C order over the grid that the dataset may grow to,
// but for the dimension that may grow without end, which is the slowest.
struct ChunkGrid {
  std::vector<uint64_t> strides;
  uint64_t index(std::span<const uint64_t> coordinates) const;  // UINT64_MAX where it overflows
};
ChunkGrid grid_of(const Dataset& dataset, size_t slowest);

// Both arguments must outlive it; the dataset is chunked, and its address is known. Throws Error (bad_input).
std::unique_ptr<ChunkIndex> open_chunk_index(Source& source, const Dataset& dataset);

// The arrays: chunk_arrays.cc.
std::unique_ptr<ChunkIndex> open_fixed_array(Source& source, const Dataset& dataset);
std::unique_ptr<ChunkIndex> open_extensible_array(Source& source, const Dataset& dataset);

}  // namespace weighbridge::hdf5
