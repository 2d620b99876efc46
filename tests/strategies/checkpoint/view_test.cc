#include "strategies/checkpoint/storage/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "strategies/checkpoint/storage/zip.h"
#include "strategies/checkpoint/tensor_reader.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// One storage, in a file as it is or deflated in an archive.
struct Bytes {
  Bytes(const std::string& content, bool deflate)
      : path(folder.write("file", zip({{.name = "m", .content = content, .deflated = deflate}}))) {
    const File file(path);
    checkpoint.files.push_back({path, file.bytes()});
    const ZipArchive archive(file);
    storage = archive.storage(archive.members()[0], 0);
  }

  // Lays one tensor; its index.
  uint32_t lay(Dtype dtype, std::vector<uint64_t> shape, const View& view) {
    Tensor tensor;
    tensor.name = "t";
    tensor.dtype = dtype;
    tensor.shape = std::move(shape);
    layout.lay(tensor, storage, view, {path, 7});
    checkpoint.tensors.push_back(std::move(tensor));
    return static_cast<uint32_t>(checkpoint.tensors.size() - 1);
  }
  std::string refused(Dtype dtype, std::vector<uint64_t> shape, const View& view) {
    try {
      lay(dtype, std::move(shape), view);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::bad_input);
      return std::string(error.what()).substr(path.size() + 2);
    }
    return "nothing";
  }
  // All elements, in pieces of `piece` bytes.
  std::string read(uint32_t index, size_t piece) {
    TensorReader reader(checkpoint);
    std::string all(checkpoint.tensors[index].bytes(), '\0');
    for (size_t at = 0; at < all.size(); at += piece) {
      reader.read(index, at, all.data() + at, std::min(piece, all.size() - at));
    }
    return all;
  }

  TemporaryFolder folder;
  std::string path;
  Checkpoint checkpoint;
  Storage storage;
  TensorLayout layout;
};

std::string noise(size_t bytes) {
  std::mt19937 random(5);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// What the view means, one element after the other.
std::string expected(const std::string& content, Dtype dtype, const std::vector<uint64_t>& shape, const View& view) {
  const size_t item = block(dtype).bytes;
  const bool complex = dtype == Dtype::c32 || dtype == Dtype::c64 || dtype == Dtype::c128;
  const size_t number = complex ? item / 2 : item;
  const uint64_t count = element_count(shape).value();
  std::vector<uint64_t> index(shape.size(), 0);
  std::string all;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t element = view.first_element;
    for (size_t axis = 0; view.strides && axis < shape.size(); ++axis) element += index[axis] * (*view.strides)[axis];
    if (!view.strides) element += i;
    std::string one = content.substr(view.begin + element * item, item);
    for (size_t at = 0; view.big_endian && at < item; at += number) {
      std::reverse(one.begin() + static_cast<std::ptrdiff_t>(at),
                   one.begin() + static_cast<std::ptrdiff_t>(at + number));
    }
    all += one;
    for (size_t axis = shape.size(); axis-- > 0 && ++index[axis] == shape[axis];) index[axis] = 0;
  }
  return all;
}

}  // namespace

TEST_CASE("elements that lie plainly have an extent and no decoder") {
  Bytes bytes(noise(100), false);
  const uint32_t tensor = bytes.lay(Dtype::f32, {2, 3}, {.begin = 5, .first_element = 2, .strides = {{3, 1}}});
  const Tensor& laid = bytes.checkpoint.tensors[tensor];
  CHECK(laid.plain());
  CHECK(laid.extent.offset == bytes.storage.extent.offset + 13);
  CHECK(laid.extent.bytes == 24);
  // What has one element along an axis has no step along it.
  CHECK(bytes.checkpoint.tensors[bytes.lay(Dtype::f32, {1, 3}, {.strides = {{99, 1}}})].plain());
  CHECK(bytes.checkpoint.tensors[bytes.lay(Dtype::f32, {}, {.first_element = 24, .strides = {{}}})].plain());
  CHECK(bytes.checkpoint.tensors[bytes.lay(Dtype::u8, {5}, {.big_endian = true})].plain());
  const Tensor& empty = bytes.checkpoint.tensors[bytes.lay(
      Dtype::f32, {7, 0, ~uint64_t{0}}, {.begin = 100, .strides = {{~uint64_t{0}, 1, 1}}, .big_endian = true})];
  CHECK(empty.plain());
  CHECK(empty.extent.bytes == 0);
  CHECK(bytes.checkpoint.tensors[bytes.lay(Dtype::f4, {8}, {.begin = 1})].plain());
}

