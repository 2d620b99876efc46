#include "strategies/checkpoint/safetensors.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string tensor(std::string_view name, std::string_view dtype, std::string_view shape, uint64_t begin,
                   uint64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

// The refusal of a file with this header and that much data, without the path before it.
std::string refused(std::string_view header, size_t data_bytes) {
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", safetensors(header, data_bytes));
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

std::string refused_bytes(const std::string& content) {
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", content);
  return refusal(path).substr(path.size() + 2);
}

Checkpoint accepted(std::string_view header, size_t data_bytes) {
  TemporaryFolder folder;
  return open_checkpoint(folder.write("model.safetensors", safetensors(header, data_bytes)));
}

}  // namespace

TEST_CASE("tensors come out with name, dtype, shape and place, in the order of their bytes") {
  const std::string header =
      "{" + tensor("second", "F16", "[2,3]", 4, 16) + "," + tensor("first", "F32", "[]", 0, 4) + "}";
  TemporaryFolder folder;
  const std::string path = folder.write("model.safetensors", safetensors(header, 16));
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(checkpoint.path == path);
  CHECK(checkpoint.format == "safetensors");
  REQUIRE(checkpoint.files.size() == 1);
  CHECK(checkpoint.files[0].path == path);
  CHECK(checkpoint.files[0].bytes == 8 + header.size() + 16);
  REQUIRE(checkpoint.tensors.size() == 2);
  const Tensor& first = checkpoint.tensors[0];
  CHECK(first.name == "first");
  CHECK(first.dtype == Dtype::f32);
  CHECK(first.shape.empty());
  CHECK(first.extent.file == 0);
  CHECK(first.extent.offset == 8 + header.size());
  CHECK(first.extent.bytes == 4);
  const Tensor& second = checkpoint.tensors[1];
  CHECK(second.name == "second");
  CHECK(second.dtype == Dtype::f16);
  CHECK(second.shape == std::vector<uint64_t>{2, 3});
  CHECK(second.extent.offset == 8 + header.size() + 4);
  CHECK(second.extent.bytes == 12);
  CHECK(checkpoint.stored_bytes() == 16);
  CHECK(checkpoint.file_bytes() == checkpoint.files[0].bytes);
  CHECK(checkpoint.table_bytes() >= 2 * sizeof(Tensor) + sizeof(CheckpointFile) + 2 * sizeof(uint64_t));
}

TEST_CASE("every dtype of the format is known, under its name and size") {
  const std::vector<std::tuple<std::string, Dtype, uint64_t>> all{
      {"BOOL", Dtype::boolean, 8},
      {"F4", Dtype::f4, 4},
      {"F6_E2M3", Dtype::f6_e2m3, 6},
      {"F6_E3M2", Dtype::f6_e3m2, 6},
      {"U8", Dtype::u8, 8},
      {"I8", Dtype::i8, 8},
      {"F8_E5M2", Dtype::f8_e5m2, 8},
      {"F8_E4M3", Dtype::f8_e4m3, 8},
      {"F8_E8M0", Dtype::f8_e8m0, 8},
      {"F8_E4M3FNUZ", Dtype::f8_e4m3fnuz, 8},
      {"F8_E5M2FNUZ", Dtype::f8_e5m2fnuz, 8},
      {"I16", Dtype::i16, 16},
      {"U16", Dtype::u16, 16},
      {"F16", Dtype::f16, 16},
      {"BF16", Dtype::bf16, 16},
      {"I32", Dtype::i32, 32},
      {"U32", Dtype::u32, 32},
      {"F32", Dtype::f32, 32},
      {"C64", Dtype::c64, 64},
      {"F64", Dtype::f64, 64},
      {"I64", Dtype::i64, 64},
      {"U64", Dtype::u64, 64},
  };
  unsigned rank = 0;
  for (const auto& [name, dtype, bits] : all) {
    INFO(name);
    const uint64_t bytes = 4 * bits / 8;
    const Checkpoint checkpoint = accepted("{" + tensor("t", name, "[2,2]", 0, bytes) + "}", bytes);
    REQUIRE(checkpoint.tensors.size() == 1);
    CHECK(checkpoint.tensors[0].dtype == dtype);
    CHECK(safetensors_name(dtype) == name);
    CHECK(dtype_of_safetensors(name) == dtype);
    CHECK(safetensors_rank(dtype) == rank++);
  }
  CHECK(safetensors_name(Dtype::int8).empty());
}

