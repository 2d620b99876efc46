// What a directory must be here is what the writers make (all archives of torch, NumPy and Keras that were looked at),
// and no reader of the field is asked to agree on more: records that describe each other exactly, from the first member
// to the end of the file. Every laxness is a place where two readers see two different archives (data before the
// archive, a second end record in the comment, names twice, a local header that says otherwise, members that overlap:
// "A better zip bomb", D. Fifield, 2019).
//
// The reader is our own and not minizip's (1.1, Debian 12): that opens a member under another name than its local
// header has, and two members over each other, and does not tell where a record or a local header stands, so that all
// of the above would have to be read beside it once more. It also reads a byte a call, 123 calls a member.
//
// Memory: a record in the directory and a local header take at least 76 bytes of the file and both hold the name; what
// is kept of a member is as much.
#include "strategies/checkpoint/storage/zip.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <tuple>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint32_t kLocalMagic = 0x04034b50, kRecordMagic = 0x02014b50, kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50, kLocatorMagic = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kRecordBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kLongestComment = 0xffff;
constexpr uint16_t kZip64Extra = 1;
constexpr uint32_t kIn64 = 0xffffffff;  // "the value stands in the zip64 extra field"

constexpr uint16_t kStored = 0, kDeflate = 8;
constexpr uint16_t kEncrypted = 1u << 0, kSizesFollow = 1u << 3, kPatch = 1u << 5, kStronglyEncrypted = 1u << 6,
                   kHeadersMasked = 1u << 13;
// Two bits of deflate give at most 258 bytes (RFC 1951, 3.2.5).
constexpr uint64_t kMostInflated = 1032;

// The numbers of a record that was read, little-endian.
uint64_t number(const unsigned char* at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | at[i];
  return value;
}
uint16_t u16(const unsigned char* at) {
  return static_cast<uint16_t>(number(at, 2));
}
uint32_t u32(const unsigned char* at) {
  return static_cast<uint32_t>(number(at, 4));
}
uint64_t u64(const unsigned char* at) {
  return number(at, 8);
}

struct Directory {
  uint64_t at, bytes, count;
};

[[noreturn]] void fail(const File& file, uint64_t at, const std::string& found, const std::string& expected) {
  throw format_error(file.path(), at, found, expected);
}

// The end record is the last one whose comment ends with the file.
uint64_t find_end(const File& file) {
  const uint64_t bytes = file.bytes();
  const uint64_t tail = std::min(bytes, kEndBytes + kLongestComment);
  const std::string text = file.peek(bytes - tail, static_cast<size_t>(tail));
  const auto* raw = reinterpret_cast<const unsigned char*>(text.data());
  for (uint64_t at = tail < kEndBytes ? 0 : tail - kEndBytes + 1; at-- > 0;) {
    if (u32(raw + at) == kEndMagic && at + kEndBytes + u16(raw + at + 20) == tail) return bytes - tail + at;
  }
  fail(file, bytes, "no end of a zip archive's directory", "one at the end of the file: it was cut, or is no archive");
}

void refuse_parts(const File& file, uint64_t at, uint64_t disk, uint64_t directory_disk) {
  if (disk != 0 || directory_disk != 0) {
    fail(file, at, fmt::format("part {} of an archive in several files", disk), "an archive in one file");
  }
}