TEST_CASE("what stands between a tensor and a mapping is said") {
  Bytes plain(noise(96), false), packed(noise(96), true);
  const auto reason = [](Bytes& bytes, const View& view) {
    return bytes.checkpoint.tensors[bytes.lay(Dtype::f32, {2, 3}, view)].encoding->reason();
  };
  CHECK(reason(plain, {.big_endian = true}) == "big-endian");
  CHECK(reason(plain, {.strides = {{1, 2}}}) == "Fortran order");
  CHECK(reason(plain, {.strides = {{6, 2}}}) == "a strided view");
  CHECK(reason(packed, {}) == "compressed with deflate");
  CHECK(reason(packed, {.strides = {{1, 2}}, .big_endian = true}) ==
        "compressed with deflate, big-endian, Fortran order");
}

TEST_CASE("an encoded tensor's extent is the stretch that its decoder reads") {
  Bytes plain(noise(96), false), packed(noise(96), true);
  const Tensor& strided = plain.checkpoint.tensors[plain.lay(Dtype::f32, {2, 3}, {.begin = 4, .strides = {{7, 2}}})];
  CHECK(strided.extent.offset == plain.storage.extent.offset + 4);
  CHECK(strided.extent.bytes == (7 + 2 * 2 + 1) * 4);
  const Tensor& inflated = packed.checkpoint.tensors[packed.lay(Dtype::f32, {2, 3}, {.begin = 4})];
  CHECK(inflated.extent.offset == packed.storage.extent.offset);
  CHECK(inflated.extent.bytes == packed.storage.extent.bytes);
}

TEST_CASE("the same view of the same bytes has one encoding, any other has another") {
  Bytes bytes(noise(96), false);
  const View view{.strides = {{1, 2}}};
  const auto encoding = [&](Dtype dtype, std::vector<uint64_t> shape, const View& of) {
    return bytes.checkpoint.tensors[bytes.lay(dtype, std::move(shape), of)].encoding;
  };
  const auto first = encoding(Dtype::f32, {2, 2}, view);
  CHECK(encoding(Dtype::f32, {2, 2}, view) == first);
  CHECK(encoding(Dtype::f32, {2, 1, 2}, {.strides = {{1, 7, 2}}}) ==
        encoding(Dtype::f32, {2, 1, 2}, {.strides = {{1, 9, 2}}}));
  CHECK(encoding(Dtype::i32, {2, 2}, view) != first);
  CHECK(encoding(Dtype::f32, {2, 2}, {.begin = 1, .strides = {{1, 2}}}) != first);
  CHECK(encoding(Dtype::f32, {2, 2}, {.strides = {{1, 2}}, .big_endian = true}) != first);
  CHECK(encoding(Dtype::f32, {2, 2}, {.strides = {{0, 3}}}) != first);
}

TEST_CASE("5,000 random views read as one element after the other, from the file and inflated, in pieces of any size") {
  const std::string content = noise(6000);
  Bytes plain(content, false), packed(content, true);
  std::mt19937 random(11);
  const auto below = [&](uint64_t limit) { return static_cast<uint64_t>(random() % limit); };
  constexpr Dtype kTypes[] = {Dtype::u8, Dtype::f16, Dtype::c32, Dtype::f32, Dtype::f64, Dtype::c64, Dtype::c128};
  for (int round = 0; round < 5000; ++round) {
    const Dtype dtype = kTypes[below(std::size(kTypes))];
    const size_t item = block(dtype).bytes;
    std::vector<uint64_t> shape(below(6)), order(shape.size());
    for (uint64_t& size : shape) size = 1 + below(4);
    if (!shape.empty() && below(3) == 0) shape[below(shape.size())] = 1 + below(50);
    // A permutation of C order, with holes, overlaps and expanded axes now and then.
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<uint64_t> strides(shape.size());
    uint64_t stride = 1 + (below(4) == 0 ? below(3) : 0);
    for (const uint64_t axis : order) {
      strides[axis] = below(8) == 0 ? below(3) : stride;
      stride *= shape[axis] + (below(6) == 0 ? 1 : 0);
    }
    View view{.begin = below(20), .first_element = below(5), .strides = strides, .big_endian = below(2) == 0};
    if (below(6) == 0) view.strides.reset();
    const uint64_t reached = view.strides ? [&] {
      uint64_t last = view.first_element;
      for (size_t axis = 0; axis < shape.size(); ++axis) last += (shape[axis] - 1) * strides[axis];
      return last + 1;
    }() : view.first_element + element_count(shape).value();
    INFO(fmt::format("{} shape {} strides {} begin {} first {} {}", name(dtype), fmt::join(shape, ","),
                     fmt::join(strides, ","), view.begin, view.first_element, view.big_endian));
    const bool inside = view.begin + reached * item <= content.size();
    for (Bytes* bytes : {&plain, &packed}) {
      if (!inside) {
        CHECK_THAT(bytes->refused(dtype, shape, view), ContainsSubstring("expected an end within its 6000 bytes"));
        continue;
      }
      const uint32_t tensor = bytes->lay(dtype, shape, view);
      const std::string want = expected(content, dtype, shape, view);
      REQUIRE(bytes->read(tensor, 1u << 20) == want);
      REQUIRE(bytes->read(tensor, 1 + below(100)) == want);
    }
  }
}

