#include "strategies/checkpoint/onnx/protobuf.h"

#include <fmt/format.h>
#include <unistd.h>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/wire.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// What a walk over all fields of `content`, and of the messages in field 1, is refused with; empty where it is not.
std::string walked(const std::string& content) {
  TemporaryFolder folder;
  const File file(folder.write("message", content));
  WireCursor cursor(file);
  const auto walk = [](const auto& self, WireMessage message) -> void {
    while (message.next()) {
      if (message.field() == 1) self(self, message.message());
    }
  };
  try {
    walk(walk, WireMessage(cursor, 0, file.bytes()));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::bad_input);
    return std::string(error.what()).substr(file.path().size() + 2);
  }
  return {};
}

}  // namespace

TEST_CASE("each wire type comes out with its number, place and value") {
  const std::string inner = wire::number(3, 7) + wire::bytes(4, "text");
  const std::string content = wire::number(1, 300) + wire::fixed64(2, 0x1122334455667788) +
                              wire::fixed32(5, 0xaabbccdd) + wire::bytes(16, inner) +
                              wire::number(536870911, UINT64_MAX);
  TemporaryFolder folder;
  const File file(folder.write("message", content));
  WireCursor cursor(file);
  WireMessage message(cursor, 0, file.bytes());
  REQUIRE(message.next());
  CHECK(message.field() == 1);
  CHECK(message.type() == WireType::varint);
  CHECK(message.number() == 300);
  CHECK(message.at() == 0);
  CHECK(message.content_at() == 1);
  CHECK(message.after() == 3);
  REQUIRE(message.next());
  CHECK(message.fixed() == 0x1122334455667788);
  CHECK(message.content_at() == 4);
  CHECK(message.content_bytes() == 8);
  REQUIRE(message.next());
  CHECK(message.field() == 5);
  CHECK(message.fixed() == 0xaabbccdd);
  REQUIRE(message.next());
  CHECK(message.field() == 16);
  CHECK(message.content_bytes() == inner.size());
  CHECK(message.text() == inner);
  CHECK(message.text(3) == inner.substr(0, 3));
  WireMessage within = message.message();
  REQUIRE(within.next());
  CHECK(within.number() == 7);
  REQUIRE(message.next());  // the message within was left in its middle
  CHECK(message.field() == 536870911);
  CHECK(message.number() == UINT64_MAX);
  CHECK(!message.next());
  CHECK(!message.next());
  REQUIRE(within.next());
  CHECK(within.text() == "text");
  CHECK(!within.next());
}

TEST_CASE("numbers of a repeated field come packed or one by one") {
  const std::string content = wire::packed(1, {1, -1, 300}) + wire::number(1, 5) + wire::packed(1, {});
  TemporaryFolder folder;
  const File file(folder.write("message", content));
  WireCursor cursor(file);
  std::vector<uint64_t> all;
  for (WireMessage message(cursor, 0, file.bytes()); message.next();) {
    message.numbers([&](uint64_t value) { all.push_back(value); });
  }
  CHECK(all == std::vector<uint64_t>{1, UINT64_MAX, 300, 5});
}

TEST_CASE("a field asked for as what it is not is refused") {
  TemporaryFolder folder;
  const File file(folder.write("message", wire::number(1, 3) + wire::bytes(2, "abc")));
  WireCursor cursor(file);
  WireMessage message(cursor, 0, file.bytes());
  REQUIRE(message.next());
  CHECK_THROWS_WITH(message.text(),
                    file.path() + ": byte 0: found field 1 as a varint, expected bytes with their length");
  CHECK_THROWS_WITH(message.fixed(), file.path() + ": byte 0: found field 1 as a varint, expected 64 fixed bits");
  REQUIRE(message.next());
  CHECK_THROWS_WITH(message.number(),
                    file.path() + ": byte 2: found field 2 as bytes with their length, expected a varint");
}

