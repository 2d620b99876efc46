#include "tests/strategies/checkpoint/zip_fixture.h"

#include <zlib.h>

#include <stdexcept>

namespace weighbridge::testing {
namespace {

uint32_t crc_of(std::string_view text) {
  return static_cast<uint32_t>(
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// What the directory says of a part, ready to be written.
struct Written {
  uint64_t at = 0;
  uint32_t crc32 = 0, stored_bytes = 0, plain_bytes = 0;
  uint16_t method = 0, flags = 0;
};

}  // namespace

std::string little_endian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string zip64_extra(const std::vector<uint64_t>& values) {
  std::string text = little_endian(1, 2) + little_endian(values.size() * 8, 2);
  for (const uint64_t value : values) text += little_endian(value, 8);
  return text;
}

std::string deflated(std::string_view plain) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("deflate");
  std::string packed(deflateBound(&stream, static_cast<uLong>(plain.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int result = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate");
  return packed;
}

std::string zip(const std::vector<ZipPart>& parts, const ZipEnd& end) {
  std::string file;
  std::vector<Written> records;
  for (const ZipPart& part : parts) {
    const std::string packed = part.packed ? *part.packed : part.deflated ? deflated(part.content) : part.content;
    Written record;
    record.method = part.method.value_or(part.deflated ? 8 : 0);
    record.flags = part.flags.value_or(0);
    record.crc32 = part.crc32.value_or(crc_of(part.content));
    record.stored_bytes = part.stored_bytes.value_or(static_cast<uint32_t>(packed.size()));
    record.plain_bytes = part.plain_bytes.value_or(static_cast<uint32_t>(part.content.size()));
    if (part.in_file) file += part.before;
    record.at = part.header_at.value_or(static_cast<uint32_t>(file.size()));
    records.push_back(record);
    if (!part.in_file) continue;
    const std::string& name = part.local_name ? *part.local_name : part.name;
    file += little_endian(0x04034b50, 4) + little_endian(20, 2) + little_endian(record.flags, 2) +
            little_endian(part.local_method.value_or(record.method), 2) + little_endian(0, 4) +
            little_endian(part.local_crc32.value_or(record.crc32), 4) +
            little_endian(part.local_stored_bytes.value_or(record.stored_bytes), 4) +
            little_endian(part.local_plain_bytes.value_or(record.plain_bytes), 4) + little_endian(name.size(), 2) +
            little_endian(part.local_extra.size(), 2) + name + part.local_extra + packed + part.after;
  }
  const uint64_t directory_at = file.size();
  for (size_t i = 0; i < parts.size(); ++i) {
    const ZipPart& part = parts[i];
    const Written& record = records[i];
    file += little_endian(0x02014b50, 4) + little_endian(20, 2) + little_endian(20, 2) +
            little_endian(record.flags, 2) + little_endian(record.method, 2) + little_endian(0, 4) +
            little_endian(record.crc32, 4) + little_endian(record.stored_bytes, 4) +
            little_endian(record.plain_bytes, 4) + little_endian(part.name.size(), 2) +
            little_endian(part.extra.size(), 2) + little_endian(0, 2) + little_endian(part.disk.value_or(0), 2) +
            little_endian(0, 6) + little_endian(record.at, 4) + part.name + part.extra;
  }
  const uint64_t bytes = end.directory_bytes.value_or(file.size() - directory_at);
  const uint64_t at = end.directory_at.value_or(directory_at);
  const uint64_t members = end.members.value_or(parts.size()), here = end.members_here.value_or(members);
  const uint16_t disk = end.disk.value_or(0);
  file += end.before;
  if (end.zip64) {
    const uint64_t end64_at = file.size();
    file += little_endian(0x06064b50, 4) + little_endian(44, 8) + little_endian(45, 2) + little_endian(45, 2) +
            little_endian(disk, 4) + little_endian(0, 4) + little_endian(here, 8) + little_endian(members, 8) +
            little_endian(bytes, 8) + little_endian(at, 8);
    file += little_endian(0x07064b50, 4) + little_endian(0, 4) + little_endian(end64_at, 8) + little_endian(1, 4);
  }
  const auto or_ones = [&](uint64_t value, size_t width) {
    return little_endian(end.zip64 ? ~uint64_t{0} : value, width);
  };
  file += little_endian(0x06054b50, 4) + little_endian(end.zip64 ? 0 : disk, 2) + little_endian(0, 2) +
          or_ones(here, 2) + or_ones(members, 2) + or_ones(bytes, 4) + or_ones(at, 4) +
          little_endian(end.comment.size(), 2) + end.comment;
  return file;
}

}  // namespace weighbridge::testing
