#include "strategies/checkpoint/storage/zip.h"

#include <fmt/format.h>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// What opening the archive, locating each member and reading each to its end is refused with, without the path.
std::string refused(const std::string& content) {
  TemporaryFolder folder;
  const std::string path = folder.write("a.zip", content);
  std::string message;
  try {
    const File file(path);
    Checkpoint checkpoint;
    checkpoint.files.push_back({path, file.bytes()});
    const ZipArchive archive(file);
    for (const ZipMember& member : archive.members()) {
      const Storage storage = archive.storage(member, 0);
      if (storage.bytes() == 0) continue;
      char last;
      open_storage(checkpoint, storage)->read(storage.bytes() - 1, &last, 1);
    }
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::bad_input);
    message = error.what();
  }
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  CHECK(message.find('\n') == std::string::npos);
  return message.substr(path.size() + 2);
}

// The members' names and contents in the directory's order.
std::string content(const std::string& bytes) {
  TemporaryFolder folder;
  const std::string path = folder.write("a.zip", bytes);
  const File file(path);
  Checkpoint checkpoint;
  checkpoint.files.push_back({path, file.bytes()});
  const ZipArchive archive(file);
  std::string text;
  for (const ZipMember& member : archive.members()) {
    CHECK(archive.find(member.name) == &member);
    const Storage storage = archive.storage(member, 0);
    CHECK(storage.bytes() == member.plain_bytes);
    CHECK((storage.deflated == nullptr) == member.stored());
    std::string plain(storage.bytes(), '\0');
    open_storage(checkpoint, storage)->read(0, plain.data(), plain.size());
    text += fmt::format("{}={};", member.name, plain);
  }
  return text;
}

}  // namespace

TEST_CASE("members of an archive come out in order, stored and deflated, by name and by place") {
  const std::string bytes = zip({{.name = "b", .content = "stored"},
                                 {.name = "a/c", .content = "deflated", .deflated = true},
                                 {.name = "", .content = ""}});
  CHECK(content(bytes) == "b=stored;a/c=deflated;=;");
  TemporaryFolder folder;
  const File file(folder.write("a.zip", bytes));
  CHECK(begins_as_zip(file));
  const ZipArchive archive(file);
  CHECK(archive.find("a") == nullptr);
  CHECK(archive.find("z") == nullptr);
  const Storage storage = archive.storage(*archive.find("b"), 7);
  CHECK(storage.extent.file == 7);
  CHECK(file.peek(storage.extent.offset, storage.extent.bytes) == "stored");
  CHECK(content(zip({})).empty());
}

TEST_CASE("what writers do is read: zip64 records, sizes behind the data, aligned data, comments") {
  CHECK(content(zip({{.name = "a", .content = "1234"}}, {.zip64 = true})) == "a=1234;");
  CHECK(content(zip({{.name = "a", .content = "1234"}}, {.comment = "said of it"})) == "a=1234;");
  // As torch: sizes 0 in the local header, a descriptor behind the data, an extra field that aligns it.
  CHECK(content(zip({{.name = "a",
                      .content = "1234",
                      .flags = 0x808,
                      .local_crc32 = 0,
                      .local_stored_bytes = 0,
                      .local_plain_bytes = 0,
                      .local_extra = "FB" + little_endian(3, 2) + "ZZZ",
                      .after = std::string(16, 'd')},
                     {.name = "b", .content = "5"}},
                    {.zip64 = true})) == "a=1234;b=5;");
  // As Python's zipfile when a member might grow: all ones in the local header, the sizes in its extra field.
  CHECK(content(zip({{.name = "a",
                      .content = "1234",
                      .local_stored_bytes = 0xffffffff,
                      .local_plain_bytes = 0xffffffff,
                      .local_extra = zip64_extra({4, 4})}})) == "a=1234;");
  // And in the directory, of which only what is all ones stands in the extra field.
  CHECK(content(zip({{.name = "x", .content = "0"},
                     {.name = "a",
                      .content = "1234",
                      .stored_bytes = 0xffffffff,
                      .local_stored_bytes = 4,
                      .extra = "UT" + little_endian(1, 2) + "t" + zip64_extra({4})}})) == "x=0;a=1234;");
}

