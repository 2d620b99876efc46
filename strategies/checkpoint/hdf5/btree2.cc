#include "strategies/checkpoint/hdf5/btree2.h"

#include <fmt/format.h>

#include <bit>

namespace weighbridge::hdf5 {
namespace {

constexpr std::string_view kHeader = "the header of a B-tree", kNode = "a node of a B-tree";
constexpr uint64_t kPrefix = 4 + 1 + 1, kChecksum = 4;

// Bytes that a number of at most `most` takes (H5VM_limit_enc_size).
size_t bytes_for(uint64_t most) {
  return most == 0 ? 1 : (static_cast<size_t>(std::bit_width(most)) - 1) / 8 + 1;
}

}  // namespace

BTree2::BTree2(Source& source, uint64_t address, uint8_t type, size_t record_bytes) : source_(source), type_(type) {
  const unsigned pointer = source.frame().address_bytes;
  const uint64_t header_bytes = kPrefix + 4 + 2 + 2 + 1 + 1 + pointer + 2 + source.frame().length_bytes + kChecksum;
  const Block header = source.block(kHeader, address, header_bytes);
  Cursor cursor = header.checked();
  cursor.expect("BTHD", 0);
  if (const uint8_t found = cursor.u8(); found != type) {
    cursor.fail(fmt::format("a B-tree of type {}", found), fmt::format("{}", type));
  }
  node_bytes_ = cursor.u32();
  record_bytes_ = cursor.u16();
  depth_ = cursor.u16();
  cursor.skip(2);  // when to split and to merge
  const std::optional<uint64_t> root = cursor.address();
  const uint16_t root_records = cursor.u16();
  if (root) root_ = Child{*root, root_records};

  constexpr uint64_t kMostNodeBytes = 64u << 10;  // libhdf5 writes 512 to 2048
  constexpr unsigned kMostDepth = 16;
  if (node_bytes_ > kMostNodeBytes || record_bytes_ < record_bytes || depth_ > kMostDepth) {
    cursor.fail(fmt::format("a B-tree of depth {} with nodes of {} and records of {} bytes", depth_, node_bytes_,
                            record_bytes_),
                fmt::format("at most {} and {} bytes, and at least {}", kMostDepth, kMostNodeBytes, record_bytes));
  }
  // How many bytes the counts in a pointer take follows from how many records fit below it: H5B2__hdr_init.
  const uint64_t overhead = kPrefix + kChecksum;
  const uint64_t in_leaf = node_bytes_ > overhead ? (node_bytes_ - overhead) / record_bytes_ : 0;
  if (in_leaf == 0) cursor.fail(fmt::format("a B-tree with nodes of {} bytes", node_bytes_), "room for a record");
  count_bytes_ = bytes_for(in_leaf);
  total_bytes_.push_back(0);  // a leaf's count is not said twice
  uint64_t below = in_leaf;
  for (unsigned depth = 1; depth <= depth_; ++depth) {
    const uint64_t child = pointer + count_bytes_ + total_bytes_[depth - 1];
    const uint64_t in_node =
        node_bytes_ > overhead + child ? (node_bytes_ - overhead - child) / (record_bytes_ + child) : 0;
    if (in_node == 0 || __builtin_mul_overflow(in_node + 1, below, &below) ||
        __builtin_add_overflow(below, in_node, &below)) {
      cursor.fail(fmt::format("a B-tree of depth {} with nodes of {} bytes", depth_, node_bytes_), "room for a record");
    }
    total_bytes_.push_back(bytes_for(below));
  }
  path_.resize(depth_ + 1);
}

Cursor BTree2::Node::at(const BTree2& tree, uint64_t record) const {
  Cursor cursor = block->cursor();
  cursor.skip(kPrefix + record * tree.record_bytes_);
  return cursor.part(tree.record_bytes_);
}

BTree2::Child BTree2::Node::child(const BTree2& tree, uint64_t index) const {
  const size_t total = tree.total_bytes_[depth - 1];
  const uint64_t bytes = tree.source_.frame().address_bytes + tree.count_bytes_ + total;
  Cursor cursor = block->cursor();
  cursor.skip(kPrefix + records * tree.record_bytes_ + index * bytes);
  const std::optional<uint64_t> found = cursor.address();
  if (!found) cursor.fail("a node of a B-tree with a child at no address", "its address");
  return {*found, cursor.number(tree.count_bytes_)};
}

BTree2::Node BTree2::read(const Child& child, unsigned depth) {
  uint64_t bytes = kPrefix + child.records * record_bytes_ + kChecksum;
  if (depth > 0) {
    bytes += (child.records + 1) * (source_.frame().address_bytes + count_bytes_ + total_bytes_[depth - 1]);
  }
  Node node{child.address, depth, child.records, source_.block(kNode, child.address, bytes)};
  Cursor cursor = node.block->checked();
  if (bytes > node_bytes_) {
    cursor.fail(fmt::format("a node of {} records", child.records), fmt::format("at most {} bytes", node_bytes_));
  }
  cursor.expect(depth == 0 ? "BTLF" : "BTIN", 0);
  if (const uint8_t found = cursor.u8(); found != type_) {
    cursor.fail(fmt::format("a node of a B-tree of type {}", found), fmt::format("{}", type_));
  }
  return node;
}

void BTree2::visit_below(const Child& child, unsigned depth, const std::function<void(Cursor)>& visit) {
  const Node node = read(child, depth);
  for (uint64_t i = 0; i <= node.records; ++i) {
    if (depth > 0) visit_below(node.child(*this, i), depth - 1, visit);
    if (i < node.records) visit(node.at(*this, i));
  }
}

void BTree2::for_each(const std::function<void(Cursor)>& visit) {
  if (root_) visit_below(*root_, depth_, visit);
}

std::optional<Cursor> BTree2::find(const std::function<int(Cursor)>& compare) {
  if (!root_) return std::nullopt;
  Child child = *root_;
  for (unsigned depth = depth_;; --depth) {
    std::optional<Node>& node = path_[depth];
    if (!node || node->address != child.address || node->records != child.records) node = read(child, depth);
    uint64_t low = 0, high = node->records;
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      const Cursor record = node->at(*this, middle);
      const int order = compare(record);
      if (order == 0) return record;
      if (order < 0) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    if (depth == 0) return std::nullopt;
    child = node->child(*this, low);
  }
}

}  // namespace weighbridge::hdf5
