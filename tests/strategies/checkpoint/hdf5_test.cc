#include <fmt/format.h>

#include <cstdlib>
#include <iostream>

#include "strategies/checkpoint/digest.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/hdf5_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string floats(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += le(0x3f800000 + i, 4);
  return bytes;
}

std::string refused(const std::string& content) {
  TemporaryFolder folder;
  const std::string path = folder.write("model.h5", content);
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

const Tensor& named(const Checkpoint& checkpoint, std::string_view name) {
  for (const Tensor& tensor : checkpoint.tensors) {
    if (tensor.name == name) return tensor;
  }
  FAIL("no tensor " << name);
  return checkpoint.tensors.front();
}

std::string elements_of(const Checkpoint& checkpoint, std::string_view name) {
  const Tensor& tensor = named(checkpoint, name);
  std::string bytes(tensor.bytes(), '\0');
  TensorReader(checkpoint)
      .read(static_cast<uint32_t>(&tensor - checkpoint.tensors.data()), 0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace

TEST_CASE("datasets are tensors under their paths, and lie where the file says") {
  Hdf5File file;
  const uint64_t data = file.add(floats(6));
  const uint64_t x = file.object({dataspace({2, 3}), float32(), contiguous(data, 24)});
  const uint64_t group = file.object({link("inner", x)});
  const std::string content = file.with_root({link("group", group), link("outer", x), soft_link("soft", "/outer")});
  TemporaryFolder folder;
  const std::string path = folder.write("model.h5", content);
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(checkpoint.format == "hdf5");
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].name == "group/inner");
  CHECK(checkpoint.tensors[0].dtype == Dtype::f32);
  CHECK(checkpoint.tensors[0].shape == std::vector<uint64_t>{2, 3});
  CHECK(checkpoint.tensors[0].plain());
  CHECK(checkpoint.tensors[0].extent.offset == data);
  CHECK(checkpoint.tensors[0].extent.bytes == 24);
  CHECK(checkpoint.tensors[1].name == "outer");
  CHECK(checkpoint.tensors[1].same_as == 0);
  CHECK(checkpoint.stored_bytes() == 24);
  CHECK(checkpoint.remarks.empty());
  CHECK(elements_of(checkpoint, "outer") == floats(6));
}

TEST_CASE("a user block moves the file, and every offset with it") {
  Hdf5File file;
  const uint64_t data = file.add(floats(2));
  const std::string content = file.with_dataset({dataspace({2}), float32(), contiguous(data, 8)});
  TemporaryFolder folder;
  const std::string path = folder.write("model.h5", std::string(1024, '#') + content);
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(named(checkpoint, "x").extent.offset == 1024 + data);
  CHECK(elements_of(checkpoint, "x") == floats(2));
  CHECK(refused(std::string(1000, '#') + content) ==
        "byte 0: found no HDF5 signature, expected one at byte 0, or at 512, 1024, 2048 and so on");
}

TEST_CASE("what was never written has its fill value") {
  Hdf5File file;
  const Hdf5Message fill{0x05, le(3, 1) + le(0x20, 1) + le(4, 4) + le(0x40490fdb, 4)};
  const uint64_t pi = file.object({dataspace({3}), float32(), contiguous(kNowhere, 12), fill});
  const uint64_t zero = file.object({dataspace({3}), float32(), contiguous(kNowhere, 12)});
  const uint64_t chunks = file.object({dataspace({5}), float32(), chunked(kNowhere, {2, 4}), fill});
  TemporaryFolder folder;
  const Checkpoint checkpoint = open_checkpoint(
      folder.write("model.h5", file.with_root({link("pi", pi), link("zero", zero), link("chunks", chunks)})));
  const std::string one = le(0x40490fdb, 4);
  CHECK(elements_of(checkpoint, "pi") == one + one + one);
  CHECK(elements_of(checkpoint, "zero") == std::string(12, '\0'));
  CHECK(elements_of(checkpoint, "chunks") == one + one + one + one + one);
  CHECK(named(checkpoint, "pi").encoding->reason() == "never written");
}

TEST_CASE("a dataset that was never written counts once under all its names, and all together have a sum") {
  Hdf5File file;
  const auto unwritten = [&] {
    return file.object({dataspace({uint64_t{1} << 61}), float32(), contiguous(kNowhere, uint64_t{1} << 63)});
  };
  const uint64_t huge = unwritten();
  TemporaryFolder folder;
  const Checkpoint twice = open_checkpoint(
      folder.write("twice.h5", Hdf5File(file).with_root({link("a", huge), link("b", huge), link("c", huge)})));
  REQUIRE(twice.tensors.size() == 3);
  CHECK(twice.tensors[1].same_as == 0);
  CHECK(twice.tensors[2].same_as == 0);
  CHECK(twice.stored_bytes() == uint64_t{1} << 63);
  const uint64_t other = unwritten();
  CHECK_THAT(refusal(folder.write("sum.h5", file.with_root({link("a", huge), link("b", other)}))),
             ContainsSubstring("found tensors of 2^64 bytes or more together, expected fewer"));
}

TEST_CASE("a file that is no HDF5 file, of another version, cut, not closed or changed is refused") {
  Hdf5File file;
  const uint64_t data = file.add(floats(2));
  const std::string good = file.with_dataset({dataspace({2}), float32(), contiguous(data, 8)});
  const auto with = [&](size_t at, const std::string& bytes) {
    return std::string(good).replace(at, bytes.size(), bytes);
  };
  const auto resealed = [&](const std::string& content) { return guarded(content.substr(0, 44)) + content.substr(48); };

  CHECK(refused("nothing of the kind") ==
        "byte 0: found no HDF5 signature, expected one at byte 0, or at 512, 1024, 2048 and so on");
  CHECK(refused("\x89HDF\r\n\x1a\n") == "byte 8: found a superblock that ends after 8 bytes, expected 1 more");
  CHECK(refused(with(8, le(9, 1))) == "byte 9: found a superblock of version 9, expected 0 to 3");
  CHECK(refused(with(9, le(3, 1))) == "byte 10: found a superblock with addresses of 3 bytes, expected 2, 4 or 8");
  CHECK(refused(good.substr(0, good.size() - 1)) ==
        fmt::format("byte 48: found {} bytes from the superblock on, expected {}, as it says itself: the file was cut",
                    good.size() - 1, good.size()));
  CHECK_THAT(refused(with(36, le(data, 8))),
             Catch::Matchers::StartsWith("byte 0: found a superblock with the checksum"));
  CHECK(refused(resealed(with(36, le(data, 8)))) ==
        fmt::format("byte {}: found an object header that begins with \"\\x00\\x00\\x80?\", expected \"OHDR\"", data));
  CHECK(refused(resealed(with(36, le(1 << 20, 8)))) ==
        fmt::format(
            "byte 0: found an object header of 1 bytes at address 1048576, expected an end within the file's {} bytes",
            good.size()));
  CHECK_THAT(refused(with(good.size() - 1, "?")), ContainsSubstring("as it says itself: its bytes were changed"));
  const std::string open = with(8, le(3, 1)).replace(11, 1, le(1, 1));
  CHECK(refused(resealed(open)) ==
        "byte 0: found a file that was not closed by what wrote it, expected one that was; if nothing writes to it any "
        "more, `h5clear --status` sets it right");
}

TEST_CASE("a group whose links do not hold together is refused") {
  Hdf5File file;
  const uint64_t data = file.add(floats(2));
  const uint64_t x = file.object({dataspace({2}), float32(), contiguous(data, 8)});
  CHECK(refused(Hdf5File(file).with_root({link("x", x), link("x", x)})) ==
        "byte 0: found a group with \"x\" twice, expected each name once");
  const uint64_t inner = file.object({link("x", x)});
  CHECK(refused(Hdf5File(file).with_root({link("g", inner), link("g/x", x)})) ==
        "byte 0: found dataset \"g/x\" a second time, expected each path once");
  CHECK_THAT(refused(Hdf5File(file).with_root({link("x", kNowhere)})),
             ContainsSubstring("found a link \"x\" to no address, expected its object's address"));
  CHECK_THAT(refused(Hdf5File(file).with_root({link("x", 1 << 20)})),
             ContainsSubstring("found an object header of 1 bytes at address 1048576"));
  CHECK_THAT(refused(Hdf5File(file).with_root({{0x06, le(1, 1) + le(0, 1) + le(200, 1) + "short"}})),
             ContainsSubstring("found an object header that ends after 8 bytes, expected 200 more"));
  CHECK_THAT(refused(Hdf5File(file).with_root({{0x1f, "later", 0x80}})),
             ContainsSubstring("found a group with a message of a later version of HDF5 that must be understood"));
}

TEST_CASE("an object that says not what it is is refused; a flag that means nothing for a message changes nothing") {
  Hdf5File file;
  const uint64_t nothing = file.object({{0x12, std::string(8, '\0')}});
  CHECK(
      refused(Hdf5File(file).with_root({link("x", nothing)})) ==
      fmt::format("byte {}: found an object \"x\" that says not what it is, expected a group, a dataset or a datatype",
                  nothing));
  const uint64_t type = file.object({float32()});
  TemporaryFolder folder;
  CHECK(open_checkpoint(folder.write("type.h5", Hdf5File(file).with_root({link("type", type)}))).tensors.empty());

  const uint64_t data = file.add(floats(1));
  const uint64_t x = file.object({dataspace({}), float32(), contiguous(data, 4)});
  const uint64_t name = file.add("x" + std::string(7, '\0'));
  const uint64_t heap = file.add("HEAP" + le(0, 4) + le(8, 8) + le(kNowhere, 8) + le(name, 8));
  const uint64_t node = file.add("SNOD" + le(1, 1) + le(0, 1) + le(1, 2) + le(0, 8) + le(x, 8) + std::string(24, '\0'));
  const uint64_t tree = file.add("TREE" + le(0, 1) + le(0, 1) + le(1, 2) + le(kNowhere, 8) + le(kNowhere, 8) +
                                 le(0, 8) + le(node, 8) + le(0, 8));
  constexpr uint8_t kShared = 2;  // a symbol table cannot be
  const Checkpoint flagged =
      open_checkpoint(folder.write("flagged.h5", file.with_root({{0x11, le(tree, 8) + le(heap, 8), kShared}})));
  REQUIRE(flagged.tensors.size() == 1);
  CHECK(flagged.tensors[0].name == "x");
}

TEST_CASE("groups that lead in circles end, and depth is bounded") {
  Hdf5File file;
  const uint64_t data = file.add(floats(1));
  const uint64_t x = file.object({dataspace({}), float32(), contiguous(data, 4)});
  const uint64_t self = file.next();
  file.object({link("again", self), link("x", x)});
  TemporaryFolder folder;
  const Checkpoint circle = open_checkpoint(folder.write("circle.h5", Hdf5File(file).with_root({link("g", self)})));
  REQUIRE(circle.tensors.size() == 1);
  CHECK(circle.tensors[0].name == "g/x");

  uint64_t deep = x;
  for (int level = 0; level < 256; ++level) deep = file.object({link("d", deep)});
  CHECK_THAT(refused(Hdf5File(file).with_root({link("d", deep)})),
             ContainsSubstring("inside 256 others, expected fewer"));
}

TEST_CASE("object headers that continue in themselves are refused") {
  Hdf5File file;
  const uint64_t at = file.next();
  // A continuation whose only message is a continuation to itself.
  file.add(guarded("OCHK" + le(0x10, 1) + le(16, 2) + le(0, 1) + le(at, 8) + le(28, 8)));
  CHECK_THAT(refused(file.with_root({{0x10, le(at, 8) + le(28, 8)}})),
             ContainsSubstring("found an object header whose continuations do not end, expected fewer of them"));
}

TEST_CASE("a dataset that cannot be is refused") {
  Hdf5File file;
  const uint64_t data = file.add(floats(4));
  const auto said = [&](const std::vector<Hdf5Message>& messages) {
    return refused(Hdf5File(file).with_dataset(messages));
  };
  const auto contains = [](const std::string& text) { return ContainsSubstring(text); };
  CHECK_THAT(said({dataspace(std::vector<uint64_t>(33, 1)), float32(), contiguous(data, 16)}),
             contains("found a dataset of 33 dimensions, expected at most 32"));
  CHECK_THAT(said({dataspace({1u << 31, 1u << 31}), float32(), contiguous(kNowhere, 16)}),
             contains("found a dataset of 2^64 bytes or more, expected fewer"));
  CHECK_THAT(said({dataspace({4}), float32(), contiguous(data, 12)}),
             contains("found a dataset of 16 bytes in 12, expected room for all of them"));
  CHECK_THAT(
      said({dataspace({1000}), float32(), contiguous(data, 4000)}),
      contains(fmt::format("found a dataset of 4000 bytes at address {}, expected an end within the file's", data)));
  CHECK_THAT(said({dataspace({4}), float32()}), contains("found a dataset without a layout, expected one"));
  CHECK_THAT(said({dataspace({4}), float32(), {0x08, le(3, 1) + le(7, 1)}}),
             contains("found a layout of class 7, expected 0 to 3"));
  CHECK_THAT(said({dataspace({4}), float32(), chunked(kNowhere, {4})}),
             contains("found chunks of 0 dimensions in a dataset of 1, expected as many, and at least one"));
  CHECK_THAT(said({dataspace({4}), float32(), chunked(kNowhere, {2, 8})}),
             contains("found chunks of 8-byte elements, expected 4 bytes, as the datatype says"));
  CHECK_THAT(said({dataspace({4}), float32(), chunked(kNowhere, {0, 4})}),
             contains("found chunks of no elements, expected at least one"));
  CHECK_THAT(said({dataspace({4, 4, 4}), float32(), chunked(kNowhere, {UINT32_MAX, UINT32_MAX, UINT32_MAX, 4})}),
             contains("found chunks of 2^64 bytes or more, expected fewer"));
  CHECK_THAT(
      said({dataspace({4}), float32(), contiguous(kNowhere, 16), {0x05, le(3, 1) + le(0x20, 1) + le(2, 4) + "ab"}}),
      contains("found a fill value of 2 bytes, expected 4"));
  CHECK_THAT(said({dataspace({4}), float32(), chunked(kNowhere, {2, 4}), {0x0b, le(2, 1) + le(33, 1)}}),
             contains("found 33 filters, expected at most 32"));
}

TEST_CASE("datasets that overlap, or that say they are more than their file, are not read") {
  constexpr uint64_t kLarge = 40u << 20;
  Hdf5File file;
  const uint64_t data = file.add(std::string(kLarge, 'x'));
  std::vector<Hdf5Message> links;
  for (int i = 0; i < 4; ++i) {
    links.push_back(
        link(fmt::format("x{}", i), file.object({dataspace({kLarge}), signed_bytes(), contiguous(data, kLarge)})));
  }
  CHECK_THAT(refused(Hdf5File(file).with_root(links)), ContainsSubstring("expected datasets that do not overlap"));

  Hdf5File absurd;
  const uint64_t x = absurd.object({dataspace({1ull << 60}), float32(), contiguous(kNowhere, 1ull << 62)});
  const uint64_t small = absurd.object({dataspace({4}), float32(), contiguous(kNowhere, 16)});
  TemporaryFolder folder;
  const std::string path = folder.write("model.h5", absurd.with_root({link("x", x), link("small", small)}));
  const Checkpoint checkpoint = open_checkpoint(path);
  CHECK(named(checkpoint, "x").bytes() == 1ull << 62);
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "declares-more");
  CHECK(checkpoint.remarks[0].text == "1 dataset declares more than the file can hold and cannot be read: x");
  CHECK(elements_of(checkpoint, "small") == std::string(16, '\0'));
  TensorReader reader(checkpoint);
  char byte;
  const auto index = static_cast<uint32_t>(&named(checkpoint, "x") - checkpoint.tensors.data());
  CHECK_THROWS_WITH(reader.read(index, 0, &byte, 1),
                    ContainsSubstring("found dataset \"x\" of 4611686018427387904 bytes, expected no more than a "
                                      "file of"));
}