TEST_CASE("a file that was cut, or is no archive, or ends in something else is refused at its end") {
  const std::string whole = zip({{.name = "a", .content = "1234"}});
  for (const std::string& bytes :
       {std::string(), std::string("PK\3\4"), whole.substr(0, whole.size() - 1), whole + "x"}) {
    CHECK(refused(bytes) ==
          fmt::format("byte {}: found no end of a zip archive's directory, expected one at the end of the file: it was "
                      "cut, or is no archive",
                      bytes.size()));
  }
  CHECK(refused(whole.substr(0, whole.size() / 2)).starts_with("byte 52: found no end"));
}

TEST_CASE("bytes before an archive or after its directory are refused") {
  CHECK(
      refused("1234567" + zip({{.name = "a", .content = "1234"}})) ==
      "byte 89: found a directory that ends 7 bytes before its end record, expected none: no bytes before the archive "
      "or after its directory");
  CHECK(
      refused(zip({{.name = "a", .content = "1234"}}, {.before = "gap"})) ==
      "byte 85: found a directory that ends 3 bytes before its end record, expected none: no bytes before the archive "
      "or after its directory");
  TemporaryFolder folder;
  CHECK_FALSE(begins_as_zip(File(folder.write("a.zip", "x" + zip({})))));
  // One archive in the comment of another: the last end record is the one that counts, and its directory is not there.
  CHECK(refused(zip({{.name = "a", .content = "1"}}, {.comment = zip({{.name = "b", .content = "2"}})}))
            .find("a directory that ends 101 bytes before its end record") != std::string::npos);
}

TEST_CASE("a number of members that the directory has no room for is refused before anything is held for them") {
  const std::vector<ZipPart> one{{.name = "a", .content = "1234"}};
  CHECK(
      refused(zip(one, {.members = 2})) ==
      "byte 82: found 2 members in a directory of 47 bytes, expected as many as the directory and the bytes before it "
      "have room for");
  CHECK(refused(zip(one, {.members = 0})) ==
        "byte 35: found 47 bytes after 0 members, expected the end of the directory");
  CHECK(
      refused(zip(one, {.members = 0xffffffff, .zip64 = true})) ==
      "byte 158: found 4294967295 members in a directory of 47 bytes, expected as many as the directory and the bytes "
      "before it have room for");
  CHECK(refused(zip(one, {.members = ~uint64_t{0} - 1, .zip64 = true}))
            .starts_with("byte 158: found 18446744073709551614 members"));
  CHECK(refused(zip(one, {.members = 1, .members_here = 0})).starts_with("byte 82: found 1 members"));
  const std::vector<ZipPart> two{{.name = std::string(46, 'n'), .content = std::string(60, 'c')}};
  CHECK(refused(zip(two, {.members = 2})) == "byte 228: found the directory's end after 1 members, expected 2 members");
}

TEST_CASE("a directory that is not where the end record says is refused") {
  const std::vector<ZipPart> one{{.name = "a", .content = "1234"}};
  CHECK(refused(zip(one, {.directory_at = 36})) ==
        "byte 82: found a directory of 47 bytes at byte 36, expected one that ends before byte 82");
  CHECK(refused(zip(one, {.directory_bytes = ~uint64_t{0}, .zip64 = true})) ==
        "byte 158: found a directory of 18446744073709551615 bytes at byte 35, expected one that ends before byte 82");
  CHECK(refused(zip(one, {.directory_bytes = 46, .directory_at = 36})) ==
        "byte 36: found no record of a member, expected one in the directory");
  CHECK(refused(zip(one, {.disk = 1})) ==
        "byte 82: found part 1 of an archive in several files, expected an archive in one file");
  CHECK(refused(zip(one, {.disk = 3, .zip64 = true})) ==
        "byte 158: found part 3 of an archive in several files, expected an archive in one file");
}

