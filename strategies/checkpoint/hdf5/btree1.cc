#include "strategies/checkpoint/hdf5/btree1.h"

#include <fmt/format.h>

namespace weighbridge::hdf5 {

BTree1Node read_btree1_node(Source& source, BTree1Type type, uint64_t address, size_t key_bytes,
                            std::optional<uint8_t> below) {
  constexpr std::string_view kWhat = "a node of a B-tree";
  // A node of chunks of rank 32 with 32 children, as libhdf5 writes them, has 9 KB.
  constexpr uint64_t kMostBytes = 1u << 20;
  const size_t pointer = source.frame().address_bytes;
  const uint64_t header_bytes = 4 + 1 + 1 + 2 + 2 * pointer;
  const Block header = source.block(kWhat, address, header_bytes);
  Cursor cursor = header.cursor();
  cursor.expect("TREE", static_cast<uint8_t>(type));
  const uint8_t level = cursor.u8();
  const uint16_t children = cursor.u16();
  constexpr uint8_t kMostLevels = 16;  // of at least two children each, in any file that a tool writes
  if (level > kMostLevels)
    cursor.fail(fmt::format("a B-tree of {} levels", level), fmt::format("at most {}", kMostLevels));
  if (below && level + 1 != *below) {
    cursor.fail(fmt::format("a node of level {} below one of level {}", level, *below), "one level less each time");
  }
  const uint64_t bytes = children * (key_bytes + pointer) + key_bytes;
  if (bytes > kMostBytes) cursor.fail(fmt::format("a node of a B-tree of {} bytes", bytes), "at most a MiB");
  return {level, children, source.block(kWhat, address + header_bytes, bytes)};
}

}  // namespace weighbridge::hdf5