Directory find_directory(const File& file) {
  const uint64_t end_at = find_end(file);
  unsigned char end[kEndBytes];
  file.read(end_at, end, sizeof end);
  Directory directory{u32(end + 16), u32(end + 12), u16(end + 10)};
  uint64_t disk = u16(end + 4), directory_disk = u16(end + 6), count_here = u16(end + 8);
  uint64_t limit = end_at;

  unsigned char locator[kLocatorBytes];
  if (end_at >= kLocatorBytes) file.read(end_at - kLocatorBytes, locator, sizeof locator);
  if (end_at >= kLocatorBytes && u32(locator) == kLocatorMagic) {
    const uint64_t locator_at = end_at - kLocatorBytes, at = u64(locator + 8);
    if (u32(locator + 4) != 0 || u32(locator + 16) > 1) refuse_parts(file, locator_at, u32(locator + 4), 1);
    if (locator_at < kEnd64Bytes || at > locator_at - kEnd64Bytes) {
      fail(file, locator_at, fmt::format("a zip64 end record at byte {}", at), "one before its locator");
    }
    unsigned char end64[kEnd64Bytes];
    file.read(at, end64, sizeof end64);
    if (u32(end64) != kEnd64Magic || u64(end64 + 4) != locator_at - at - 12) {
      fail(file, at, "no zip64 end record that reaches its locator", "one, as the locator says");
    }
    const Directory directory64{u64(end64 + 48), u64(end64 + 40), u64(end64 + 32)};
    const bool same = (directory.at == kIn64 || directory.at == directory64.at) &&
                      (directory.bytes == kIn64 || directory.bytes == directory64.bytes) &&
                      (directory.count == 0xffff || directory.count == directory64.count);
    if (!same) fail(file, end_at, "an end record that differs from the zip64 one", "the same directory in both");
    refuse_parts(file, end_at, disk == 0xffff ? 0 : disk, directory_disk == 0xffff ? 0 : directory_disk);
    directory = directory64;
    disk = u32(end64 + 16), directory_disk = u32(end64 + 20), count_here = u64(end64 + 24);
    limit = at;
  }
  refuse_parts(file, end_at, disk, directory_disk);

  if (directory.bytes > limit || directory.at > limit - directory.bytes) {
    fail(file, end_at, fmt::format("a directory of {} bytes at byte {}", directory.bytes, directory.at),
         fmt::format("one that ends before byte {}", limit));
  }
  if (const uint64_t gap = limit - directory.bytes - directory.at; gap != 0) {
    fail(file, end_at, fmt::format("a directory that ends {} bytes before its end record", gap),
         "none: no bytes before the archive or after its directory");
  }
  if (count_here != directory.count || directory.count > directory.bytes / kRecordBytes ||
      directory.count > directory.at / kLocalBytes) {
    fail(file, end_at, fmt::format("{} members in a directory of {} bytes", directory.count, directory.bytes),
         "as many as the directory and the bytes before it have room for");
  }
  return directory;
}

// The numbers of a record or local header that do not fit 32 bits are in an extra field, in this order, those that fit
// left out. False where the field is missing or too short.
template <size_t N>
bool take_zip64(std::string_view extra, const std::array<uint64_t*, N>& numbers) {
  if (std::none_of(numbers.begin(), numbers.end(), [](const uint64_t* value) { return *value == kIn64; })) return true;
  while (extra.size() >= 4) {
    const auto* raw = reinterpret_cast<const unsigned char*>(extra.data());
    const size_t bytes = u16(raw + 2);
    if (bytes > extra.size() - 4) return false;
    if (u16(raw) == kZip64Extra) {
      size_t at = 0;
      for (uint64_t* value : numbers) {
        if (*value != kIn64) continue;
        if (bytes - at < 8) return false;
        *value = u64(raw + 4 + at);
        at += 8;
      }
      return true;
    }
    extra.remove_prefix(4 + bytes);
  }
  return false;
}

std::string take(ByteStream& stream, size_t bytes) {
  std::string text(bytes, '\0');  // at most 64 KiB
  for (char& c : text) c = static_cast<char>(stream.next());
  return text;
}

}  // namespace

bool begins_as_zip(const File& file) {
  const std::string start = file.peek(0, 4);
  return start == std::string_view("PK\3\4", 4) || start == std::string_view("PK\5\6", 4);
}

ZipArchive::ZipArchive(const File& file) : file_(file) {
  const Directory directory = find_directory(file);
  read_directory(directory.at, directory.bytes, directory.count);
  settle(directory.at);
}