TEST_CASE("a zip64 record that is not there, or differs from the end record, is refused") {
  const std::string bytes = zip({{.name = "a", .content = "1234"}}, {.zip64 = true});
  const size_t locator = bytes.size() - 22 - 20;
  std::string far = bytes;
  far.replace(locator + 8, 8, std::string(8, '\xff'));
  CHECK(refused(far) ==
        "byte 138: found a zip64 end record at byte 18446744073709551615, expected one before its locator");
  std::string moved = bytes;
  moved.replace(locator + 8, 8, little_endian(80, 8));
  CHECK(refused(moved) ==
        "byte 80: found no zip64 end record that reaches its locator, expected one, as the locator says");
  std::string other = bytes;
  other.replace(bytes.size() - 22 + 10, 2, little_endian(7, 2));
  CHECK(refused(other) ==
        "byte 158: found an end record that differs from the zip64 one, expected the same directory in both");
  std::string parts = bytes;
  parts.replace(locator + 16, 4, little_endian(2, 4));
  CHECK(refused(parts) == "byte 138: found part 0 of an archive in several files, expected an archive in one file");
}

TEST_CASE("members that overlap, or leave the bytes before the directory, are refused") {
  const std::string longer(40, 'x');  // room for two local headers
  CHECK(refused(zip(
            {{.name = "a", .content = longer}, {.name = "b", .content = longer, .header_at = 0, .in_file = false}})) ==
        "byte 0: found member \"a\" over the one at byte 0, expected members that do not overlap");
  // The quoted overlap of "A better zip bomb": a member whose data are the next one's header and data.
  const std::string inner = zip({{.name = "b", .content = "1234"}}).substr(0, 35);
  CHECK(refused(zip(
            {{.name = "a", .content = inner}, {.name = "b", .content = "1234", .header_at = 31, .in_file = false}})) ==
        "byte 0: found member \"a\" over the one at byte 31, expected members that do not overlap");
  CHECK(refused(zip({{.name = "a", .content = "1234", .stored_bytes = 5, .plain_bytes = 5}})) ==
        "byte 35: found member \"a\" of 5 bytes at byte 0, expected one that ends before the directory, at byte 35");
  CHECK(refused(zip({{.name = "a", .content = "1234", .header_at = 5}})) ==
        "byte 35: found member \"a\" of 4 bytes at byte 5, expected one that ends before the directory, at byte 35");
  CHECK(refused(zip({{.name = "a", .content = "1234", .header_at = 0xfffffffe}}))
            .starts_with("byte 35: found member \"a\" of 4 bytes at byte 4294967294"));
  CHECK(refused(zip({{.name = "a", .content = "1234", .header_at = 0xffffffff, .extra = zip64_extra({~uint64_t{0}})}}))
            .starts_with("byte 35: found member \"a\" of 4 bytes at byte 18446744073709551615"));
  // Only the local header tells that its name and extra field push the data over what follows.
  std::string pushed = zip({{.name = "a", .content = "1234"}, {.name = "b", .content = "1"}});
  pushed[28] = 9;
  CHECK(refused(pushed) ==
        "byte 0: found member \"a\" of 4 bytes from byte 40, expected its end before byte 35, where something else "
        "begins");
}

TEST_CASE("a local header that says otherwise than the directory is refused") {
  const std::string differs =
      "byte 0: found member \"a\" with a local header that differs from the directory, expected the same sizes, CRC-32 "
      "and method in both";
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_crc32 = 1}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_stored_bytes = 3}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_plain_bytes = 5}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_stored_bytes = 0}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .flags = 8, .local_stored_bytes = 3}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_method = 8}})) == differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_plain_bytes = 0xffffffff}})) == differs);
  CHECK(refused(zip(
            {{.name = "a", .content = "1234", .local_plain_bytes = 0xffffffff, .local_extra = zip64_extra({5})}})) ==
        differs);
  CHECK(refused(zip({{.name = "a", .content = "1234", .local_name = "\x1b"}})) ==
        "byte 0: found member \"a\" under the name \"\\x1b\" in its local header, expected the same name in both");
  std::string none = zip({{.name = "a", .content = "1234"}});
  none[0] = 'Q';
  CHECK(refused(none) == "byte 0: found member \"a\" without a local header, expected one where the directory says");
}

