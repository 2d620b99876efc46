#include "strategies/checkpoint/hdf5/cache_image.h"

#include <optional>
#include <utility>
#include <vector>

#include "strategies/checkpoint/hdf5/object_header.h"

namespace weighbridge::hdf5 {

void use_cache_image(Source& source, const Superblock& superblock) {
  if (!superblock.extension) return;
  constexpr std::string_view kWhat = "a metadata cache image";
  std::optional<uint64_t> address;
  uint64_t bytes = 0;
  for_each_message(source, *superblock.extension, [&](const Message& message) {
    if (message.type != MessageType::cache_image) return;
    Cursor body = message.body;
    body.skip(1);  // version
    address = body.address();
    bytes = body.length();
  });
  if (!address) return;

  const Block image = source.block(kWhat, *address, bytes);
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

}  // namespace weighbridge::hdf5
