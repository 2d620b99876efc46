// Chunks and the filters they passed through: what is damaged or absurd, and reading in pieces of any kind.
#include <fmt/format.h>
#include <zlib.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "strategies/checkpoint/tensor_reader.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/hdf5_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

constexpr uint16_t kDeflate = 1, kShuffle = 2, kFletcher32 = 3, kSzip = 4, kNbit = 5, kScaleOffset = 6, kLzf = 32000;

std::string deflated(const std::string& plain) {
  uLongf bytes = compressBound(plain.size());
  std::string stream(bytes, '\0');
  compress(reinterpret_cast<Bytef*>(stream.data()), &bytes, reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  stream.resize(bytes);
  return stream;
}

std::string all_of(const std::string& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  std::string bytes(checkpoint.tensors.at(0).bytes(), '\0');
  TensorReader(checkpoint).read(0, 0, bytes.data(), bytes.size());
  return bytes;
}

// The elements of a dataset "x" of signed bytes in a single chunk.
std::string read_chunk(const std::string& stored, uint64_t elements, const std::vector<Hdf5Filter>& pipeline,
                       uint32_t chunk, uint8_t flags = 2) {
  Hdf5File file;
  const uint64_t at = file.add(stored);
  TemporaryFolder folder;
  return all_of(folder.write("model.h5", file.with_dataset({dataspace({elements}), signed_bytes(), filters(pipeline),
                                                            single_chunk(at, {chunk, 1}, stored.size(), flags)})));
}

std::string refused_chunk(const std::string& stored, uint64_t elements, const std::vector<Hdf5Filter>& pipeline) {
  try {
    read_chunk(stored, elements, pipeline, static_cast<uint32_t>(elements));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::bad_input);
    const std::string said = error.what();
    return said.substr(said.find(": byte 48: ") + 11);
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a chunk that the dataset's end cuts is stored whole, and without filters where the file says so") {
  const std::string plain = "abcdefgh";
  CHECK(read_chunk(deflated(plain), 5, {{kDeflate, {6}}}, 8) == "abcde");
  CHECK(read_chunk(plain, 5, {{kDeflate, {6}}}, 8, 3) == "abcde");
}

TEST_CASE("a chunk that is broken is refused when it is read") {
  const std::string stream = deflated(std::string(100, 'a'));
  CHECK_THAT(refused_chunk(stream.substr(0, 8), 100, {{kDeflate, {6}}}),
             Catch::Matchers::StartsWith("found a chunk whose deflate stream breaks after"));
  CHECK_THAT(refused_chunk("nothing deflated", 100, {{kDeflate, {6}}}),
             ContainsSubstring("(incorrect header check), expected a stream of 100"));
  CHECK(refused_chunk(stream, 99, {{kDeflate, {6}}}) ==
        "found a chunk that inflates to more than 99 bytes, expected no more");
  CHECK(refused_chunk(stream, 101, {{kDeflate, {6}}}) == "found a chunk of 100 bytes, expected 101, as its shape says");
  CHECK(refused_chunk("abcd" + le(1, 4), 4, {{kFletcher32, {}}}) ==
        "found a chunk with the Fletcher-32 checksum 2629c4c6, expected 00000001, as it says itself: its bytes were "
        "changed");
  CHECK(refused_chunk("ab", 4, {{kFletcher32, {}}}) == "found a chunk of 2 bytes, expected a Fletcher-32 checksum");
  CHECK(refused_chunk("ab", 4, {{kShuffle, {1}}}) == "found a chunk of 2 bytes, expected 4, as its shape says");
  CHECK(refused_chunk("\x1f"
                      "ab",
                      4, {{kLzf, {}}}) == "found a chunk whose LZF stream leaves it, expected a stream of 4 bytes");
  CHECK(refused_chunk("\x20\x05", 4, {{kLzf, {}}}) ==
        "found a chunk whose LZF stream leaves it, expected a stream of 4 bytes");
  CHECK(refused_chunk("\xe0", 4, {{kLzf, {}}}) ==
        "found a chunk whose LZF stream is cut, expected a stream of 4 bytes");
  CHECK(refused_chunk(le(4, 4) + "\x01", 4, {{kSzip, {32, 2, 8, 4}}}) ==
        "found a chunk whose szip stream is cut, expected bits for each element");
  CHECK(refused_chunk(le(5, 4), 4, {{kSzip, {32, 2, 8, 4}}}) ==
        "found an szip chunk of 5 bytes, expected 4, as its shape says");
  CHECK(refused_chunk(le(4, 4), 4, {{kSzip, {32, 0, 8, 4}}}) ==
        "found an szip chunk without what szip needs to know, expected its four parameters");
  CHECK(refused_chunk("a", 4, {{kNbit, {8, 0, 4, 1, 1, 0, 7, 0}}}) ==
        "found a chunk whose packed bits are cut, expected bits for each element");
  CHECK(refused_chunk("abcd", 4, {{kNbit, {8, 0, 400, 1, 1, 0, 7, 0}}}) ==
        "found an n-bit filter for 400 elements of 1 bytes, 7 bits from 0 on, expected one for a chunk of 4 bytes");
  CHECK(refused_chunk("abcd", 4, {{kNbit, {8, 0, 4, 3, 1, 0, 7, 0}}}) ==
        "found an n-bit filter for no plain number, expected one for a plain number");
  const std::vector<uint32_t> offset{2, 0, 4, 0, 1, 1, 0, 0, 0, 0};
  CHECK(refused_chunk(le(9, 4) + std::string(20, '\0'), 4, {{kScaleOffset, offset}}) ==
        "found scale-offset elements of 9 bits, expected at most 8");
  CHECK(refused_chunk("short", 4, {{kScaleOffset, offset}}) ==
        "found a scale-offset chunk of 5 bytes with 10 parameters, expected at least 21 and 10");
}

TEST_CASE("a B-tree whose keys are no chunks' beginnings, or out of order, is refused when elements are read") {
  const auto said = [](const std::vector<uint64_t>& rows, uint64_t within_element) {
    Hdf5File file;
    const uint64_t at = file.add("abcdefgh");
    std::string node = "TREE" + le(1, 1) + le(0, 1) + le(rows.size(), 2) + le(kNowhere, 8) + le(kNowhere, 8);
    for (const uint64_t row : rows) {
      node += le(4, 4) + le(0, 4) + le(row, 8) + le(within_element, 8) + le(row == 0 ? at : at + 4, 8);
    }
    const uint64_t tree = file.add(node + std::string(24, '\xff'));
    TemporaryFolder folder;
    try {
      return all_of(
          folder.write("model.h5", file.with_dataset({dataspace({8}), signed_bytes(), chunked(tree, {4, 1})})));
    } catch (const Error& error) {
      const std::string text = error.what();
      return text.substr(text.find("found "));
    }
  };
  CHECK(said({0, 4}, 0) == "abcdefgh");
  CHECK(said({0}, 0) == std::string("abcd\0\0\0\0", 8));
  CHECK(said({0, 3}, 0) ==
        "found a key [3] in a B-tree of chunks, expected the first element of a chunk, behind that of the key before");
  CHECK(said({4, 0}, 0) ==
        "found a key [0] in a B-tree of chunks, expected the first element of a chunk, behind that of the key before");
  CHECK(said({0, 4}, 1) ==
        "found a key [0] in a B-tree of chunks, expected the first element of a chunk, behind that of the key before");
}

TEST_CASE("a filter that only a plug-in knows is named") {
  Hdf5File file;
  const uint64_t at = file.add("abcd");
  TemporaryFolder folder;
  CHECK_THAT(refusal(folder.write(
                 "model.h5", file.with_dataset({dataspace({4}), signed_bytes(), filters({{32015, {}}, {kShuffle, {1}}}),
                                                single_chunk(at, {4, 1}, 4)}))),
             Catch::Matchers::EndsWith("byte 0: found other datasets and no dataset of plain numbers: x (filter 32015 "
                                       "(Zstandard)), expected at least one"));
}

TEST_CASE("chunks of absurd sizes are not allocated") {
  // 4 GiB in one deflated chunk, in a file of 300 bytes.
  CHECK_THAT(refused_chunk("abcd", 1, {{kDeflate, {6}}}), Catch::Matchers::StartsWith("found a chunk whose deflate"));
  const auto growth = peak_growth([] {
    const std::string stored = deflated(std::string(1000, 'a'));
    try {
      read_chunk(stored, 1, {{kDeflate, {6}}}, UINT32_MAX);
    } catch (const Error& error) {
      if (std::string(error.what()).find("compressed chunks of 4294967295 bytes each, which must be held whole") ==
          std::string::npos) {
        throw;
      }
      return;
    }
    throw std::runtime_error("accepted");
  });
  CHECK(growth < 16u << 20);
}

TEST_CASE("chunks across the rows of a large dataset are not decoded over and over") {
  // Two chunks of columns that do not fit together into memory: 24 MB each, of zeros.
  constexpr uint64_t kRows = 24'000'000;
  const std::string stored = deflated(std::string(kRows, '\0'));
  Hdf5File file;
  const uint64_t first = file.add(stored), second = file.add(stored);
  const auto key = [&](uint64_t column) {
    return le(stored.size(), 4) + le(0, 4) + le(0, 8) + le(column, 8) + le(0, 8);
  };
  const uint64_t tree = file.add("TREE" + le(1, 1) + le(0, 1) + le(2, 2) + le(kNowhere, 8) + le(kNowhere, 8) + key(0) +
                                 le(first, 8) + key(1) + le(second, 8) + key(2));
  TemporaryFolder folder;
  const std::string path =
      folder.write("model.h5", file.with_dataset({dataspace({kRows, 2}), signed_bytes(), filters({{kDeflate, {6}}}),
                                                  chunked(tree, {kRows, 1, 1})}));
  const Checkpoint checkpoint = open_checkpoint(path);
  std::string piece(1u << 16, '\0');
  TensorReader reader(checkpoint);
  CHECK_THROWS_WITH(
      [&] {
        for (uint64_t at = 0; at < 2 * kRows; at += piece.size()) reader.read(0, at, piece.data(), piece.size());
      }(),
      ContainsSubstring("expected chunks of whole rows: `h5repack -l` lays them so"));
  std::string whole(2 * kRows, '?');
  TensorReader(checkpoint).read(0, 0, whole.data(), whole.size());  // all at once, each is decoded once
  CHECK(whole == std::string(2 * kRows, '\0'));
}

TEST_CASE("elements read in pieces of any size, forwards and back, are those read at once") {
  const TemporaryFolder folder;
  if (!written_by("hdf5", folder)) return;
  std::mt19937 random(1);
  for (const char* name :
       {"old_plain.h5", "old_filters.h5", "new_chunks.h5", "new_filters.h5", "new_packed.h5", "indices.h5"}) {
    const Checkpoint checkpoint = open_checkpoint(folder / name);
    for (uint32_t tensor = 0; tensor < checkpoint.tensors.size(); ++tensor) {
      const uint64_t bytes = checkpoint.tensors[tensor].bytes();
      if (bytes == 0) continue;
      INFO(name << ": " << checkpoint.tensors[tensor].name);
      TensorReader reader(checkpoint);
      std::string whole(bytes, '?');
      reader.read(tensor, 0, whole.data(), bytes);
      for (int round = 0; round < 40; ++round) {
        const uint64_t begin = random() % bytes, count = 1 + random() % std::min<uint64_t>(bytes - begin, 3000);
        std::string piece(count, '?');
        reader.read(tensor, begin, piece.data(), count);
        if (whole.compare(begin, count, piece) != 0) FAIL_CHECK("bytes " << begin << " to " << begin + count);
      }
    }
  }
}