TEST_CASE("a million links to one long name take no memory in proportion") {
  // Version 1 groups: a symbol table's entries have 40 bytes each, and all of them name the same megabyte.
  constexpr size_t kName = 1u << 20, kEntries = 60'000;
  Hdf5File file;
  const uint64_t name = file.add(std::string(kName, 'n') + std::string(8, '\0'));
  const uint64_t heap = file.add("HEAP" + le(0, 4) + le(kName + 8, 8) + le(kNowhere, 8) + le(name, 8));
  const uint64_t data = file.add(floats(1));
  const uint64_t x = file.object({dataspace({}), float32(), contiguous(data, 4)});
  std::string symbols = "SNOD" + le(1, 1) + le(0, 1) + le(kEntries, 2);
  for (size_t i = 0; i < kEntries; ++i) symbols += le(0, 8) + le(x, 8) + le(0, 4) + le(0, 4) + std::string(16, '\0');
  const uint64_t node = file.add(symbols);
  const uint64_t tree = file.add("TREE" + le(0, 1) + le(0, 1) + le(1, 2) + le(kNowhere, 8) + le(kNowhere, 8) +
                                 le(0, 8) + le(node, 8) + le(0, 8));
  const std::string content = file.with_root({{0x11, le(tree, 8) + le(heap, 8)}});
  CHECK_THAT(refused(content), ContainsSubstring("more names than the file has room for"));
  TemporaryFolder folder;
  const std::string path = folder.write("model.h5", content);
  CHECK(peak_growth([&] {
          try {
            open_checkpoint(path);
          } catch (const Error&) {
          }
        }) < content.size() + (64u << 20));
}

