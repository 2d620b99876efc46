#include "strategies/checkpoint/hdf5/chunk_index.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <compare>
#include <utility>
#include <vector>

#include "strategies/checkpoint/hdf5/btree1.h"
#include "strategies/checkpoint/hdf5/btree2.h"

namespace weighbridge::hdf5 {
namespace {

uint64_t chunk_bytes(const Dataset& dataset) {
  return dataset.chunking.chunk_elements() * dataset.type.bytes();
}

int order_of(std::span<const uint64_t> left, std::span<const uint64_t> right) {
  const auto order = std::lexicographical_compare_three_way(left.begin(), left.end(), right.begin(), right.end());
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

// Keys are a chunk's size, filter mask and first element.
class BTree1Index final : public ChunkIndex {
 public:
  BTree1Index(Source& source, const Dataset& dataset)
      : source_(source),
        dataset_(dataset),
        rank_(dataset.shape.size()),
        key_bytes_(4 + 4 + 8 * (rank_ + 1)),
        stride_(key_bytes_ + source.frame().address_bytes) {}

  std::optional<Chunk> find(std::span<const uint64_t> coordinates) override {
    std::vector<uint64_t> first(rank_);
    for (size_t i = 0; i < rank_; ++i) first[i] = coordinates[i] * dataset_.chunking.shape[i];
    if (leaf_ && covers(*leaf_, first)) return find_in_leaf(first);
    uint64_t address = *dataset_.chunking.address;
    std::optional<uint8_t> below;
    for (;;) {
      leaf_ = read_btree1_node(source_, BTree1Type::chunks, address, key_bytes_, below);
      require_order(*leaf_);
      const std::optional<unsigned> child = child_for(*leaf_, first);
      if (leaf_->level == 0) return find_in_leaf(first);
      below = leaf_->level;
      if (!child) {
        leaf_.reset();  // no leaf
        return std::nullopt;
      }
      Cursor cursor = leaf_->entries.cursor();
      cursor.skip(*child * stride_ + key_bytes_);
      const std::optional<uint64_t> next = cursor.address();
      if (!next) cursor.fail("a node of a B-tree with a child at no address", "its address");
      address = *next;
    }
  }

 private:
  // The nodes have no checksum: that their keys are the first elements of chunks, in order, is what can be checked.
  void require_order(const BTree1Node& node) const {
    std::vector<uint64_t> before;
    for (unsigned i = 0; i < node.children; ++i) {
      Cursor cursor = node.entries.cursor();
      cursor.skip(i * stride_ + 4 + 4 + 8 * rank_);
      bool sane = cursor.u64() == 0;  // within an element
      std::vector<uint64_t> first = key(node, i);
      for (size_t axis = 0; axis < rank_; ++axis) sane = sane && first[axis] % dataset_.chunking.shape[axis] == 0;
      if (!sane || (i > 0 && order_of(before, first) >= 0)) {
        cursor.fail(fmt::format("a key [{}] in a B-tree of chunks", fmt::join(first, ", ")),
                    "the first element of a chunk, behind that of the key before");
      }
      before = std::move(first);
    }
  }

  std::vector<uint64_t> key(const BTree1Node& node, unsigned index) const {
    Cursor cursor = node.entries.cursor();
    cursor.skip(index * stride_ + 4 + 4);
    std::vector<uint64_t> first(rank_);
    for (uint64_t& coordinate : first) coordinate = cursor.u64();
    return first;
  }

  bool covers(const BTree1Node& leaf, std::span<const uint64_t> first) const {
    return leaf.children > 0 && order_of(key(leaf, 0), first) <= 0 && order_of(first, key(leaf, leaf.children)) < 0;
  }

  // The last child whose key is not beyond `first`.
  std::optional<unsigned> child_for(const BTree1Node& node, std::span<const uint64_t> first) const {
    unsigned low = 0, high = node.children;
    while (low < high) {
      const unsigned middle = (low + high) / 2;
      if (order_of(key(node, middle), first) <= 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == 0) return std::nullopt;
    return low - 1;
  }

  std::optional<Chunk> find_in_leaf(std::span<const uint64_t> first) const {
    const std::optional<unsigned> child = child_for(*leaf_, first);
    if (!child || order_of(key(*leaf_, *child), first) != 0) return std::nullopt;
    Cursor cursor = leaf_->entries.cursor();
    cursor.skip(*child * stride_);
    Chunk chunk;
    chunk.bytes = cursor.u32();
    chunk.filter_mask = cursor.u32();
    cursor.skip(key_bytes_ - 8);
    const std::optional<uint64_t> address = cursor.address();
    if (!address) return std::nullopt;
    chunk.address = *address;
    return chunk;
  }

  Source& source_;
  const Dataset& dataset_;
  const size_t rank_, key_bytes_, stride_;
  std::optional<BTree1Node> leaf_;
};

class BTree2Index final : public ChunkIndex {
 public:
  BTree2Index(Source& source, const Dataset& dataset)
      : dataset_(dataset),
        filtered_(!dataset.chunking.filters.empty()),
        size_bytes_(filtered_size_bytes(chunk_bytes(dataset))),
        tree_(source, *dataset.chunking.address, filtered_ ? 11 : 10,
              source.frame().address_bytes + (filtered_ ? size_bytes_ + 4 : 0) + 8 * dataset.shape.size()) {}

  static size_t filtered_size_bytes(uint64_t bytes);

  std::optional<Chunk> find(std::span<const uint64_t> coordinates) override {
    std::vector<uint64_t> there(coordinates.size());
    std::optional<Cursor> record = tree_.find([&](Cursor candidate) {
      candidate.address();
      if (filtered_) candidate.skip(size_bytes_ + 4);
      for (uint64_t& coordinate : there) coordinate = candidate.u64();
      return order_of(coordinates, there);
    });
    if (!record) return std::nullopt;
    const std::optional<uint64_t> address = record->address();
    if (!address) return std::nullopt;
    if (!filtered_) return Chunk{*address, chunk_bytes(dataset_), 0};
    const uint64_t bytes = record->number(size_bytes_);
    return Chunk{*address, bytes, record->u32()};
  }

 private:
  const Dataset& dataset_;
  const bool filtered_;
  const size_t size_bytes_;
  BTree2 tree_;
};

// One more byte than the chunk's own size takes, as filters may make it longer (H5D__bt2_idx_create).
size_t BTree2Index::filtered_size_bytes(uint64_t bytes) {
  const size_t log = static_cast<size_t>(std::bit_width(bytes)) - (bytes == 0 ? 0 : 1);
  return std::min<size_t>(1 + (log + 8) / 8, 8);
}

class SingleIndex final : public ChunkIndex {
 public:
  explicit SingleIndex(const Dataset& dataset) : dataset_(dataset) {}

  std::optional<Chunk> find(std::span<const uint64_t>) override {
    const Chunking& chunking = dataset_.chunking;
    if (chunking.filters.empty()) return Chunk{*chunking.address, chunk_bytes(dataset_), 0};
    return Chunk{*chunking.address, chunking.single_bytes, chunking.single_mask};
  }

 private:
  const Dataset& dataset_;
};

// All chunks one after the other, in the order of the grid that the dataset may grow to.
class ImplicitIndex final : public ChunkIndex {
 public:
  explicit ImplicitIndex(const Dataset& dataset) : dataset_(dataset), grid_(grid_of(dataset, 0)) {}

  std::optional<Chunk> find(std::span<const uint64_t> coordinates) override {
    const uint64_t bytes = chunk_bytes(dataset_);
    uint64_t offset;
    if (__builtin_mul_overflow(grid_.index(coordinates), bytes, &offset) ||
        __builtin_add_overflow(offset, *dataset_.chunking.address, &offset)) {
      offset = UINT64_MAX;  // beyond every file
    }
    return Chunk{offset, bytes, 0};
  }

 private:
  const Dataset& dataset_;
  const ChunkGrid grid_;
};

}  // namespace

ChunkGrid grid_of(const Dataset& dataset, size_t slowest) {
  ChunkGrid grid;
  const size_t rank = dataset.shape.size();
  grid.strides.resize(rank);
  uint64_t stride = 1;
  const auto lay = [&](size_t axis) {
    grid.strides[axis] = stride;
    const uint64_t most = std::max(dataset.most[axis], dataset.shape[axis]);
    const uint64_t chunks = most / dataset.chunking.shape[axis] + (most % dataset.chunking.shape[axis] != 0 ? 1 : 0);
    if (__builtin_mul_overflow(stride, chunks, &stride)) stride = UINT64_MAX;
  };
  for (size_t axis = rank; axis-- > 0;) {
    if (axis != slowest) lay(axis);
  }
  lay(slowest);
  return grid;
}

uint64_t ChunkGrid::index(std::span<const uint64_t> coordinates) const {
  uint64_t index = 0;
  for (size_t axis = 0; axis < coordinates.size(); ++axis) {
    uint64_t part;
    if (__builtin_mul_overflow(coordinates[axis], strides[axis], &part) ||
        __builtin_add_overflow(index, part, &index)) {
      return UINT64_MAX;
    }
  }
  return index;
}

std::unique_ptr<ChunkIndex> open_chunk_index(Source& source, const Dataset& dataset) {
  switch (dataset.chunking.index) {
    case ChunkIndexType::btree1:
      return std::make_unique<BTree1Index>(source, dataset);
    case ChunkIndexType::single:
      return std::make_unique<SingleIndex>(dataset);
    case ChunkIndexType::implicit:
      return std::make_unique<ImplicitIndex>(dataset);
    case ChunkIndexType::fixed_array:
      return open_fixed_array(source, dataset);
    case ChunkIndexType::extensible_array:
      return open_extensible_array(source, dataset);
    case ChunkIndexType::btree2:
      break;
  }
  return std::make_unique<BTree2Index>(source, dataset);
}

}  // namespace weighbridge::hdf5