void ZipArchive::read_directory(uint64_t directory_at, uint64_t bytes, uint64_t count) {
  members_.reserve(static_cast<size_t>(count));  // 76 bytes of the file stand for each
  ByteStream stream(file_, directory_at, bytes);
  const uint64_t end = directory_at + bytes;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = stream.position();
    if (end - at < kRecordBytes) {
      fail(file_, at, fmt::format("the directory's end after {} members", i), fmt::format("{} members", count));
    }
    unsigned char record[kRecordBytes];
    for (unsigned char& byte : record) byte = static_cast<unsigned char>(stream.next());
    if (u32(record) != kRecordMagic) fail(file_, at, "no record of a member", "one in the directory");
    const size_t name_bytes = u16(record + 28), extra_bytes = u16(record + 30), comment_bytes = u16(record + 32);
    if (end - stream.position() < name_bytes + extra_bytes + comment_bytes) {
      fail(file_, at, fmt::format("a record of {} bytes", kRecordBytes + name_bytes + extra_bytes + comment_bytes),
           fmt::format("one that ends with the directory, at byte {}", end));
    }
    ZipMember member;
    member.name = take(stream, name_bytes);
    const std::string extra = take(stream, extra_bytes);
    take(stream, comment_bytes);
    member.flags = u16(record + 8);
    member.method = u16(record + 10);
    member.crc32 = u32(record + 16);
    member.stored_bytes = u32(record + 20);
    member.plain_bytes = u32(record + 24);
    member.header_at = u32(record + 42);
    uint64_t disk = u16(record + 34);
    const auto named = [&](const std::string& what) {
      return fmt::format("member {} {}", in_quotes(member.name), what);
    };
    if (!take_zip64(extra, std::array{&member.plain_bytes, &member.stored_bytes, &member.header_at})) {
      fail(file_, at, named("without its zip64 sizes"), "them in an extra field");
    }
    if (disk != 0 && disk != 0xffff) fail(file_, at, named(fmt::format("in part {}", disk)), "an archive in one file");
    if (member.name.find('\0') != std::string::npos) fail(file_, at, named("with a NUL in its name"), "none");
    if (member.header_at > directory_at || directory_at - member.header_at < kLocalBytes + name_bytes ||
        directory_at - member.header_at - kLocalBytes - name_bytes < member.stored_bytes) {
      fail(file_, at, named(fmt::format("of {} bytes at byte {}", member.stored_bytes, member.header_at)),
           fmt::format("one that ends before the directory, at byte {}", directory_at));
    }
    if (member.method == kStored && member.plain_bytes != member.stored_bytes) {
      fail(file_, at, named(fmt::format("of {} bytes in {} stored ones", member.plain_bytes, member.stored_bytes)),
           "as many, as it is not compressed");
    }
    if (member.method == kDeflate && member.plain_bytes > 0 &&
        (member.stored_bytes == 0 || member.plain_bytes / kMostInflated > member.stored_bytes)) {
      fail(file_, at, named(fmt::format("of {} bytes in {} deflated ones", member.plain_bytes, member.stored_bytes)),
           fmt::format("at most {} for each, the most that deflate can give", kMostInflated));
    }
    members_.push_back(std::move(member));
  }
  if (stream.position() != end) {
    fail(file_, stream.position(), fmt::format("{} bytes after {} members", end - stream.position(), count),
         "the end of the directory");
  }
}