TEST_CASE("what is no message of protobuf is refused where it stops being one") {
  CHECK(walked("").empty());
  CHECK(walked(wire::bytes(1, wire::bytes(1, ""))).empty());
  CHECK(walked("\x08") == "byte 1: found the end of a message, expected the rest of a number");
  CHECK(walked("\x08\xff\xff") == "byte 3: found the end of a message, expected the rest of a number");
  CHECK(walked("\x0d"
               "abc") == "byte 4: found the end of a message, expected the rest of a number");
  CHECK(walked(std::string("\x00\x01", 2)) ==
        "byte 0: found the field number 0, expected a field number of protobuf, 1 to 2^29 - 1");
  CHECK(walked(wire::varint(uint64_t{1} << 33)) ==
        "byte 0: found the field number 1073741824, expected a field number of protobuf, 1 to 2^29 - 1");
  CHECK(walked("\x10" + std::string(9, '\xff') + "\x01").empty());
  CHECK(walked("\x10" + std::string(9, '\xff') + "\x02") ==
        "byte 1: found a varint of more than 64 bits, expected at most 64 bits in ten bytes");
  CHECK(walked("\x10" + std::string(30, '\x80')) ==
        "byte 1: found a varint of more than 64 bits, expected at most 64 bits in ten bytes");
  for (const unsigned type : {3u, 4u, 6u, 7u}) {
    CHECK(walked(wire::tag(9, type)) ==
          fmt::format(
              "byte 0: found field 9 of the wire type {}, expected 0, 1, 2 or 5: a varint, 64 bits, bytes or 32 bits",
              type));
  }
  CHECK(walked(wire::tag(2, 2) + wire::varint(5) + "1234") ==
        "byte 0: found field 2 of 5 bytes, expected at most the 4 bytes that are left of the file");
  CHECK(walked(wire::tag(2, 2) + wire::varint(UINT64_MAX) + "1234") ==
        "byte 0: found field 2 of 18446744073709551615 bytes, expected at most the 4 bytes that are left of the file");
  // The message around it is what counts, whatever follows in the file.
  CHECK(walked(wire::bytes(1, wire::tag(2, 2) + wire::varint(5) + "1234") + wire::bytes(2, "567")) ==
        "byte 2: found field 2 of 5 bytes, expected at most the 4 bytes that are left of the message around it");
  CHECK(walked(wire::bytes(1, "\x08\xff") + wire::bytes(2, "567")) ==
        "byte 4: found the end of a message, expected the rest of a number");
}

TEST_CASE("messages in one another end at the hundredth") {
  std::string content;
  for (int depth = 1; depth < 100; ++depth) content = wire::bytes(1, content);
  CHECK(walked(content).empty());
  content = wire::bytes(1, content);
  CHECK_THAT(walked(content),
             ContainsSubstring(
                 "found more than 100 messages in one another, expected at most 100, as protobuf's own readers allow"));
  for (int depth = 0; depth < 3000; ++depth) content = wire::bytes(1, content);
  CHECK_THAT(walked(content), ContainsSubstring("found more than 100 messages in one another"));
}

TEST_CASE("packed numbers are counted across the buffer's borders") {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < 100'000; ++i) values.push_back(i * 37 % 5000 - 100);
  TemporaryFolder folder;
  const File file(folder.write("message", wire::packed(1, values) + wire::bytes(1, "\x01\x80")));
  WireCursor cursor(file);
  WireMessage message(cursor, 0, file.bytes());
  REQUIRE(message.next());
  cursor.seek(message.content_at());
  CHECK(cursor.count_varints(message.after()) == values.size());
  size_t at = 0;
  bool equal = true;
  message.numbers([&](uint64_t value) { equal = equal && static_cast<int64_t>(value) == values.at(at++); });
  CHECK(equal);
  CHECK(at == values.size());
  REQUIRE(message.next());
  cursor.seek(message.content_at());
  CHECK_THROWS_WITH(
      cursor.count_varints(message.after()),
      file.path() +
          fmt::format(": byte {}: found the end of packed numbers, expected the rest of the last one", file.bytes()));
}

TEST_CASE("passing over gibibytes reads nothing of them") {
  TemporaryFolder folder;
  const std::string path = folder.write("message", wire::number(1, 1) + wire::tag(2, 2) + wire::varint(5ull << 30));
  const uint64_t begin = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, begin + (5ull << 30));
  std::ofstream(path, std::ios::binary | std::ios::app) << wire::bytes(3, "behind");
  const File file(path);
  WireCursor cursor(file);
  const uint64_t before = bytes_read();
  WireMessage message(cursor, 0, file.bytes());
  REQUIRE(message.next());
  REQUIRE(message.next());
  CHECK(message.content_at() == begin);
  CHECK(message.content_bytes() == 5ull << 30);
  REQUIRE(message.next());
  CHECK(message.text() == "behind");
  CHECK(!message.next());
  CHECK(bytes_read() - before < 16 << 10);
}