TEST_CASE("trees whose nodes share their children end") {
  // Sixteen levels of 100 children each, all of them the same node.
  Hdf5File file;
  const uint64_t name = file.add(std::string(8, '\0'));
  const uint64_t heap = file.add("HEAP" + le(0, 4) + le(8, 8) + le(kNowhere, 8) + le(name, 8));
  uint64_t below = file.add("SNOD" + le(1, 1) + le(0, 1) + le(0, 2));
  for (unsigned level = 0; level < 16; ++level) {
    std::string node = "TREE" + le(0, 1) + le(level, 1) + le(100, 2) + le(kNowhere, 8) + le(kNowhere, 8) + le(0, 8);
    for (int child = 0; child < 100; ++child) node += le(below, 8) + le(0, 8);
    below = file.add(node);
  }
  CHECK_THAT(refused(Hdf5File(file).with_root({{0x11, le(below, 8) + le(heap, 8)}})),
             ContainsSubstring("among structures that are part of each other, expected each structure in one place"));
  std::string self = "TREE" + le(0, 1) + le(1, 1) + le(1, 2) + le(kNowhere, 8) + le(kNowhere, 8) + le(0, 8);
  self += le(file.next(), 8) + le(0, 8);
  const uint64_t at = file.add(self);
  CHECK_THAT(refused(file.with_root({{0x11, le(at, 8) + le(heap, 8)}})),
             ContainsSubstring("found a node of level 1 below one of level 1, expected one level less each time"));
}

