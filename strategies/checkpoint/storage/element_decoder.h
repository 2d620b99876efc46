// Internal to view.cc: reads elements that lie in a storage in whatever order, as C order and little-endian.
//
// Five decoders, by where the bytes are and how they lie:
//
//                  | in the file as they are           | deflated
//   C order        | read; swapped where big-endian    | inflated; swapped where big-endian
//   other orders   | gathered from a private mapping   | at most 16 MiB: inflated whole, gathered from there
//                  |                                   | more: windows of at most 16 MiB of the output, each filled by
//                  |                                   | one pass over the inflated bytes
//
// The mapping: elements of one row of a transposed matrix lie a column apart, so any buffer that serves them is in
// proportion to the tensor or is refilled for each row. Mapped pages are the page cache's own and reclaimable, not
// need; it serves the scattered reads at its own grain.
//
// The windows: nothing of an inflated stream can be reached but what comes next, so memory can only be bounded by
// passing over it again: bytes / 16 MiB times, twice that at the most. Each window is a box of the view (a range along
// one axis, all of the axes after it), so that each piece of the stream knows its elements of the box by two divisions
// an axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/storage/gather.h"
#include "strategies/checkpoint/storage/storage.h"

namespace weighbridge {

constexpr uint64_t kWindowBytes = 16u << 20;

struct ElementOrder {
  uint64_t begin = 0;      // bytes of the storage before element 0
  uint64_t bytes = 0;      // from there to the end of the last element reached; lies within the storage
  std::vector<Axis> axes;  // empty: C order without gaps
  bool swapped = false;    // big-endian
};

// What is swapped as one: half of a complex number.
size_t number_bytes(Dtype dtype);

// All three must outlive the decoder. In a deflated storage axes that span more than kWindowBytes must be nested().
std::unique_ptr<Decoder> open_elements(const Checkpoint& checkpoint, const Storage& storage, const ElementOrder& order,
                                       Dtype dtype);
uint64_t decoder_bytes(const Storage& storage, const ElementOrder& order);  // heap that a decoder holds

}  // namespace weighbridge
