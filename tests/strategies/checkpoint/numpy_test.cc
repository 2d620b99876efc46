#include <fmt/format.h>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string npy(std::string_view header, std::string_view data, int version = 1) {
  return "\x93NUMPY" + little_endian(version, 2) + little_endian(header.size(), version == 1 ? 2 : 4) +
         std::string(header) + std::string(data);
}

std::string header(std::string_view descr, std::string_view shape, bool fortran = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", descr, fortran ? "True" : "False",
                     shape);
}

// The refusal of a file with these bytes, without the path before it.
std::string refused(const std::string& content, const std::string& name = "a.npy") {
  TemporaryFolder folder;
  const std::string path = folder.write(name, content);
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

// The refusal of a header, which begins at byte 10; four bytes follow it.
std::string refused_header(std::string_view text) {
  return refused(npy(text, "1234"));
}

Checkpoint accepted(const std::string& content, const std::string& name = "a.npy") {
  TemporaryFolder folder;
  return open_checkpoint(folder.write(name, content));
}

}  // namespace

TEST_CASE("an array's elements lie plainly behind its header, under no name") {
  TemporaryFolder folder;
  const std::string bytes = npy(header("<f4", "(2, 3)"), std::string(24, 'x'));
  const Checkpoint checkpoint = open_checkpoint(folder.write("any.name", bytes));
  CHECK(checkpoint.format == "numpy");
  REQUIRE(checkpoint.tensors.size() == 1);
  const Tensor& tensor = checkpoint.tensors[0];
  CHECK(tensor.name.empty());
  CHECK(tensor.dtype == Dtype::f32);
  CHECK(tensor.shape == std::vector<uint64_t>{2, 3});
  CHECK(tensor.plain());
  CHECK(tensor.extent.offset == bytes.size() - 24);
  CHECK(tensor.extent.bytes == 24);
}

TEST_CASE("every dtype of numbers is known in both byte orders, under each of its spellings") {
  const std::vector<std::tuple<std::string, Dtype, size_t>> all{
      {"b1", Dtype::boolean, 1}, {"?", Dtype::boolean, 1}, {"i1", Dtype::i8, 1},     {"u1", Dtype::u8, 1},
      {"i2", Dtype::i16, 2},     {"u2", Dtype::u16, 2},    {"i4", Dtype::i32, 4},    {"u4", Dtype::u32, 4},
      {"i8", Dtype::i64, 8},     {"u8", Dtype::u64, 8},    {"f2", Dtype::f16, 2},    {"f4", Dtype::f32, 4},
      {"f8", Dtype::f64, 8},     {"c8", Dtype::c64, 8},    {"c16", Dtype::c128, 16},
  };
  for (const auto& [name, dtype, bytes] : all) {
    for (const std::string order : {"", "<", "|", "=", ">"}) {
      INFO(order << name);
      const Checkpoint checkpoint = accepted(npy(header(order + name, "(1,)"), std::string(bytes, 'x')));
      REQUIRE(checkpoint.tensors.size() == 1);
      CHECK(checkpoint.tensors[0].dtype == dtype);
      CHECK(checkpoint.tensors[0].plain() == (order != ">" || bytes == 1));
    }
  }
}

TEST_CASE("versions 1 to 3, keys in any order, quotes of either kind and Python 2's numbers are read") {
  for (const int version : {1, 2, 3}) {
    const Checkpoint checkpoint = accepted(npy(header("<i2", "(2,)"), "abcd", version));
    REQUIRE(checkpoint.tensors.size() == 1);
    CHECK(checkpoint.tensors[0].extent.bytes == 4);
  }
  for (const std::string text : {
           "{'shape': (2L, 1L), 'descr': '<i2', 'fortran_order': False}",
           "{\"shape\":(2,1,),\"fortran_order\":True,\"descr\":\"<i2\",}    \n",
           " { 'fortran_order' : False ,\t'descr' : '<i2' , 'shape' : ( 2 , 1 ) } ",
       }) {
    INFO(text);
    const Checkpoint checkpoint = accepted(npy(text, "abcd"));
    REQUIRE(checkpoint.tensors.size() == 1);
    CHECK(checkpoint.tensors[0].shape == std::vector<uint64_t>{2, 1});
    CHECK(checkpoint.tensors[0].plain());
  }
  CHECK(accepted(npy(header("<i4", "()"), "abcd")).tensors[0].shape.empty());
  CHECK(accepted(npy(header(">i4", "(0, 7)", true), "")).tensors[0].plain());
}