TEST_CASE("a deflated storage beyond one window is read by passes over it, in any order of its axes") {
  struct Case {
    Dtype dtype;
    std::vector<uint64_t> shape, strides;
  };
  const std::string content = noise(1 << 20);
  std::string repeated;
  while (repeated.size() < 40'000'000) repeated += content;
  repeated += std::string(1000, 'e');
  Bytes packed(repeated, true);
  for (const auto& [dtype, shape, strides] : std::vector<Case>{
           {Dtype::f32, {3000, 3001}, {1, 3000}},
           {Dtype::u8, {300, 201, 301}, {301, 301 * 300, 1}},
           {Dtype::c128, {7, 300'001}, {1, 7}},
           {Dtype::f64, {5, 3, 300'000}, {300'000, 5 * 300'000, 1}},
           {Dtype::f64, {2, 2'000'000}, {2'500'000, 1}},
           {Dtype::u8, {13'000'000}, {3}},
           {Dtype::f16, {1000, 5, 7, 11, 13}, {11 * 7, 1000 * 7 * 11 * 13, 11, 1, 1000 * 11 * 7}},
       }) {
    INFO(fmt::format("{} {} {}", name(dtype), fmt::join(shape, ","), fmt::join(strides, ",")));
    const View view{.begin = 3, .first_element = 11, .strides = strides, .big_endian = dtype == Dtype::f32};
    const uint32_t tensor = packed.lay(dtype, shape, view);
    CHECK((packed.read(tensor, 3'000'001) == expected(repeated, dtype, shape, view)));
    CHECK(packed.checkpoint.tensors[tensor].encoding->decoder_bytes() < (17u << 20));
  }
}

TEST_CASE("memory stays within what a decoder names, mapped or by windows") {
  const std::string content(100'000'000, '\1');
  for (const bool deflate : {false, true}) {
    Bytes bytes(content, deflate);
    const uint32_t tensor = bytes.lay(Dtype::u8, {10'000, 10'000}, {.strides = {{1, 10'000}}});
    const Tensor& laid = bytes.checkpoint.tensors[tensor];
    const uint64_t growth = peak_growth([&] {
      const std::unique_ptr<Decoder> decoder = laid.encoding->open(bytes.checkpoint, laid);
      std::string piece(1 << 20, 'x');
      // The beginning and the end: all windows take a while.
      for (const uint64_t at : {uint64_t{0}, laid.bytes() - piece.size()})
        decoder->read(at, piece.data(), piece.size());
    });
    // A mapping's pages are resident while it lives, and not need.
    CHECK(growth < (deflate ? laid.encoding->decoder_bytes() : laid.extent.bytes) + (8u << 20));
  }
}

TEST_CASE("a view that leaves its storage, or the numbers of 64 bits, is refused at its place") {
  Bytes bytes(noise(100), false);
  constexpr uint64_t kMost = ~uint64_t{0};
  CHECK(bytes.refused(Dtype::f32, {26}, {}) ==
        "byte 7: found tensor \"t\" from byte 0 to 104 of its storage, expected an end within its 100 bytes");
  CHECK(bytes.refused(Dtype::f32, {2, 3}, {.first_element = 9, .strides = {{14, 1}}}) ==
        "byte 7: found tensor \"t\" from byte 36 to 104 of its storage, expected an end within its 100 bytes");
  CHECK(bytes.refused(Dtype::f32, {2, 3}, {.first_element = 8, .strides = {{12, 2}}}) == "nothing");
  CHECK(bytes.refused(Dtype::f32, {0}, {.begin = 101}) ==
        "byte 7: found tensor \"t\" from element 0 on, expected a beginning within the 100 bytes of its storage");
  CHECK(bytes.refused(Dtype::f32, {1}, {.first_element = kMost / 4 + 2}) ==
        "byte 7: found tensor \"t\" from element 4611686018427387905 on, expected a beginning within the 100 bytes of "
        "its "
        "storage");
  CHECK(bytes.refused(Dtype::u8, {1}, {.begin = 2, .first_element = kMost}) ==
        "byte 7: found tensor \"t\" from element 18446744073709551615 on, expected a beginning within the 100 bytes of "
        "its "
        "storage");
  const std::string beyond =
      "byte 7: found tensor \"t\" with strides beyond 64 bits, expected elements within the 100 bytes of its storage";
  CHECK(bytes.refused(Dtype::u8, {2}, {.strides = {{kMost}}}) == beyond);
  CHECK(bytes.refused(Dtype::u8, {3}, {.strides = {{kMost / 2 + 1}}}) == beyond);
  CHECK(bytes.refused(Dtype::u8, {2, 2}, {.strides = {{kMost / 2 + 1, kMost / 2 + 1}}}) == beyond);
  CHECK(bytes.refused(Dtype::f64, {2}, {.strides = {{kMost / 8 + 1}}}) == beyond);
  CHECK(bytes.refused(Dtype::f64, {kMost / 8 + 1}, {}) ==
        "byte 7: found tensor \"t\" of type f64 and a size beyond 64 bits, expected fewer than 2^64 bytes");
  CHECK(bytes.refused(Dtype::f64, {1u << 31, 1u << 31, 4}, {.strides = {{0, 0, 0}}}) ==
        "byte 7: found tensor \"t\" of type f64 and a size beyond 64 bits, expected fewer than 2^64 bytes");
}

TEST_CASE("a view that no decoder reads in bounded memory and time is refused") {
  Bytes bytes(noise(100), false);
  CHECK(bytes.refused(Dtype::f32, {2, 2}, {.strides = {{1}}}) ==
        "byte 7: found tensor \"t\" of rank 2 with 1 strides, expected one for each dimension");
  CHECK(bytes.refused(Dtype::f4, {2, 2}, {.strides = {{1, 2}}}) ==
        "byte 7: found tensor \"t\" of type f4 and rank 2 as a strided view, expected a type of whole bytes and at "
        "most 64 "
        "dimensions");
  std::vector<uint64_t> shape(65, 2), strides(65, 0);
  for (size_t i = 0; i < shape.size(); i += 2) shape[i] = 1, strides[i] = 9;
  CHECK(bytes.refused(Dtype::u8, shape, {.strides = strides}).find("bytes as a view of 1, expected") !=
        std::string::npos);
  CHECK(bytes.refused(Dtype::q4_0, {64}, {.big_endian = true}) ==
        "byte 7: found tensor \"t\" of type q4_0 in big-endian order, expected numbers of 2, 4 or 8 bytes");
  // 64 MiB of expanded views are a file's share, however many make them; those that are the same count once.
  const View expanded{.strides = {{0}}};
  for (const Dtype dtype : {Dtype::u8, Dtype::u8, Dtype::i8}) {
    CHECK(bytes.refused(dtype, {32u << 20}, expanded) == "nothing");
  }
  CHECK(
      bytes.refused(Dtype::boolean, {32u << 20}, expanded) ==
      "byte 7: found tensor \"t\" of 33554432 bytes as a view of 1, expected at most 64 MiB more than the file stores");

  Bytes packed(std::string(20'000'000, 'x'), true);
  CHECK(packed.refused(Dtype::u8, {17'000'000, 2}, {.strides = {{1, 1}}}) ==
        "byte 7: found tensor \"t\" with overlapping elements in 17000001 compressed bytes, expected at most 16 MiB of "
        "them");
  CHECK(packed.refused(Dtype::u8, {16'000'000, 2}, {.strides = {{1, 1}}}) == "nothing");
}

TEST_CASE("a file that was cut before its elements are read is refused, not mapped") {
  Bytes bytes(noise(10'000), false);
  const uint32_t tensor = bytes.lay(Dtype::f32, {50, 50}, {.strides = {{1, 50}}});
  std::filesystem::resize_file(bytes.path, 5000);
  REQUIRE_THROWS_WITH(bytes.read(tensor, 100), ContainsSubstring("found a file of 5000 bytes, expected 10"));
}