TEST_CASE("what h5py writes lies plainly where it can, and says why where it cannot") {
  const TemporaryFolder folder;
  if (!written_by("hdf5", folder)) return;
  const Checkpoint plain = open_checkpoint(folder / "default_plain.h5");
  for (const std::string_view name : {"contiguous", "half", "scalar", "mask", "compact", "empty"}) {
    INFO(name);
    CHECK(named(plain, name).plain());
  }
  const auto reason = [](const Checkpoint& checkpoint, std::string_view name) {
    return named(checkpoint, name).encoding->reason();
  };
  CHECK(reason(plain, "big") == "big-endian");
  const Checkpoint chunks = open_checkpoint(folder / "default_chunks.h5");
  CHECK(named(chunks, "whole").plain());
  CHECK(reason(chunks, "plain") == "in chunks");
  CHECK(reason(chunks, "big") == "in chunks, big-endian");
  CHECK(reason(chunks, "never/chunks") == "never written, big-endian");
  CHECK(reason(open_checkpoint(folder / "default_filters.h5"), "all") == "in chunks (shuffle, deflate, Fletcher-32)");
  CHECK(reason(open_checkpoint(folder / "default_packed.h5"), "narrow_nbit") ==
        "in chunks (n-bit), big-endian, integers of 19 bits");
}