TEST_CASE("no tensors, tensors without elements, scalars and padding around the header are all valid") {
  CHECK(accepted("{}", 0).tensors.empty());
  CHECK(accepted("  \n\t\r{}   ", 0).tensors.empty());
  CHECK(accepted(R"({"__metadata__":{"format":"pt","":""}})", 0).tensors.empty());
  CHECK(accepted(R"({"__metadata__":{}})", 0).tensors.empty());
  CHECK(accepted(R"({"__metadata__":null})", 0).tensors.empty());
  const Checkpoint checkpoint =
      accepted("{" + tensor("b", "F32", "[0,7]", 4, 4) + "," + tensor("c", "F32", "[0]", 0, 0) + "," +
                   tensor("a", "F32", "[1]", 0, 4) + "," + tensor("", "U8", "[]", 4, 5) + "}",
               5);
  REQUIRE(checkpoint.tensors.size() == 4);
  CHECK(checkpoint.tensors[0].name == "c");
  CHECK(checkpoint.tensors[1].name == "a");
  CHECK(checkpoint.tensors[2].name == "b");
  CHECK(checkpoint.tensors[3].name.empty());
}

TEST_CASE("keys may come in any order, and names may be escaped") {
  const Checkpoint checkpoint = accepted(
      R"({ "\u00e9\ud83d\ude00" : { "data_offsets" : [ 0 , 2 ] , "shape" : [ 2 ] , "dtype" : "\u0055\u0038" } })", 2);
  REQUIRE(checkpoint.tensors.size() == 1);
  CHECK(checkpoint.tensors[0].name == "\xc3\xa9\xf0\x9f\x98\x80");
  CHECK(checkpoint.tensors[0].dtype == Dtype::u8);
}

TEST_CASE("a file without room for a header's length, or for the header, is refused at its beginning") {
  CHECK(refused_bytes("") == "byte 0: found a file of 0 bytes, expected at least 8: the length of the header");
  CHECK(refused_bytes("1234567") == "byte 0: found a file of 7 bytes, expected at least 8: the length of the header");
  CHECK(refused_bytes(std::string("\x02\0\0\0\0\0\0\0{", 9)) ==
        "byte 0: found a header of 2 bytes, expected at most the 1 bytes that follow in the file");
  CHECK(refused_bytes(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)) ==
        "byte 0: found a header of 100000001 bytes, expected at most 100000000, as in every safetensors file");
  CHECK(
      refused_bytes(std::string(8, '\xff')) ==
      "byte 0: found a header of 18446744073709551615 bytes, expected at most 100000000, as in every safetensors file");
}

TEST_CASE("a header that is not a UTF-8 JSON object is refused where it stops being one") {
  CHECK(refused("", 0) == "byte 8: found the end of the JSON text, expected a JSON object that names the tensors");
  CHECK(refused("[]", 0) == "byte 8: found an array, expected a JSON object that names the tensors");
  CHECK(refused("\xff", 0) == "byte 8: found byte 0xff, expected a JSON object that names the tensors");
  CHECK(refused("{\"\xff\"", 0) == "byte 10: found byte 0xff, expected UTF-8");
  CHECK(refused("{", 0) == "byte 9: found the end of the JSON text, expected a name in double quotes");
  CHECK(refused("{}{}", 0) == "byte 10: found an object, expected nothing but whitespace after the JSON value");
  CHECK(refused(std::string_view("{}\0", 3), 0) ==
        "byte 10: found byte 0x00, expected nothing but whitespace after the JSON value");
  CHECK(refused(R"({"a":[]})", 0) == "byte 13: found an array, expected an object with dtype, shape and data_offsets");
}

TEST_CASE("a dtype that is unknown or no text is refused by name") {
  CHECK(refused("{" + tensor("w", "F33", "[1]", 0, 4) + "}", 4) ==
        "byte 22: found the dtype \"F33\" of tensor \"w\", expected a dtype of safetensors (BOOL, U8, ... F32, U64)");
  CHECK(refused("{" + tensor("w", "f32", "[1]", 0, 4) + "}", 4) ==
        "byte 22: found the dtype \"f32\" of tensor \"w\", expected a dtype of safetensors (BOOL, U8, ... F32, U64)");
  CHECK(refused(R"({"w":{"dtype":7}})", 4) == "byte 22: found a number, expected a dtype in double quotes");
}

