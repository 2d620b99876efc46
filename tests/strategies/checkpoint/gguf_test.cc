#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "strategies/checkpoint/digest.h"
#include "strategies/checkpoint/gguf/ggml_types.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/gguf_bytes.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

// The refusal without the path before it.
std::string refused(const GgufBytes& file) {
  TemporaryFolder folder;
  const std::string path = folder.write("model.gguf", file.bytes);
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

Checkpoint accepted(const GgufBytes& file) {
  TemporaryFolder folder;
  return open_checkpoint(folder.write("model.gguf", file.bytes));
}

// Of a file whose only tensor has this shape (ne, the fastest first), type and offset, with room for 4 KiB of elements.
std::string refused_tensor(std::initializer_list<uint64_t> ne, uint32_t type, uint64_t offset = 0) {
  return refused(header(1, 0).info("t", ne, type, offset).pad().zeros(4096));
}

}  // namespace

TEST_CASE("tensors of a GGUF file come out with name, dtype, place, and their shape with the slowest dimension first") {
  GgufBytes file = header(2, 1);
  file.text("general.architecture").u32(kString).text("llama");
  file.info("token_embd.weight", {64, 3}, 2, 0).info("output_norm.weight", {5}, 0, 128).pad();
  const size_t data_at = file.bytes.size();
  file.zeros(108 + 20 + 20);
  const Checkpoint checkpoint = accepted(file);
  CHECK(checkpoint.format == "gguf");
  REQUIRE(checkpoint.tensors.size() == 2);
  const Tensor& first = checkpoint.tensors[0];
  CHECK(first.name == "token_embd.weight");
  CHECK(first.dtype == Dtype::q4_0);
  CHECK(first.shape == std::vector<uint64_t>{3, 64});
  CHECK(first.plain());
  CHECK(first.extent.offset == data_at);
  CHECK(first.extent.bytes == 108);
  CHECK(first.bytes() == 108);
  CHECK(checkpoint.tensors[1].extent.offset == data_at + 128);
  CHECK(checkpoint.tensors[1].shape == std::vector<uint64_t>{5});
  CHECK(checkpoint.remarks.empty());
}

TEST_CASE("every type of ggml is known by its number, name and block") {
  size_t read = 0;
  for (uint32_t number = 0; ggml_type(number) != nullptr; ++number) {
    const GgmlType& type = *ggml_type(number);
    INFO(type.name);
    if (!type.dtype) {
      CHECK(refused_tensor({256}, number) ==
            fmt::format("byte 45: found the type {} ({}) of tensor \"t\", expected a type that ggml still has: convert "
                        "the model again, to {}",
                        number, type.name, type.instead));
      continue;
    }
    ++read;
    const Checkpoint checkpoint = accepted(header(1, 0).info("t", {256, 3}, number, 0).pad().zeros(8192));
    REQUIRE(checkpoint.tensors.size() == 1);
    CHECK(checkpoint.tensors[0].dtype == *type.dtype);
    CHECK(checkpoint.tensors[0].bytes() == packed_bytes(*type.dtype, 768));
    for (const BlockField& field : type.fields) {
      CHECK(field.offset + field.width * field.count <= static_cast<int>(block(*type.dtype).bytes));
    }
  }
  CHECK(read == 35);
  CHECK(refused_tensor({256}, 43) ==
        "byte 45: found the type 43 of tensor \"t\", expected a type that ggml has (F32, F16, Q4_0, ...)");
  CHECK_THAT(refused_tensor({256}, 0xffffffff), ContainsSubstring("found the type 4294967295 of"));
}

TEST_CASE("GGUF versions 2 and 3 are read, others refused with the reason") {
  CHECK(accepted(header(0, 0, 2)).tensors.empty());
  CHECK(accepted(header(0, 0, 3)).tensors.empty());
  CHECK(refused(header(0, 0, 1)) ==
        "byte 4: found GGUF version 1, expected version 2 or 3: version 1 lasted for weeks in 2023, and no tool reads "
        "it; "
        "convert the model again");
  CHECK(refused(header(0, 0, 0)) == "byte 4: found GGUF version 0, expected version 2 or 3");
  CHECK(refused(header(0, 0, 4)) == "byte 4: found GGUF version 4, expected version 2 or 3");
  CHECK(refused(header(0, 0, 0x01000000)).starts_with("byte 4: found GGUF version 1, "));
  CHECK(refused(header(0, 0, 0x04000000)) == "byte 4: found GGUF version 4, expected version 2 or 3");
  CHECK(refused(header(0, 0, 0xffffffff)) == "byte 4: found GGUF version 4294967295, expected version 2 or 3");
}