TEST_CASE("Fortran order and big-endian elements are decoded and said to be so") {
  TemporaryFolder folder;
  const auto elements = [&](std::string_view descr, bool fortran, std::string_view data) {
    const Checkpoint checkpoint = open_checkpoint(folder.write("a.npy", npy(header(descr, "(2, 2)", fortran), data)));
    TensorReader reader(checkpoint);
    std::string text(data.size(), '\0');
    reader.read(0, 0, text.data(), text.size());
    return checkpoint.tensors[0].encoding->reason() + ": " + text;
  };
  CHECK(elements("|u1", true, "abcd") == "Fortran order: acbd");
  CHECK(elements(">u2", false, "abcdefgh") == "big-endian: badcfehg");
  CHECK(elements(">u2", true, "abcdefgh") == "big-endian, Fortran order: bafedchg");
}

TEST_CASE("arrays saved one after the other in one file are numbered") {
  const Checkpoint checkpoint =
      accepted(npy(header("|u1", "(2,)"), "ab") + npy(header("|u1", "(0,)"), "") + npy(header("<f4", "()"), "cdef", 2));
  REQUIRE(checkpoint.tensors.size() == 3);
  CHECK(checkpoint.tensors[0].name == "[0]");
  CHECK(checkpoint.tensors[1].name == "[1]");
  CHECK(checkpoint.tensors[2].name == "[2]");
  CHECK(refused(npy(header("|u1", "(2,)"), "abc")) ==
        "byte 70: found 1 bytes after the array, expected the end, or another array");
  CHECK(refused(npy(header("|u1", "(2,)"), "ab") + npy("{}", "")) ==
        "byte 82: found the end of the dict, expected descr, fortran_order and shape");
}

TEST_CASE("a file that does not begin as an array does, or not in a known version, is refused at its beginning") {
  CHECK(refused("") == "byte 0: found no bytes, expected \"\\x93NUMPY\", which an array begins with");
  CHECK(refused("\x92NUMPY\x01") ==
        "byte 0: found \"\\x92NUMPY\", expected \"\\x93NUMPY\", which an array begins with");
  CHECK(refused("\x93NUMPY\x01") == "byte 0: found 7 bytes, expected a version after the magic");
  CHECK(refused(npy("{}", "", 4)) == "byte 6: found version 4.0, expected 1.0, 2.0 or 3.0");
  CHECK(refused(npy("{}", "", 0x101)) == "byte 6: found version 1.1, expected 1.0, 2.0 or 3.0");
  CHECK(refused(std::string("\x93NUMPY\1\0\1", 9)) == "byte 8: found the end, expected the length of the header");
  CHECK(refused(std::string("\x93NUMPY\1\0\3\0{}", 12)) == "byte 8: found a header of 3 bytes, expected at most 2");
  CHECK(refused(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14)) ==
        "byte 8: found a header of 4294967295 bytes, expected at most 2");
  CHECK(refused(npy(std::string((1 << 20) + 1, ' '), "", 2)) ==
        "byte 8: found a header of 1048577 bytes, expected at most 1048576");
}