TEST_CASE("a shape that is not made of whole numbers is refused") {
  CHECK(refused(R"({"w":{"shape":[-1]}})", 0) ==
        "byte 23: found a negative number, expected a dimension: a whole number, 0 or more");
  CHECK(refused(R"({"w":{"shape":[1.5]}})", 0) ==
        "byte 23: found a number with a fraction or exponent, expected a dimension: a whole number, 0 or more");
  CHECK(refused(R"({"w":{"shape":["1"]}})", 0) ==
        "byte 23: found a string, expected a dimension: a whole number, 0 or more");
  CHECK(refused(R"({"w":{"shape":[18446744073709551616]}})", 0) ==
        "byte 23: found a number of 2^64 or more, expected a dimension: a whole number, 0 or more");
  CHECK(refused(R"({"w":{"shape":7}})", 0) == "byte 22: found a number, expected an array of dimensions");
  std::string ones = "1";
  for (int i = 1; i < 65; ++i) ones += ",1";
  CHECK(refused(fmt::format(R"({{"w":{{"shape":[{}]}}}})", ones), 0) ==
        "byte 151: found more than 64 dimensions of tensor \"w\", expected at most 64");
}

TEST_CASE("a shape whose bytes overflow or end inside a byte is refused") {
  CHECK(refused("{" + tensor("w", "F32", "[9223372036854775808,2]", 0, 4) + "}", 4) ==
        "byte 9: found tensor \"w\" of F32 [9223372036854775808,2], expected a whole number of bytes below 2^64");
  CHECK(refused("{" + tensor("w", "F64", "[4611686018427387904]", 0, 4) + "}", 4) ==
        "byte 9: found tensor \"w\" of F64 [4611686018427387904], expected a whole number of bytes below 2^64");
  CHECK(refused("{" + tensor("w", "F4", "[3]", 0, 1) + "}", 1) ==
        "byte 9: found tensor \"w\" of F4 [3], expected a whole number of bytes below 2^64");
  CHECK(refused("{" + tensor("w", "F6_E2M3", "[2]", 0, 1) + "}", 1) ==
        "byte 9: found tensor \"w\" of F6_E2M3 [2], expected a whole number of bytes below 2^64");
}

TEST_CASE("a shape that does not fill its bytes is refused with both figures") {
  CHECK(refused("{" + tensor("w", "F32", "[2,2]", 0, 12) + "}", 12) ==
        "byte 9: found tensor \"w\" of F32 [2,2] in 12 bytes, expected 16 bytes");
  CHECK(refused("{" + tensor("w", "U8", "[9223372036854775808]", 0, 4) + "}", 4) ==
        "byte 9: found tensor \"w\" of U8 [9223372036854775808] in 4 bytes, expected 9223372036854775808 bytes");
}

TEST_CASE("data_offsets that are not two numbers in order within the file are refused") {
  const auto offsets = [](std::string_view pair, size_t data) {
    return refused(fmt::format(R"({{"w":{{"data_offsets":{}}}}})", pair), data);
  };
  CHECK(offsets("[]", 0) == "byte 29: found fewer than two data_offsets of tensor \"w\", expected two byte offsets");
  CHECK(offsets("[0]", 0) == "byte 30: found fewer than two data_offsets of tensor \"w\", expected two byte offsets");
  CHECK(offsets("[0,0,0]", 0) ==
        "byte 32: found more than two data_offsets of tensor \"w\", expected two byte offsets");
  CHECK(offsets("[-1,0]", 0) == "byte 30: found a negative number, expected a byte offset: a whole number, 0 or more");
  CHECK(offsets("[4,0]", 8) ==
        "byte 32: found data_offsets [4,0] of tensor \"w\", expected an end that is not before the beginning");
  CHECK(offsets("[0,9]", 8) ==
        "byte 32: found data_offsets [0,9] of tensor \"w\", expected an end within the 8 bytes of data that the file "
        "holds");
  CHECK(offsets("[0,18446744073709551615]", 8) ==
        "byte 32: found data_offsets [0,18446744073709551615] of tensor \"w\", expected an end within the 8 bytes of "
        "data "
        "that the file holds");
}

