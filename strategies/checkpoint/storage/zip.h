// The directory of a zip archive, as torch, NumPy and Keras write archives: which members there are, and where their
// bytes lie. APPNOTE.TXT of PKWARE, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT; zip64 included.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/checkpoint/reader.h"
#include "strategies/checkpoint/storage/storage.h"
#include "strategies/error.h"

namespace weighbridge {

struct ZipMember {
  std::string name;        // bytes as they stand in the file, without NUL; for messages through in_quotes
  uint64_t header_at = 0;  // of its local header
  uint64_t end_limit = 0;  // where the next member, or the directory, begins: what it may reach at most
  uint64_t stored_bytes = 0;
  uint64_t plain_bytes = 0;
  uint32_t crc32 = 0;  // of the plain bytes
  uint16_t method = 0, flags = 0;

  bool stored() const { return method == 0; }
};

class ZipArchive {
 public:
  // Reads the directory. Throws Error (bad_input) where it does not hold together. Keeps a reference to `file`.
  explicit ZipArchive(const File& file);

  const std::vector<ZipMember>& members() const { return members_; }  // in the directory's order
  const ZipMember* find(std::string_view name) const;                 // null: none of that name

  // Where a member's bytes are, after holding its local header against the directory; `file` is the archive's index in
  // Checkpoint::files. Throws Error (bad_input) where the two differ, and for a member that is encrypted or compressed
  // in another way than with deflate.
  Storage storage(const ZipMember& member, uint32_t file) const;

 private:
  void read_directory(uint64_t at, uint64_t bytes, uint64_t count);
  void settle(uint64_t directory_at);

  const File& file_;
  std::vector<ZipMember> members_;
  std::vector<uint32_t> by_name_;
};

// Whether a file begins as an archive does. What precedes one (a program that unpacks itself) makes it none here: torch
// and NumPy look at the first bytes too.
bool begins_as_zip(const File& file);

// Whether a file is an archive that a rule holds for. False also for one that does not hold together: whoever it is
// read as will say why.
template <class Rule>
bool is_zip_with(const File& file, const Rule& rule) {
  if (!begins_as_zip(file)) return false;
  try {
    return rule(ZipArchive(file));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::bad_input) throw;
    return false;
  }
}

// The CRC-32 of a stored member, for Checkpoint::checksums; a deflated one's is checked on the way.
Checksummed checksum_of(const ZipMember& member, const Storage& storage);

}  // namespace weighbridge