TEST_CASE("a header that is no dict of its three keys is refused where it stops being one") {
  CHECK(refused_header("") == "byte 10: found the end of the header, expected a Python dict in the header");
  CHECK(refused_header("[1]") == "byte 10: found \"[1]\", expected a Python dict in the header");
  CHECK(refused_header("{") == "byte 11: found the end of the header, expected a text in quotes");
  CHECK(refused_header("{'descr") == "byte 11: found a text without an end, expected a closing quote");
  CHECK(refused_header("{'descr\\") == "byte 11: found a text without an end, expected a closing quote");
  CHECK(refused_header("{'descr' '<f4'}") == "byte 19: found \"'<f4'}\", expected a colon in the header");
  CHECK(refused_header("{'order': 1}") ==
        "byte 11: found the key \"order\", expected descr, fortran_order and shape, each once");
  CHECK(refused_header("{'shape': (1,), 'shape': (1,)}") ==
        "byte 26: found the key \"shape\" a second time, expected descr, fortran_order and shape, each once");
  CHECK(refused_header("{'shape': (1,) 'descr': '<f4'}") ==
        "byte 25: found \"'descr': '<f4'}\", expected a comma or the end of the dict in the header");
  CHECK(refused_header("{'shape': (1,)}") ==
        "byte 25: found the end of the dict, expected descr, fortran_order and shape");
  CHECK(refused_header(header("<f4", "(1,)") + "x") ==
        "byte 68: found \"x\", expected nothing but spaces after the dict");
  CHECK(refused_header("{'fortran_order': 0}") == "byte 28: found \"0}\", expected True or False");
  CHECK(refused_header("{'descr': __import__('os').system('id')}") ==
        "byte 20: found \"__import__('os')\", expected a text in quotes");
}

TEST_CASE("a shape that is no tuple of whole numbers is refused") {
  const auto shape = [](std::string_view text) { return refused_header(fmt::format("{{'shape': {}}}", text)); };
  CHECK(shape("4") == "byte 20: found \"4}\", expected a tuple of dimensions in the header");
  CHECK(shape("(4)") == "byte 23: found a dimension alone in parentheses, expected a comma after it");
  CHECK(shape("(-1,)") == "byte 21: found \"-1,)}\", expected a dimension: a whole number, 0 or more");
  CHECK(shape("(,)") == "byte 21: found \",)}\", expected a dimension: a whole number, 0 or more");
  CHECK(shape("(1.5,)") == "byte 22: found \".5,)}\", expected a comma or the end of the tuple in the header");
  CHECK(shape("(1,,)") == "byte 23: found \",)}\", expected a dimension: a whole number, 0 or more");
  CHECK(shape("(18446744073709551616,)") == "byte 21: found a dimension of 2^64 or more, expected a smaller one");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "1,";
  CHECK(shape("(" + many + ")") == "byte 149: found more than 64 dimensions, expected as many at the most");
}

TEST_CASE("a shape that its data do not fill is refused with both figures") {
  CHECK(refused_header(header("<f4", "(2,)")) == "byte 68: found 4 bytes of elements, expected 8, as the shape says");
  CHECK(refused_header(header("<f4", "(4611686018427387904,)")) ==
        "byte 86: found 4 bytes of elements, expected a shape of fewer than 2^64 bytes");
  CHECK(refused_header(header("<f4", "(9223372036854775808, 2)")) ==
        "byte 88: found 4 bytes of elements, expected a shape of fewer than 2^64 bytes");
  CHECK(refused_header(header("|u1", "(1099511627776,)")) ==
        "byte 80: found 4 bytes of elements, expected 1099511627776, as the shape says");
}