TEST_CASE("a hole, an overlap or bytes left over are refused where they begin") {
  CHECK(refused("{" + tensor("a", "U8", "[2]", 0, 2) + "," + tensor("b", "U8", "[2]", 3, 5) + "}", 5) ==
        "byte 61: found tensor \"b\" at byte 3 of the data, expected byte 2, where the tensor before it ends: no "
        "holes, no "
        "overlaps");
  CHECK(refused("{" + tensor("a", "U8", "[4]", 0, 4) + "," + tensor("b", "U8", "[2]", 2, 4) + "}", 4) ==
        "byte 61: found tensor \"b\" at byte 2 of the data, expected byte 4, where the tensor before it ends: no "
        "holes, no "
        "overlaps");
  CHECK(refused("{" + tensor("a", "U8", "[2]", 1, 3) + "}", 3) ==
        "byte 9: found tensor \"a\" at byte 1 of the data, expected byte 0, where the tensor before it ends: no holes, "
        "no "
        "overlaps");
  CHECK(refused("{" + tensor("a", "U8", "[2]", 0, 2) + "}", 5) ==
        "byte 63: found 3 bytes after the last tensor, expected the end of the file");
  CHECK(refused("{}", 1) == "byte 10: found 1 bytes after the last tensor, expected the end of the file");
}

TEST_CASE("a name that stands twice is refused at its second place, in tensors as in their keys") {
  CHECK(refused("{" + tensor("a", "U8", "[1]", 0, 1) + "," + tensor("a", "U8", "[1]", 1, 2) + "}", 2) ==
        "byte 61: found tensor \"a\" a second time, expected each name once");
  // The first in the header lies behind the second in the file.
  CHECK(refused("{" + tensor("a", "U8", "[1]", 1, 2) + "," + tensor("\\u0061", "U8", "[1]", 0, 1) + "}", 2) ==
        "byte 61: found tensor \"a\" a second time, expected each name once");
  CHECK(refused(R"({"__metadata__":{},"__metadata__":{}})", 0) ==
        "byte 27: found \"__metadata__\" a second time, expected each name once");
  CHECK(refused(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0) ==
        "byte 27: found a second dtype of tensor \"a\", expected each key once");
  CHECK(refused(R"({"a":{"shape":[],"shape":[]}})", 0) ==
        "byte 25: found a second shape of tensor \"a\", expected each key once");
  CHECK(refused(R"({"a":{"data_offsets":[0,0],"data_offsets":[0,0]}})", 0) ==
        "byte 35: found a second data_offsets of tensor \"a\", expected each key once");
}

TEST_CASE("a tensor with a key too many or too few is refused") {
  CHECK(refused(R"({"a":{"dtype":"U8","scale":1}})", 0) ==
        "byte 27: found the key \"scale\" of tensor \"a\", expected only dtype, shape and data_offsets");
  CHECK(refused(R"({"a":{}})", 0) ==
        "byte 9: found tensor \"a\" without dtype, expected dtype, shape and data_offsets");
  CHECK(refused(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0) ==
        "byte 9: found tensor \"a\" without shape, expected dtype, shape and data_offsets");
  CHECK(refused(R"({"a":{"dtype":"U8","shape":[]}})", 0) ==
        "byte 9: found tensor \"a\" without data_offsets, expected dtype, shape and data_offsets");
}

TEST_CASE("metadata must map texts to texts") {
  CHECK(refused(R"({"__metadata__":{"a":1}})", 0) == "byte 29: found a number, expected a text in \"__metadata__\"");
  CHECK(refused(R"({"__metadata__":[]})", 0) ==
        "byte 24: found an array, expected an object of texts for \"__metadata__\"");
}

TEST_CASE("what a file says of itself cannot break the line of its refusal") {
  CHECK(refused(R"({"a\u001b[31m\n\u0000":{}})", 0) ==
        "byte 9: found tensor \"a\\x1b[31m\\x0a\\x00\" without dtype, expected dtype, shape and data_offsets");
  const std::string longer(5000, 'n');
  CHECK(refused("{\"" + longer + "\":{}}", 0) == "byte 9: found tensor \"" + longer.substr(0, 80) +
                                                     "...\" without dtype, expected dtype, shape and data_offsets");
}