TEST_CASE("a GGUF file that is cut anywhere is refused, with what is missing") {
  GgufBytes file = header(1, 2);
  file.text("general.alignment").u32(kU32).u32(64);
  file.text("words").u32(kArray).u32(kString).u64(2).text("one").text("two");
  file.info("weight", {4, 2}, 0, 0).pad(64).zeros(32);
  CHECK(accepted(file).tensors.size() == 1);
  for (size_t bytes = 0; bytes < file.bytes.size(); ++bytes) {
    GgufBytes cut;
    cut.bytes = file.bytes.substr(0, bytes);
    INFO(bytes);
    CHECK_THAT(refused(cut), ContainsSubstring(", expected "));
  }
  GgufBytes cut;
  cut.bytes = "GGUF";
  CHECK(refused(cut) == "byte 4: found the end of the file, expected the version of GGUF");
  cut.bytes = file.bytes.substr(0, 32);
  CHECK(refused(cut) == "byte 24: found a key of the length 17, expected one that the 0 bytes behind it can hold");
  cut.bytes = file.bytes.substr(0, file.bytes.size() - 1);
  CHECK(refused(cut) ==
        fmt::format("byte {}: found the end of the file, expected tensor \"weight\", 32 bytes at byte 0 of "
                    "the data, which begin at byte 192",
                    cut.bytes.size()));
  cut.bytes = "GGML" + file.bytes.substr(4);
  CHECK(refused(cut) == "byte 0: found \"GGML\", expected \"GGUF\"");
}

TEST_CASE("a GGUF file's counts and lengths are held against the file before anything is made of them") {
  CHECK(refused(header(uint64_t{1} << 40, 0)) == "byte 8: found 1099511627776 tensors, expected at most 262144");
  CHECK(refused(header(kMost, 0)) == "byte 8: found 18446744073709551615 tensors, expected at most 262144");
  CHECK(refused(header(0, kMost)) == "byte 16: found 18446744073709551615 keys, expected at most 65536");
  CHECK(refused(header(2, 0).info("a", {1}, 0, 0).zeros(4)) ==
        "byte 57: found the end of the file, expected the name of a tensor");
  CHECK(refused(header(0, 1)) == "byte 24: found the end of the file, expected a key");
  CHECK(refused(header(0, 1).u64(kMost).zeros(64)) ==
        "byte 24: found a key of the length 18446744073709551615, expected one that the 64 bytes behind it can hold");
  CHECK(refused(header(0, 1).u64(70000).zeros(70000)) == "byte 24: found a key of 70000 bytes, expected at most 65535");
  CHECK(
      refused(header(0, 1).text("k").u32(kString).u64(kMost - 7)) ==
      "byte 37: found a text of \"k\" of the length 18446744073709551608, expected one that the 0 bytes behind it can "
      "hold");
  for (const uint64_t count : {kMost, uint64_t{1} << 62, uint64_t{1} << 61, uint64_t{17}}) {
    CHECK(refused(header(0, 1).text("k").u32(kArray).u32(kF32).u64(count).zeros(64)) ==
          fmt::format(
              "byte 41: found an array of \"k\" of the length {}, expected one that the 64 bytes behind it can hold",
              count));
    CHECK_THAT(refused(header(0, 1).text("k").u32(kArray).u32(kString).u64(count).zeros(64)),
               ContainsSubstring("found an array of"));
    CHECK_THAT(refused(header(0, 1).text("k").u32(kArray).u32(kArray).u64(count).zeros(64)),
               ContainsSubstring("found an array of"));
  }
}

