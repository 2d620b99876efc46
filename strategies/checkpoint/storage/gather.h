// Elements that lie apart from each other, brought into C order: the arithmetic alone, over memory.
//
// Two directions. gather() goes through the output and fetches each element: right where the source can be reached
// anywhere (a mapping). scatter() goes through a stretch of the source and puts each element where it belongs: right
// where the source comes as a stream (inflate) and the output, or a window of it, is in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weighbridge {

constexpr size_t kMaximumAxes = 64;  // PyTorch's and NumPy's own limit

// One dimension of a view, with the distance in elements between its neighbours in the source.
struct Axis {
  uint64_t size = 0;
  uint64_t stride = 0;
};

// A view's axes in C order, without those of size 1 and with neighbours joined where they step as one. No dimension may
// be 0, and their product must fit 64 bits.
std::vector<Axis> joined_axes(std::span<const uint64_t> shape, std::span<const uint64_t> strides);

// Copies the view's elements [first, first + count), in C order, to `to`. `source` is the view's element 0. Element
// sizes: 1, 2, 4, 8, 16 bytes.
void gather(std::span<const Axis> axes, size_t item_bytes, const std::byte* source, uint64_t first, uint64_t count,
            std::byte* to);

// One dimension of a box of elements, which lie apart in the source and elsewhere apart in the output.
struct BoxAxis {
  uint64_t size = 0;
  uint64_t source = 0;  // stride in elements
  uint64_t output = 0;  // stride in elements
  uint64_t reach = 0;   // of the axes after this one in the source: the sum of (size - 1) x stride
};

// Whether no two elements of the view are one in the source, and each axis steps over all that the narrower ones reach:
// what lets scatter find a stretch's elements without looking at the others.
bool nested(std::span<const Axis> axes);

// Copies those elements of the box that lie in the source's elements [piece_first, piece_first + piece_count), which
// are at `piece`; piece_first counts from the box's element 0. `axes` by source stride, the widest first.
void scatter(std::span<const BoxAxis> axes, size_t item_bytes, const std::byte* piece, uint64_t piece_first,
             uint64_t piece_count, std::byte* to);

}  // namespace weighbridge
