// What chunks pass through on their way into the file, undone. Format specification 3.0, IV.A.2.l, and libhdf5's H5Z*.c
// for what each filter writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

enum FilterId : uint16_t {
  kDeflate = 1,
  kShuffle = 2,
  kFletcher32 = 3,
  kSzip = 4,
  kNbit = 5,
  kScaleOffset = 6,
  kLzf = 32000,  // h5py's own
};

// Empty where all of them can be undone, else the first that cannot: "filter 32001 (Blosc)".
std::string unknown_filter(const std::vector<Filter>& filters);
// "deflate, shuffle"
std::string names_of(const std::vector<Filter>& filters);
// How many bytes one stored byte can stand for at the most, in any data that these filters wrote.
uint64_t most_expanded(const std::vector<Filter>& filters);

// Bytes without the zeros that a vector begins with.
struct Buffer {
  std::unique_ptr<unsigned char[]> data;
  size_t size = 0;

  Buffer() = default;
  explicit Buffer(size_t bytes) : data(std::make_unique_for_overwrite<unsigned char[]>(bytes)), size(bytes) {}
  std::span<unsigned char> span() { return {data.get(), size}; }
  std::span<const unsigned char> span() const { return {data.get(), size}; }
};

// A chunk's elements. `shuffled`: the first bytes of all elements, then the second ones, ...: undoing that in place
// would take a second buffer of the chunk's size, and whoever copies elements can do it on the way.
struct Elements {
  Buffer bytes;
  bool shuffled = false;
};

// How many buffers of a chunk's size undo() holds: 1 where a compression stands alone, or beside shuffle and
// Fletcher-32, else 2.
unsigned buffers_for(const std::vector<Filter>& filters, size_t element_bytes);

// Undoes the filters that `mask` does not leave out. `at` tells messages where the chunk is. Throws Error (bad_input)
// where the result is not of `chunk_bytes`.
Elements undo(const std::vector<Filter>& filters, uint32_t mask, std::span<const unsigned char> stored,
              uint64_t chunk_bytes, size_t element_bytes, const Cursor& at);

// Single filters, into a buffer of the size that must come out: filters.cc, szip.cc, packed.cc.
void undo_szip(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
               const Cursor& at);
void undo_nbit(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
               const Cursor& at);
void undo_scale_offset(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
                       const Cursor& at);

}  // namespace weighbridge::hdf5