TEST_CASE("names that stand twice, hold a NUL or act on a terminal do no harm") {
  CHECK(refused(zip({{.name = "a", .content = "1"}, {.name = "b", .content = "2"}, {.name = "a", .content = "3"}})) ==
        "byte 64: found member \"a\" a second time, expected each name once");
  CHECK(refused(zip({{.name = std::string("a\0.npy", 6), .content = "1"}})) ==
        "byte 37: found member \"a\\x00.npy\" with a NUL in its name, expected none");
  CHECK(refused(zip({{.name = "\x1b[2J\n", .content = "1", .flags = 1}})) ==
        "byte 0: found member \"\\x1b[2J\\x0a\" encrypted, expected plain members");
}

TEST_CASE("members that are encrypted, in several files, or packed in another way are refused by name") {
  for (const uint16_t flags : {uint16_t{1}, uint16_t{0x40}, uint16_t{0x2000}}) {
    CHECK(refused(zip({{.name = "a", .content = "1", .flags = flags}})) ==
          "byte 0: found member \"a\" encrypted, expected plain members");
  }
  CHECK(refused(zip({{.name = "a", .content = "1", .method = 14}})) ==
        "byte 0: found member \"a\" packed with method 14, expected stored (0) or deflated (8) members");
  CHECK(refused(zip({{.name = "a", .content = "1", .flags = 0x20}})) ==
        "byte 0: found member \"a\" packed as a patch, expected stored (0) or deflated (8) members");
  CHECK(refused(zip({{.name = "a", .content = "1", .disk = 1}})) ==
        "byte 32: found member \"a\" in part 1, expected an archive in one file");
}

TEST_CASE("sizes that no deflate stream can have are refused from the directory") {
  CHECK(refused(zip({{.name = "a", .deflated = true, .packed = std::string(10, 'x'), .plain_bytes = 0x40000000}})) ==
        "byte 41: found member \"a\" of 1073741824 bytes in 10 deflated ones, expected at most 1032 for each, the most "
        "that deflate can give");
  CHECK(refused(zip({{.name = "a", .deflated = true, .packed = "", .plain_bytes = 1}}))
            .starts_with("byte 31: found member \"a\" of 1 bytes in 0 deflated ones"));
  CHECK(refused(zip({{.name = "a", .content = "1234", .plain_bytes = 5}})) ==
        "byte 35: found member \"a\" of 5 bytes in 4 stored ones, expected as many, as it is not compressed");
  CHECK(refused(zip({{.name = "a", .content = "1234", .plain_bytes = 0xffffffff}})) ==
        "byte 35: found member \"a\" without its zip64 sizes, expected them in an extra field");
  CHECK(refused(zip({{.name = "a",
                      .content = "1234",
                      .plain_bytes = 0xffffffff,
                      .extra = "\1" + std::string(1, '\0') + "\4" + std::string(5, '\0')}})) ==
        "byte 35: found member \"a\" without its zip64 sizes, expected them in an extra field");
}

TEST_CASE("records that reach beyond the directory are refused") {
  std::string bytes = zip({{.name = "a", .content = "1234"}});
  bytes[35 + 28] = 9;
  CHECK(refused(bytes) == "byte 35: found a record of 55 bytes, expected one that ends with the directory, at byte 82");
  bytes[35 + 30] = bytes[35 + 31] = bytes[35 + 32] = bytes[35 + 33] = '\xff';
  CHECK(refused(bytes) ==
        "byte 35: found a record of 131125 bytes, expected one that ends with the directory, at byte 82");
}
