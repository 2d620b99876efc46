#include "strategies/checkpoint/reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using weighbridge::testing::TemporaryFolder;

namespace {

std::string message_of(const std::function<void()>& work, ErrorKind kind = ErrorKind::bad_input) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a file that is missing, a folder or a pipe is named for what it is") {
  TemporaryFolder folder;
  CHECK(message_of([&] { File(folder / "gone"); }) == "open " + folder.path() + "/gone: No such file or directory");
  CHECK(message_of([&] { File file(folder.path()); }) == folder.path() + ": found a folder, expected a regular file");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(message_of([&] { File(folder / "pipe"); }) == folder / "pipe: found a named pipe, expected a regular file");
  CHECK(message_of([] { File("/dev/zero"); }) == "/dev/zero: found a device, expected a regular file");
}

TEST_CASE("a read past the end of a file is refused with the offset and what was wanted") {
  TemporaryFolder folder;
  const std::string path = folder.write("ten", "0123456789");
  const File file(path);
  char bytes[4] = {};
  file.read(6, bytes, 4);
  CHECK(std::string(bytes, 4) == "6789");
  CHECK(message_of([&] { file.read(7, bytes, 4); }) ==
        path + ": byte 7: found a file of 10 bytes, expected 4 more bytes");
  CHECK(message_of([&] { file.read(UINT64_MAX - 1, bytes, 4); }) ==
        path + ": byte 18446744073709551614: found a file of 10 bytes, expected 4 more bytes");
  CHECK(message_of([&] { ByteStream(file, 4, UINT64_MAX - 2); }) ==
        path + ": byte 4: found a file of 10 bytes, expected 18446744073709551613 more bytes");
  CHECK(file.peek(8, 100) == "89");
  CHECK(file.peek(10, 1).empty());
  CHECK(file.peek(UINT64_MAX, 1).empty());
}

TEST_CASE("a file that shrinks after it was opened is refused where it ends") {
  TemporaryFolder folder;
  const std::string path = folder.write("shrinking", std::string(100, 'x'));
  const File file(path);
  REQUIRE(::truncate(path.c_str(), 40) == 0);
  char bytes[100];
  CHECK(message_of([&] { file.read(0, bytes, 100); }) ==
        path + ": byte 40: found the end of the file, which has shrunk since it was opened, expected 60 more bytes");
}

TEST_CASE("a stream yields the bytes of its stretch and knows where it is, across its buffer") {
  TemporaryFolder folder;
  std::string content;
  for (unsigned i = 0; i < 200'000; ++i) content += static_cast<char>(i * 7 + i / 256);
  const File file(folder.write("long", content));
  ByteStream stream(file, 5, 150'000);
  std::string read;
  while (stream.peek() != -1) {
    REQUIRE(stream.position() == 5 + read.size());
    read += static_cast<char>(stream.next());
  }
  CHECK(stream.next() == -1);
  CHECK(read == content.substr(5, 150'000));
}

TEST_CASE("an empty stretch is at its end at once") {
  TemporaryFolder folder;
  const File file(folder.write("empty", ""));
  ByteStream stream(file, 0, 0);
  CHECK(stream.peek() == -1);
  CHECK(stream.next() == -1);
}

TEST_CASE("a file that was moved is closed once, by its new owner") {
  TemporaryFolder folder;
  File first(folder.write("a", "aaaa"));
  const int descriptor = first.descriptor();
  File second(std::move(first));
  CHECK(second.descriptor() == descriptor);
  File third(folder.write("b", "bb"));
  third = std::move(second);
  CHECK(third.descriptor() == descriptor);
  CHECK(third.bytes() == 4);
}
