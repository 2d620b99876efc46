// Nodes of version 1 B-trees: of symbol tables and of chunks. Format specification 3.0, III.A.1.
#pragma once

#include <cstdint>
#include <optional>

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

enum class BTree1Type : uint8_t { symbols = 0, chunks = 1 };

struct BTree1Node {
  uint8_t level = 0;  // 0: its children are what the tree is about
  uint16_t children = 0;
  Block entries;  // key, child, key, child, ..., key
};

// `below`: the level of the node that led here, so that no path comes to where it has been; nullopt for the root.
// Throws Error (bad_input).
BTree1Node read_btree1_node(Source& source, BTree1Type type, uint64_t address, size_t key_bytes,
                            std::optional<uint8_t> below);

}  // namespace weighbridge::hdf5