TEST_CASE("no other file is opened, and what is left out is named") {
  const TemporaryFolder folder;
  if (!written_by("hdf5", folder)) return;
  const Checkpoint checkpoint = open_checkpoint(folder / "elsewhere.h5");
  REQUIRE(checkpoint.tensors.size() == 1);
  CHECK(checkpoint.tensors[0].name == "own");
  CHECK(checkpoint.files.size() == 1);
  REQUIRE(checkpoint.remarks.size() == 2);
  CHECK(checkpoint.remarks[0].id == "left-out");
  CHECK(checkpoint.remarks[0].text ==
        "8 datasets cannot be read as plain numbers and were left out: choice (enumerations), complex (records), "
        "long_double (floats of 16 bytes in a form of their own) and 5 more");
  CHECK(checkpoint.remarks[1].id == "left-out");
  CHECK(checkpoint.remarks[1].text == "1 link to other files was not followed: link");
}

TEST_CASE("a Keras 3 archive's weights are mapped where they lie in it; optimizer state is told apart") {
  const TemporaryFolder folder;
  if (!written_by("hdf5", folder)) return;
  const Checkpoint checkpoint = open_checkpoint(folder / "model.keras");
  REQUIRE(checkpoint.tensors.size() == 5);
  for (const Tensor& tensor : checkpoint.tensors) CHECK(tensor.plain());
  CHECK(named(checkpoint, "layers/dense_1/vars/0").dtype == Dtype::bf16);
  REQUIRE(checkpoint.checksums.size() == 1);
  CHECK_NOTHROW(verify_checksums(checkpoint));
  const std::string alone = content_of(folder / "model.weights.h5");
  CHECK(alone.find(elements_of(checkpoint, "layers/dense/vars/0")) != std::string::npos);
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "optimizer-state");
  CHECK(checkpoint.remarks[0].bytes == 12);
  CHECK(checkpoint.remarks[0].text ==
        "2 tensors below optimizer are the optimizer's state, which training goes on from and inference does not need");

  const std::string deflated = refusal(folder / "deflated.keras");
  CHECK_THAT(deflated, ContainsSubstring("found a compressed member model.weights.h5, expected one as Keras stores "
                                         "it; unpack it (`unzip ARCHIVE model.weights.h5`) and name that file"));

  const Checkpoint older = open_checkpoint(folder / "keras2.h5");
  REQUIRE(older.remarks.size() == 1);
  CHECK(
      older.remarks[0].text ==
      "2 tensors below optimizer_weights are the optimizer's state, which training goes on from and inference does not "
      "need");
  CHECK(older.remarks[0].bytes == 56);
}