TEST_CASE("keys of a GGUF file that are not as they must be are refused") {
  CHECK(refused(header(0, 1).text("").u32(kU32).u32(0)) == "byte 24: found an empty key, expected a key with a name");
  CHECK(refused(header(0, 2).text("k").u32(kU32).u32(0).text("k").u32(kU32).u32(0)) ==
        "byte 41: found the key \"k\" a second time, expected each key once");
  CHECK(refused(header(0, 1).text("k\n").u32(13).u32(0)) ==
        "byte 34: found a value of type 13 for the key \"k\\x0a\", expected a type of GGUF (0 to 12)");
  CHECK_THAT(refused(header(0, 1).text("k").u32(kArray).u32(99).u64(0)), ContainsSubstring("a value of type 99"));
  CHECK(refused(header(0, 1).text("split.no").u32(kString).text("1")) ==
        "byte 44: found \"split.no\" of type string, expected an integer");
  CHECK(refused(header(0, 1).text("split.count").u32(3).number(0xffff, 2)) ==
        "byte 47: found a negative \"split.count\", expected 0 or more");
}

TEST_CASE("arrays in arrays are passed over, eight deep and no deeper") {
  const auto nested = [](unsigned depth) {
    GgufBytes file = header(0, 1);
    file.text("k").u32(kArray);
    for (unsigned i = 1; i < depth; ++i) file.u32(kArray).u64(1);
    return file.u32(kU16).u64(2).u32(0);
  };
  CHECK(accepted(nested(1)).tensors.empty());
  CHECK(accepted(nested(8)).tensors.empty());
  CHECK(refused(nested(9)) == "byte 133: found more than 8 arrays in each other in \"k\", expected fewer");
  GgufBytes deep = header(0, 1);
  deep.text("k").u32(kArray);
  for (int i = 0; i < 100'000; ++i) deep.u32(kArray).u64(1);
  CHECK_THAT(refused(deep), ContainsSubstring("more than 8 arrays"));
}

TEST_CASE("the alignment of a GGUF file is a power of two, of type u32") {
  const auto aligned = [](uint64_t alignment) {
    return header(2, 1).text("general.alignment").u32(kU32).u32(alignment);
  };
  for (const uint64_t alignment : {0, 3, 24, 33}) {
    CHECK(refused(aligned(alignment)) ==
          fmt::format("byte 53: found the alignment {}, expected a power of two", alignment));
  }
  CHECK(refused(header(0, 1).text("general.alignment").u32(10).u64(32)) ==
        "byte 53: found \"general.alignment\" of type u64, expected a u32");
  GgufBytes tight = aligned(1);
  tight.info("a", {3}, 24, 0).info("b", {5}, 24, 3);
  const size_t data_at = tight.bytes.size();
  const Checkpoint checkpoint = accepted(tight.zeros(8));
  CHECK(checkpoint.tensors[0].extent.offset == data_at);
  CHECK(checkpoint.tensors[1].extent.offset == data_at + 3);
  // The largest: what it promises lies beyond the file.
  CHECK(
      refused(aligned(uint64_t{1} << 31).info("a", {3}, 24, 0).info("b", {5}, 24, uint64_t{1} << 31).zeros(500)) ==
      "byte 623: found the end of the file, expected tensor \"a\", 3 bytes at byte 0 of the data, which begin at byte "
      "2147483648");
}

TEST_CASE("tensors of a GGUF file that are not as they must be are refused") {
  CHECK(refused(header(2, 0).info("t", {1}, 0, 0).info("t", {1}, 0, 32).pad().zeros(64)) ==
        "byte 128: found tensor \"t\" a second time, expected each name once");
  CHECK(refused(header(1, 0).info(std::string(160, 'n'), {1}, 0, 0).pad().zeros(64)) ==
        "byte 24: found the name of a tensor of 160 bytes, expected at most 159");
  CHECK(accepted(header(1, 0).info(std::string(159, 'n'), {1}, 0, 0).pad().zeros(64)).tensors.size() == 1);
  CHECK(refused(header(1, 0).info(std::string_view("a\0b", 3), {1}, 0, 0).pad().zeros(64)) ==
        "byte 24: found the NUL in the name of tensor \"a\\x00b\", expected a name without");
  CHECK(refused_tensor({1, 1, 1, 1, 1}, 0) == "byte 33: found the 5 dimensions of tensor \"t\", expected at most 4");
  CHECK(refused_tensor({uint64_t{1} << 63}, 0) ==
        "byte 37: found the dimension 9223372036854775808 of tensor \"t\", expected 0 to 2^63 - 1");
  CHECK(refused_tensor({31}, 2) ==
        "byte 45: found 31 elements in a row of tensor \"t\", expected whole blocks of 32, as Q4_0 has");
  CHECK(refused_tensor({128, 2}, 12) ==
        "byte 53: found 128 elements in a row of tensor \"t\", expected whole blocks of 256, as Q4_K has");
  CHECK_THAT(refused_tensor({}, 8), ContainsSubstring("found 1 elements in a row"));
  CHECK(refused_tensor({uint64_t{1} << 40, uint64_t{1} << 40}, 0) ==
        "byte 33: found the f32 dimensions [1099511627776,1099511627776] of tensor \"t\", expected fewer than 2^64 "
        "bytes in all");
  CHECK_THAT(refused_tensor({uint64_t{1} << 62}, 0), ContainsSubstring("expected fewer than 2^64 bytes in all"));
  CHECK_THAT(refused_tensor({kMost / 2 - 1}, 16), ContainsSubstring("expected whole blocks of 256"));
  CHECK_THAT(refused_tensor({uint64_t{1} << 61}, 0), ContainsSubstring("byte 4160: found the end of the file"));
  // A sum that overflows: three tensors of 2^63 bytes.
  CHECK_THAT(refused(header(3, 0)
                         .info("a", {uint64_t{1} << 60}, 28, 0)
                         .info("b", {(uint64_t{1} << 60) - 8}, 28, uint64_t{1} << 63)
                         .info("c", {64}, 28, kMost - 63)),
             ContainsSubstring("dimensions [64] of tensor \"c\", expected fewer than 2^64 bytes in all"));
}

TEST_CASE("tensors of a GGUF file follow each other without gaps and overlaps, within the file") {
  CHECK(
      refused_tensor({8}, 0, 32) ==
      "byte 49: found the offset 32 of tensor \"t\", expected 0, where the tensor before it ends, padded to 32 bytes");
  CHECK_THAT(refused_tensor({8}, 0, kMost), ContainsSubstring("found the offset 18446744073709551615"));
  for (const uint64_t offset : {0, 32, 33, 60, 96}) {
    CHECK_THAT(refused(header(2, 0).info("a", {15}, 0, 0).info("b", {1}, 0, offset).pad().zeros(200)),
               ContainsSubstring(fmt::format("found the offset {} of tensor \"b\", expected 64", offset)));
  }
  CHECK(refused_tensor({1025}, 0) ==
        "byte 4160: found the end of the file, expected tensor \"t\", 4100 bytes at byte 0 of the data, which begin at "
        "byte 64");
  CHECK(accepted(header(1, 0).info("t", {1}, 0, 0).pad().zeros(4)).tensors.size() == 1);  // no padding behind the last
  CHECK_THAT(refused(header(1, 0).info("t", {0}, 0, 0)),
             ContainsSubstring("found the end of the file, expected tensor"));
  CHECK(accepted(header(1, 0).info("t", {0}, 0, 0).pad()).tensors[0].bytes() == 0);
}

TEST_CASE("GGUF files that are made to hurt cost their own size and 64 MiB at the most") {
#if defined(__SANITIZE_ADDRESS__)
  constexpr uint64_t kBeside = kMost / 2;  // a sanitizer's bookkeeping makes memory mean nothing
#else
  constexpr uint64_t kBeside = 64 << 20;
#endif
  TemporaryFolder folder;
  const auto hold = [&](std::string_view what, GgufBytes& file, size_t tensors) {
    INFO(what);
    const std::string path = folder.write("model.gguf", file.bytes);
    const uint64_t bytes = file.bytes.size();
    file.bytes = {};
    ::malloc_trim(0);  // what lies free here already would be used by the child, and not count
    const uint64_t growth = peak_growth([&] {
      if (open_checkpoint(path).tensors.size() != tensors) throw std::runtime_error("another number of tensors");
    });
    std::cout << fmt::format("hostile GGUF, {}: a file of {} KiB, {} KiB at the most\n", what, bytes / 1024,
                             growth / 1024);
    CHECK(growth <= bytes + kBeside);
  };
  constexpr uint64_t kTensors = 1 << 18, kKeys = 1 << 16;
  GgufBytes tensors = header(kTensors, 0);
  for (uint64_t i = 0; i < kTensors; ++i) tensors.info(fmt::format("{:x}", i), {0}, 0, 0);
  hold("as many tensors as may be, all empty", tensors.pad(), kTensors);
  GgufBytes long_names = header(kTensors, 0);
  for (uint64_t i = 0; i < kTensors; ++i) long_names.info(fmt::format("{:040}", i), {1, 1, 1, 0}, 0, 0);
  hold("as many tensors as may be, with names and shapes", long_names.pad(), kTensors);
  GgufBytes keys = header(0, kKeys);
  for (uint64_t i = 0; i < kKeys; ++i) keys.text(fmt::format("{:x}", i)).u32(0).number(0, 1);
  hold("as many keys as may be", keys, 0);
  GgufBytes long_keys = header(0, 1000);
  for (uint64_t i = 0; i < 1000; ++i) long_keys.text(fmt::format("{:030000}", i)).u32(0).number(0, 1);
  hold("keys of 30,000 bytes", long_keys, 0);
  GgufBytes texts = header(0, 1);
  texts.text("k").u32(kArray).u32(kString).u64(4'000'000);
  for (uint64_t i = 0; i < 4'000'000; ++i) texts.text("");
  hold("four million empty texts", texts, 0);
  GgufBytes arrays = header(0, 1);
  arrays.text("k").u32(kArray).u32(kArray).u64(2'000'000);
  for (uint64_t i = 0; i < 2'000'000; ++i) arrays.u32(kArray).u64(0);
  hold("two million empty arrays", arrays, 0);
}

TEST_CASE("a big-endian GGUF file is decoded, block by block where it must be") {
  // By hand: version, counts and everything behind them with the largest byte first.
  std::string file = "GGUF";
  const auto put = [&](uint64_t value, unsigned width) {
    while (width-- > 0) file += static_cast<char>(value >> (8 * width) & 0xff);
  };
  put(3, 4), put(3, 8), put(0, 8);
  for (const auto& [name, type, elements, offset] :
       {std::tuple{'a', 0, 2, 0}, std::tuple{'b', 6, 32, 32}, std::tuple{'c', 24, 3, 64}}) {
    put(1, 8), file += name, put(1, 4), put(static_cast<uint64_t>(elements), 8), put(static_cast<uint64_t>(type), 4);
    put(static_cast<uint64_t>(offset), 8);
  }
  while (file.size() % 32 != 0) file += '\0';
  put(0x01020304, 4), put(0x05060708, 4), file.append(24, '\0');
  put(0x0102, 2), put(0x03040506, 4), file += "0123456789abcdef", file.append(10, '\0');
  file += "xyz";
  TemporaryFolder folder;
  const Checkpoint checkpoint = open_checkpoint(folder.write("big.gguf", file));
  REQUIRE(checkpoint.tensors.size() == 3);
  CHECK(checkpoint.tensors[0].encoding->reason() == "big-endian");
  CHECK(checkpoint.tensors[2].plain());
  TensorReader reader(checkpoint);
  const auto read = [&](uint32_t tensor, uint64_t begin, size_t bytes) {
    std::string result(bytes, '\0');
    reader.read(tensor, begin, result.data(), bytes);
    return result;
  };
  CHECK(read(0, 0, 8) == "\x04\x03\x02\x01\x08\x07\x06\x05");
  const std::string block =
      "\x02\x01\x06\x05\x04\x03"
      "0123456789abcdef";
  CHECK(read(1, 0, 22) == block);
  for (size_t begin = 0; begin < 22; ++begin) {
    for (size_t bytes = 1; bytes <= 22 - begin; ++bytes) CHECK(read(1, begin, bytes) == block.substr(begin, bytes));
  }
  CHECK(read(2, 0, 3) == "xyz");

  file.replace(24 + 9 + 12, 4, std::string("\0\0\0\x10", 4));  // IQ2_XXS
  CHECK(refusal(folder.write("iq.gguf", file))
            .ends_with(
                "byte 45: found 2 elements in a row of tensor \"a\", expected whole blocks of 256, as IQ2_XXS has"));
  file.replace(24 + 9 + 4, 8, std::string("\0\0\0\0\0\0\1\0", 8));
  CHECK(refusal(folder.write("iq.gguf", file))
            .ends_with("byte 45: found the type IQ2_XXS in a big-endian file of tensor \"a\", expected it in a "
                       "little-endian file: what it "
                       "means in this one is not settled"));
}
