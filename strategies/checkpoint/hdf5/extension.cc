#include "strategies/checkpoint/hdf5/extension.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "strategies/checkpoint/hdf5/object_header.h"

namespace weighbridge::hdf5 {
namespace {

struct Stretch {
  uint64_t address, bytes;
};

void use_cache_image(Source& source, const Stretch& place) {
  const Block image = source.block("a metadata cache image", place.address, place.bytes);
  Cursor cursor = image.checked();
  cursor.expect("MDCI", 0);
  cursor.skip(1);   // flags
  cursor.length();  // of the image
  std::vector<Moved> moved;
  for (uint32_t left = cursor.u32(); left > 0; --left) {
    cursor.skip(4 + 2 + 2);  // type, flags, ring, age, and how many depend on it
    const uint64_t parents = cursor.u16();
    cursor.skip(4);  // its place among the least recently used
    const std::optional<uint64_t> at = cursor.address();
    const uint64_t length = cursor.length();
    cursor.skip(parents * source.frame().address_bytes);
    if (!at) cursor.fail("an entry of a metadata cache image at no address", "its address");
    moved.push_back({*at, length, cursor.file_offset() - source.frame().base});
    cursor.skip(length);
  }
  source.move(std::move(moved));
}

void use_shared_messages(Source& source, uint64_t table, uint8_t indices) {
  const uint64_t a = source.frame().address_bytes;
  const uint64_t index_bytes = 1 + 1 + 2 + 4 + 2 + 2 + 2 + 2 * a;
  constexpr uint64_t kSignature = 4, kChecksum = 4;
  const Block block = source.block("a table of shared messages", table, kSignature + indices * index_bytes + kChecksum);
  Cursor cursor = block.checked();
  if (const auto found = cursor.take(kSignature); !std::equal(found.begin(), found.end(), "SMTB")) {
    cursor.fail("a table of shared messages without SMTB", "that signature");
  }
  for (unsigned i = 0; i < indices; ++i) {
    cursor.skip(1 + 1);  // version, whether it is a list or a tree
    const uint16_t kinds = cursor.u16();
    cursor.skip(4 + 2 + 2 + 2);  // least size, when a list becomes a tree and a tree a list, how many there are
    cursor.address();            // of the index, which only writers need
    if (const std::optional<uint64_t> heap = cursor.address()) source.share({kinds, *heap});
  }
}

}  // namespace

void use_extension(Source& source, const Superblock& superblock) {
  if (!superblock.extension) return;
  std::optional<Stretch> image;
  std::optional<uint64_t> table;
  uint8_t indices = 0;
  for_each_message(source, *superblock.extension, [&](const Message& message) {
    Cursor body = message.body;
    if (message.type == MessageType::cache_image) {
      body.skip(1);  // version
      const std::optional<uint64_t> address = body.address();
      if (address) image = Stretch{*address, body.length()};
    } else if (message.type == MessageType::shared_message_table) {
      body.skip(1);  // version
      table = body.address();
      indices = body.u8();
    }
  });
  if (image) use_cache_image(source, *image);
  if (table) use_shared_messages(source, *table, indices);
}

}  // namespace weighbridge::hdf5
