// Version 2 B-trees: of the links of large groups and of chunks. Format specification 3.0, III.A.2.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

class BTree2 {
 public:
  // Reads the header. Throws Error (bad_input), also where the tree is of another type or its records are shorter than
  // `record_bytes`.
  BTree2(Source& source, uint64_t address, uint8_t type, size_t record_bytes);

  // Every record, in their order.
  void for_each(const std::function<void(Cursor)>& visit);
  // The record for which `compare` is 0; it is negative where the one sought comes before the one given. The bytes stay
  // valid until the next call.
  std::optional<Cursor> find(const std::function<int(Cursor)>& compare);

 private:
  struct Child {
    uint64_t address = 0;
    uint64_t records = 0;  // in the node itself
  };
  struct Node {
    uint64_t address = 0;
    unsigned depth = 0;
    uint64_t records = 0;
    std::optional<Block> block;
    Cursor at(const BTree2& tree, uint64_t record) const;
    Child child(const BTree2& tree, uint64_t index) const;
  };

  Node read(const Child& child, unsigned depth);
  void visit_below(const Child& child, unsigned depth, const std::function<void(Cursor)>& visit);

  Source& source_;
  uint8_t type_ = 0;
  uint64_t node_bytes_ = 0;
  uint64_t record_bytes_ = 0;
  unsigned depth_ = 0;
  std::optional<Child> root_;              // nullopt: empty
  size_t count_bytes_ = 0;                 // of a node's number of records, in a pointer to it
  std::vector<size_t> total_bytes_;        // by depth: of the number of records below a pointer to such a node
  std::vector<std::optional<Node>> path_;  // by depth, of the last find: chunks are asked for in their order
};

}  // namespace weighbridge::hdf5