// No two members of one name, and none over another; each is told how far it may reach.
void ZipArchive::settle(uint64_t directory_at) {
  by_name_.resize(members_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](uint32_t left, uint32_t right) {
    return std::tie(members_[left].header_at, left) < std::tie(members_[right].header_at, right);
  });
  uint64_t limit = directory_at;
  for (auto i = by_name_.rbegin(); i != by_name_.rend(); ++i) {
    ZipMember& member = members_[*i];
    member.end_limit = limit;
    // The directory's own bounds held, so none of this overflows.
    if (member.header_at + kLocalBytes + member.name.size() + member.stored_bytes > limit) {
      fail(file_, member.header_at, fmt::format("member {} over the one at byte {}", in_quotes(member.name), limit),
           "members that do not overlap");
    }
    limit = member.header_at;
  }
  std::sort(by_name_.begin(), by_name_.end(), [&](uint32_t left, uint32_t right) {
    return std::tie(members_[left].name, left) < std::tie(members_[right].name, right);
  });
  const auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(), [&](uint32_t left, uint32_t right) {
    return members_[left].name == members_[right].name;
  });
  if (twice != by_name_.end()) {
    const ZipMember& second = members_[*(twice + 1)];
    fail(file_, second.header_at, fmt::format("member {} a second time", in_quotes(second.name)), "each name once");
  }
}

const ZipMember* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](uint32_t index, std::string_view text) { return members_[index].name < text; });
  return found != by_name_.end() && members_[*found].name == name ? &members_[*found] : nullptr;
}

Storage ZipArchive::storage(const ZipMember& member, uint32_t file) const {
  const auto refuse = [&](const std::string& what, const std::string& expected) {
    fail(file_, member.header_at, fmt::format("member {} {}", in_quotes(member.name), what), expected);
  };
  if ((member.flags & (kEncrypted | kStronglyEncrypted | kHeadersMasked)) != 0) refuse("encrypted", "plain members");
  if ((member.method != kStored && member.method != kDeflate) || (member.flags & kPatch) != 0) {
    refuse((member.flags & kPatch) != 0 ? "packed as a patch" : fmt::format("packed with method {}", member.method),
           "stored (0) or deflated (8) members");
  }
  unsigned char header[kLocalBytes];
  file_.read(member.header_at, header, sizeof header);
  if (u32(header) != kLocalMagic) refuse("without a local header", "one where the directory says");
  const uint64_t name_bytes = u16(header + 26), extra_bytes = u16(header + 28);
  const uint64_t data_at = member.header_at + kLocalBytes + name_bytes + extra_bytes;
  if (data_at > member.end_limit || member.stored_bytes > member.end_limit - data_at) {
    refuse(fmt::format("of {} bytes from byte {}", member.stored_bytes, data_at),
           fmt::format("its end before byte {}, where something else begins", member.end_limit));
  }
  const std::string text = file_.peek(member.header_at + kLocalBytes, static_cast<size_t>(name_bytes + extra_bytes));
  uint64_t stored_bytes = u32(header + 18), plain_bytes = u32(header + 22);
  const uint32_t crc = u32(header + 14);
  const bool follow = (u16(header + 6) & kSizesFollow) != 0;
  // Where sizes follow the data, the fields may be 0, wide ones among them.
  const bool wide = take_zip64(std::string_view(text).substr(static_cast<size_t>(name_bytes)),
                               std::array{&plain_bytes, &stored_bytes});
  const auto holds = [&](uint64_t local, uint64_t central) { return local == central || (follow && local == 0); };
  if (text.substr(0, static_cast<size_t>(name_bytes)) != member.name) {
    refuse(fmt::format("under the name {} in its local header",
                       in_quotes(text.substr(0, static_cast<size_t>(name_bytes)))),
           "the same name in both");
  }
  if (!wide || !holds(plain_bytes, member.plain_bytes) || !holds(stored_bytes, member.stored_bytes) ||
      !holds(crc, member.crc32) || u16(header + 8) != member.method ||
      ((u16(header + 6) ^ member.flags) & kEncrypted)) {
    refuse("with a local header that differs from the directory", "the same sizes, CRC-32 and method in both");
  }
  Storage storage;
  storage.extent = {file, data_at, member.stored_bytes};
  if (!member.stored()) {
    storage.deflated = std::make_shared<Deflated>(Deflated{member.plain_bytes, member.crc32, member.name});
  }
  return storage;
}

Checksummed checksum_of(const ZipMember& member, const Storage& storage) {
  return {storage.extent, member.crc32, "member " + in_quotes(member.name)};
}

}  // namespace weighbridge
