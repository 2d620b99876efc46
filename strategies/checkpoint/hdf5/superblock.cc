#include "strategies/checkpoint/hdf5/superblock.h"

#include <fmt/format.h>

#include <algorithm>

#include "strategies/error.h"

namespace weighbridge::hdf5 {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::string_view kWhat = "a superblock";
constexpr uint64_t kSmallestUserBlock = 512;
constexpr uint64_t kLongest = 128;  // of a superblock: version 1 with addresses of 8 bytes has 100

void require_size(const Cursor& at, std::string_view of, unsigned bytes) {
  if (bytes != 2 && bytes != 4 && bytes != 8) {
    at.fail(fmt::format("a superblock with {} of {} bytes", of, bytes), "2, 4 or 8");
  }
}

// Versions 0 and 1, after the version. Returns the base address and the end that the file gives itself.
void read_old(Cursor& cursor, unsigned version, Superblock& superblock, uint64_t& base, uint64_t& end) {
  cursor.skip(2 + 1);  // versions of the free-space information and of the root's entry, reserved
  cursor.skip(1);      // version of shared header messages
  superblock.frame.address_bytes = cursor.u8();
  require_size(cursor, "addresses", superblock.frame.address_bytes);
  superblock.frame.length_bytes = cursor.u8();
  require_size(cursor, "lengths", superblock.frame.length_bytes);
  cursor.skip(1 + 2 + 2 + 4);            // reserved, K of groups' leaves and inner nodes, consistency flags
  if (version == 1) cursor.skip(2 + 2);  // K of chunks, reserved
  base = cursor.address().value_or(0);
  cursor.address();  // of the free-space information
  end = cursor.number(superblock.frame.address_bytes);
  cursor.address();  // of the driver's information
  cursor.length();   // of the root's name, which it has none
  const std::optional<uint64_t> root = cursor.address();
  if (!root) cursor.fail("a superblock without a root group", "its address");
  superblock.root = *root;
}

// Versions 2 and 3.
void read_new(Cursor& cursor, unsigned version, const File& file, uint64_t at, Superblock& superblock, uint64_t& base,
              uint64_t& end) {
  superblock.frame.address_bytes = cursor.u8();
  require_size(cursor, "addresses", superblock.frame.address_bytes);
  superblock.frame.length_bytes = cursor.u8();
  require_size(cursor, "lengths", superblock.frame.length_bytes);
  const uint8_t flags = cursor.u8();
  base = cursor.address().value_or(0);
  superblock.extension = cursor.address();
  end = cursor.number(superblock.frame.address_bytes);
  const std::optional<uint64_t> root = cursor.address();
  if (!root) cursor.fail("a superblock without a root group", "its address");
  superblock.root = *root;

  std::vector<unsigned char> bytes(cursor.position() + 4);
  cursor.skip(4);  // so that the checksum is known to be there
  file.read(at, bytes.data(), bytes.size());
  const Block guarded(file, superblock.frame, kWhat, at, std::move(bytes));
  guarded.checked();
  constexpr uint8_t kWriting = 1, kWritingWithReaders = 4;
  if (version == 3 && (flags & (kWriting | kWritingWithReaders)) != 0) {
    throw format_error(file.path(), at, "a file that was not closed by what wrote it",
                       "one that was; if nothing writes to it any more, `h5clear --status` sets it right");
  }
}

}  // namespace

std::optional<uint64_t> find_superblock(const File& file, uint64_t begin, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at = at == 0 ? kSmallestUserBlock : at * 2) {
    if (bytes - at < kSignature.size()) break;
    if (file.peek(begin + at, kSignature.size()) == kSignature) return begin + at;
  }
  return std::nullopt;
}

Superblock read_superblock(const File& file, uint64_t begin, uint64_t bytes) {
  const std::optional<uint64_t> found = find_superblock(file, begin, bytes);
  if (!found) {
    throw format_error(file.path(), begin, "no HDF5 signature", "one at byte 0, or at 512, 1024, 2048 and so on");
  }
  const uint64_t at = *found, available = begin + bytes - at;
  Superblock superblock;
  superblock.frame = {at, available, 8, 8};
  const std::string raw = file.peek(at, static_cast<size_t>(std::min(available, kLongest)));
  Cursor cursor(file, superblock.frame, kWhat, {reinterpret_cast<const unsigned char*>(raw.data()), raw.size()}, at);
  cursor.skip(kSignature.size());
  const uint8_t version = cursor.u8();
  uint64_t base = 0, end = 0;
  if (version <= 1) {
    read_old(cursor, version, superblock, base, end);
  } else if (version <= 3) {
    read_new(cursor, version, file, at, superblock, base, end);
  } else {
    cursor.fail(fmt::format("a superblock of version {}", version), "0 to 3");
  }
  // The base is where the superblock was when it was written. What was put before it later, or taken away, moves it:
  // all addresses count from where it stands now.
  if (end < base || end - base > available) {
    cursor.fail(fmt::format("{} bytes from the superblock on", available),
                fmt::format("{}, as it says itself: the file was cut", end < base ? 0 : end - base));
  }
  superblock.frame.bytes = end - base;
  return superblock;
}

}  // namespace weighbridge::hdf5
