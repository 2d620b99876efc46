// Zip archives byte by byte, so that a test can make one that lies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weighbridge::testing {

// One member. What is not set is as it must be.
struct ZipPart {
  std::string name = {}, content = {};
  bool deflated = false;

  std::optional<std::string> packed = {};  // the bytes in the file in place of the content, stored or deflated
  std::optional<uint16_t> method = {}, flags = {}, disk = {};
  // In the directory, and in the local header too unless the ones below say otherwise.
  std::optional<uint32_t> crc32 = {}, stored_bytes = {}, plain_bytes = {};
  std::optional<uint32_t> header_at = {};
  std::optional<uint32_t> local_crc32 = {}, local_stored_bytes = {}, local_plain_bytes = {};
  std::optional<std::string> local_name = {};
  std::optional<uint16_t> local_method = {};
  std::string extra = {}, local_extra = {};  // extra fields, whole
  std::string before = {};                   // bytes in front of the local header
  std::string after = {};                    // behind the data: what a data descriptor is
  bool in_file = true;                       // false: the directory alone speaks of it
};

// The archive's end. What is not set is as it must be.
struct ZipEnd {
  std::optional<uint64_t> members = {}, members_here = {}, directory_bytes = {}, directory_at = {};
  std::optional<uint16_t> disk = {};
  bool zip64 = false;  // the figures above in a zip64 record, its locator behind it, all ones in the end record
  std::string comment = {};
  std::string before = {};  // bytes between the directory and its end record
};

std::string zip(const std::vector<ZipPart>& parts, const ZipEnd& end = {});

std::string deflated(std::string_view plain);
// A zip64 extra field with these values.
std::string zip64_extra(const std::vector<uint64_t>& values);
std::string little_endian(uint64_t value, size_t bytes);

}  // namespace weighbridge::testing
