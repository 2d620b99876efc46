#include "strategies/checkpoint/storage/storage.h"

#include <fmt/format.h>

#include <random>

#include "strategies/checkpoint/storage/zip.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// An archive of one deflated member, as a storage.
struct Archive {
  explicit Archive(const ZipPart& part) : path(folder.write("a.zip", zip({part}))) {
    const File file(path);
    checkpoint.files.push_back({path, file.bytes()});
    const ZipArchive archive(file);
    storage = archive.storage(archive.members()[0], 0);
  }

  std::string read(uint64_t begin, size_t bytes) {
    std::string text(bytes, '\0');
    open_storage(checkpoint, storage)->read(begin, text.data(), bytes);
    return text;
  }
  // What reading it all is refused with, without the path.
  std::string refused() {
    try {
      read(0, storage.bytes());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::bad_input);
      return std::string(error.what()).substr(path.size() + 2);
    }
    return "nothing";
  }

  TemporaryFolder folder;
  std::string path;
  Checkpoint checkpoint;
  Storage storage;
};

std::string noise(size_t bytes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(random() % 61);
  return text;
}

}  // namespace

TEST_CASE("an inflated storage is read front to back, with gaps, and again from its beginning") {
  const std::string plain = noise(1'000'000);
  Archive archive({.name = "m", .content = plain, .deflated = true});
  const std::unique_ptr<Decoder> decoder = open_storage(archive.checkpoint, archive.storage);
  std::mt19937 random(3);
  uint64_t at = 0;
  for (int i = 0; i < 300; ++i) {
    if (i % 50 == 49) at = random() % 1000;
    at += random() % 20'000;
    const size_t bytes = std::min<size_t>(random() % 20'000, at < plain.size() ? plain.size() - at : 0);
    if (bytes == 0) {
      at = 0;
      continue;
    }
    std::string got(bytes, '\0');
    decoder->read(at, got.data(), bytes);
    REQUIRE(got == plain.substr(at, bytes));
    at += bytes;
  }
  CHECK(archive.read(plain.size() - 3, 3) == plain.substr(plain.size() - 3));
  CHECK(archive.read(0, plain.size()) == plain);
}

TEST_CASE("what is left to come out after the last compressed byte is read too") {
  // Two bits of input are 258 bytes of output: all of the input is taken long before the end.
  const std::string plain(3'000'000, 'x');
  Archive archive({.name = "m", .content = plain, .deflated = true});
  const std::unique_ptr<Decoder> decoder = open_storage(archive.checkpoint, archive.storage);
  std::string got(plain.size(), '\0');
  decoder->read(0, got.data(), plain.size() - 100);
  for (size_t at = plain.size() - 100; at < plain.size(); ++at) decoder->read(at, got.data() + at, 1);
  CHECK(got == plain);
}

TEST_CASE("a storage in the file is read where it lies") {
  Archive archive({.name = "m", .content = "0123456789"});
  CHECK(archive.read(3, 4) == "3456");
  CHECK(archive.refused() == "nothing");
}

TEST_CASE("a deflate stream that is broken, cut, too long or of other bytes is refused in one line") {
  const std::string plain = noise(5000);
  const std::string packed = deflated(plain);
  const ZipPart good{.name = "m", .content = plain, .deflated = true};
  CHECK(Archive(good).refused() == "nothing");

  ZipPart part = good;
  part.packed = "\xff" + packed;
  CHECK(Archive(part).refused() == fmt::format("byte 32: found a broken deflate stream in member \"m\" (invalid block "
                                               "type), expected what deflate wrote"));
  part.packed = packed.substr(0, packed.size() - 100);
  CHECK_THAT(Archive(part).refused(),
             Catch::Matchers::StartsWith(
                 fmt::format("byte {}: found the end of the {} compressed bytes of member \"m\", expected ",
                             31 + packed.size() - 100, packed.size() - 100)));
  part.packed = packed + "xyz";
  CHECK(Archive(part).refused() == fmt::format("byte {}: found 3 compressed bytes of member \"m\" after the end of its "
                                               "deflate stream, expected none",
                                               31 + packed.size()));
  part = good;
  part.plain_bytes = 4999;
  CHECK_THAT(
      Archive(part).refused(),
      ContainsSubstring("found more than 4999 bytes in deflated member \"m\", expected 4999, as the archive says"));
  part.plain_bytes = 5001;
  CHECK_THAT(Archive(part).refused(), ContainsSubstring("found the end of deflated member \"m\" after 5000 bytes, "
                                                        "expected 5001 bytes, as the archive says"));
  part = good;
  part.crc32 = 0x12345678;
  CHECK_THAT(Archive(part).refused(),
             Catch::Matchers::Matches("byte 31: found member \"m\" with the CRC-32 [0-9a-f]{8}, "
                                      "expected 12345678, as the file says: its bytes were changed"));
}

TEST_CASE("a file that has shrunk since it was opened is refused") {
  Archive archive({.name = "m", .content = noise(5000), .deflated = true});
  std::filesystem::resize_file(archive.path, 100);
  CHECK_THAT(archive.refused(), Catch::Matchers::StartsWith("byte 0: found a file of 100 bytes, expected"));
}

TEST_CASE("a member of 64 MB in 64 KB is inflated in the memory that its decoder names") {
  Archive archive({.name = "m", .content = std::string(64'000'000, '\0'), .deflated = true});
  const uint64_t growth = peak_growth([&] {
    const std::unique_ptr<Decoder> decoder = open_storage(archive.checkpoint, archive.storage);
    std::string piece(100'000, 'x');
    for (uint64_t at = 0; at < 64'000'000; at += piece.size()) decoder->read(at, piece.data(), piece.size());
  });
  CHECK(growth < decoder_bytes(archive.storage) + (4u << 20));
}