TEST_CASE("arrays of anything but numbers are refused by what they are") {
  const auto descr = [](std::string_view text) {
    return refused_header(fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': (1,)}}", text));
  };
  const auto array_of = [](std::string_view what) {
    return fmt::format("byte 0: found an array of {}, expected an array of numbers", what);
  };
  CHECK(descr("'|O'") == array_of("Python objects (a pickle)"));
  CHECK(descr("'|S5'") == array_of("text"));
  CHECK(descr("'<U5'") == array_of("text"));
  CHECK(descr("'<M8[ns]'") == array_of("dates or durations"));
  CHECK(descr("'<m8[D]'") == array_of("dates or durations"));
  CHECK(descr("'<f16'") == array_of("long doubles"));
  CHECK(descr("'<c32'") == array_of("complex long doubles"));
  CHECK(descr("'<V2'") ==
        array_of("raw bytes \"V2\" (which is how NumPy writes types that it does not know, as bfloat16)"));
  CHECK(descr("[('a', '<f4', (2,)), (('title)', 'b\\''), [('c', '<i2')])]") ==
        array_of("records (a structured dtype)"));
  CHECK(descr("('<f4', (2,))") == array_of("records (a structured dtype)"));
  CHECK(descr("'<q9'") == "byte 20: found the dtype \"<q9\", expected one that NumPy has");
  CHECK(descr("''") == "byte 20: found the dtype \"\", expected one that NumPy has");
  CHECK(refused_header("{'descr': [[[") == "byte 23: found the end of the header, expected the end of the dtype");
}

TEST_CASE("an archive's arrays have their members' names; stored ones lie plainly and under their CRC-32") {
  TemporaryFolder folder;
  const std::string array = npy(header("<f4", "(2,)"), "abcdefgh");
  const std::string path = folder.write("any.name", zip({{.name = "layer/w.npy", .content = array},
                                                         {.name = "b.npy", .content = array, .deflated = true}}));
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(checkpoint.format == "numpy");
  REQUIRE(checkpoint.tensors.size() == 2);
  const Tensor &stored = checkpoint.tensors[0], &packed = checkpoint.tensors[1];
  CHECK(stored.name == "layer/w");
  CHECK(stored.plain());
  CHECK(content_of(path).substr(stored.extent.offset, stored.extent.bytes) == "abcdefgh");
  CHECK(packed.name == "b");
  REQUIRE_FALSE(packed.plain());
  CHECK(packed.encoding->reason() == "compressed with deflate");
  TensorReader reader(checkpoint);
  char elements[3];
  reader.read(1, 4, elements, 3);
  CHECK(std::string(elements, 3) == "efg");
  REQUIRE(checkpoint.checksums.size() == 1);
  CHECK(checkpoint.checksums[0].what == "member \"layer/w.npy\"");
  CHECK(checkpoint.checksums[0].extent.bytes == array.size());
  CHECK_NOTHROW(verify_checksums(checkpoint));
  CHECK(accepted(zip({}), "none.npz").tensors.empty());
}

TEST_CASE("a stored member whose bytes were changed is found by its CRC-32") {
  TemporaryFolder folder;
  const std::string path =
      folder.write("a.npz", zip({{.name = "a.npy", .content = npy(header("<f4", "()"), "abcd"), .crc32 = 0x01020304}}));
  const Checkpoint checkpoint = open_checkpoint(path);
  REQUIRE_THROWS_WITH(verify_checksums(checkpoint),
                      Catch::Matchers::StartsWith(path + ": byte 35: found member \"a.npy\" with the CRC-32 ") &&
                          Catch::Matchers::EndsWith("expected 01020304, as the file says: its bytes were changed"));
}

TEST_CASE("members that are no arrays of numbers are left out with a remark, unless nothing is left") {
  const ZipPart numbers{.name = "n.npy", .content = npy(header("<f4", "()"), "abcd")};
  const ZipPart objects{.name = "o\n.npy", .content = npy(header("|O", "(1,)"), "...")};
  const ZipPart text{.name = "t.npy", .content = npy(header("<U1", "()"), "abcd"), .deflated = true};
  const ZipPart notes{.name = "notes.txt", .content = "abc"}, folder{.name = "f/"};
  const Checkpoint mixed = accepted(zip({objects, numbers, text, notes, folder}), "a.npz");
  CHECK(mixed.tensors.size() == 1);
  CHECK(mixed.checksums.size() == 1);
  REQUIRE(mixed.remarks.size() == 1);
  CHECK(mixed.remarks[0].id == "left-out");
  CHECK(mixed.remarks[0].text ==
        "left out, as no arrays of numbers: \"o\\x0a.npy\" (Python objects (a pickle)), \"t.npy\" (text), "
        "\"notes.txt\" (no "
        ".npy)");
  CHECK(mixed.remarks[0].bytes == objects.content.size() + text.content.size() + 3);
  CHECK(refused(zip({objects, text}), "a.npz") ==
        "byte 0: found nothing but \"o\\x0a.npy\" (Python objects (a pickle)), \"t.npy\" (text), expected an array of "
        "numbers");
  ZipPart more = text;
  more.name = "more.npy";
  ZipPart last = text;
  last.name = "last.npy";
  CHECK(accepted(zip({numbers, text, more, last, notes}), "a.npz").remarks[0].text ==
        "left out, as no arrays of numbers: \"t.npy\" (text), \"more.npy\" (text), \"last.npy\" (text) and 1 more");
}

TEST_CASE("what is wrong with a member is told with its name") {
  const auto member = [](const std::string& content, bool deflate) {
    return refused(zip({{.name = "w.npy", .content = content, .deflated = deflate}}), "a.npz");
  };
  CHECK(member("abc", false) ==
        "byte 35: found \"abc\" in member \"w.npy\", expected \"\\x93NUMPY\", which an array begins with");
  CHECK(member("", true) ==
        "byte 35: found no bytes in member \"w.npy\", expected \"\\x93NUMPY\", which an array begins with");
  const std::string shorter = npy(header("<f4", "(2,)"), "abcd"), longer = npy(header("<f4", "()"), "abcdefgh");
  CHECK(member(shorter, false) ==
        "byte 103: found 4 bytes of elements in member \"w.npy\", expected 8, as the shape says");
  CHECK(member(shorter, true) ==
        "byte 35: found 4 bytes of elements in member \"w.npy\", expected 8, as the shape says");
  CHECK(member(longer, false) ==
        "byte 105: found 4 bytes after the array in member \"w.npy\", expected the end of the member");
  CHECK(member(npy("{'descr'}", ""), false) ==
        "byte 53: found \"}\" in member \"w.npy\", expected a colon in the header");
  ZipPart broken{.name = "w.npy", .content = longer, .deflated = true, .packed = std::string(9, '\xff')};
  CHECK(refused(zip({broken}), "a.npz") ==
        "byte 36: found a broken deflate stream in member \"w.npy\" (invalid block type), expected what deflate wrote");
}

TEST_CASE("an archive that claims more than it holds is refused before its claim costs anything") {
  const std::string start = npy(header("|u1", "(1000000000,)"), "");
  // 1 GB in a few bytes: more than deflate can reach.
  CHECK_THAT(
      refused(zip({{.name = "w.npy", .content = start, .deflated = true, .plain_bytes = 1'000'000'079}}), "a.npz"),
      ContainsSubstring("expected at most 1032 for each, the most that deflate can give"));
  // 100 MB claimed in 200 KB of noise: the listing believes it, the reading ends at the stream's end.
  std::string noise;
  for (unsigned i = 0, x = 1; i < 200'000; ++i, x = x * 1103515245 + 12345) noise += static_cast<char>(x >> 16);
  TemporaryFolder folder;
  const std::string head = npy(header("|u1", "(100000000,)"), "");
  const auto claimed = static_cast<uint32_t>(head.size() + 100'000'000);
  const std::string path = folder.write(
      "a.npz", zip({{.name = "w.npy", .content = head + noise, .deflated = true, .plain_bytes = claimed}}));
  const uint64_t growth = peak_growth([&] {
    const Checkpoint checkpoint = open_checkpoint(path);
    TensorReader reader(checkpoint);
    std::string piece(1 << 20, '\0');
    try {
      for (uint64_t at = 0; at < 99'000'000; at += piece.size()) reader.read(0, at, piece.data(), piece.size());
    } catch (const Error&) {
      return;
    }
    throw std::runtime_error("read to the end");
  });
  CHECK(growth < 8u << 20);
}

TEST_CASE("an archive of 100,000 deflated arrays costs no more than its size and 64 MiB") {
  TemporaryFolder folder;
  uint64_t bytes = 0;
  {
    std::vector<ZipPart> parts(100'000);
    const std::string array = npy("{'descr':'|b1','fortran_order':False,'shape':()}", "x"), packed = deflated(array);
    for (size_t i = 0; i < parts.size(); ++i) {
      parts[i].name = fmt::format("{}.npy", i);
      parts[i].content = array;
      parts[i].deflated = true;
      parts[i].packed = packed;
    }
    const std::string content = zip(parts, {.zip64 = true});
    bytes = content.size();
    folder.write("a.npz", content);
  }
  const uint64_t growth = peak_growth([&] {
    if (open_checkpoint(folder / "a.npz").tensors.size() != 100'000) throw std::runtime_error("another number");
  });
  CHECK(growth < bytes + (64u << 20));
}
