// What a header of the largest allowed size, made to hurt, costs: memory in proportion to what it really holds. The
// figures are the growth of the resident set of a child that opens the file and keeps the result.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

constexpr uint64_t kMiB = 1 << 20;
// A sanitizer's bookkeeping makes memory mean nothing and the full size slow: there only the behaviour is tested.
constexpr uint64_t kHeader = kSanitized ? 4'000'000 : 99'000'000;

// In memory where there is room, as files of 99 MB one after the other keep a disk busy for a minute.
std::filesystem::path fast_folder() {
  std::error_code failed;
  const std::filesystem::space_info space = std::filesystem::space("/dev/shm", failed);
  const bool roomy = !failed && space.available > 2 * kHeader && ::access("/dev/shm", W_OK) == 0;
  return roomy ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
}

// A header in the making: written as it comes, its length filled in at the end. Never held whole, as the child that is
// measured would inherit it.
class HeaderFile {
 public:
  explicit HeaderFile(const std::string& path) : path_(path), file_(path, std::ios::binary) {
    file_ << std::string(8, '\0');
  }
  HeaderFile(const HeaderFile&) = delete;
  HeaderFile& operator=(const HeaderFile&) = delete;
  ~HeaderFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  HeaderFile& operator<<(std::string_view text) {
    file_ << text;
    bytes_ += text.size();
    return *this;
  }
  void fill(std::string_view text) {  // over and over, up to the full size
    std::string block;
    while (block.size() < 64 << 10) block += text;
    while (bytes_ + block.size() < kHeader) *this << block;
  }
  uint64_t bytes() const { return bytes_; }
  std::string finish() {
    file_.seekp(0);
    for (unsigned byte = 0; byte < 8; ++byte) file_.put(static_cast<char>(bytes_ >> (8 * byte) & 0xff));
    file_.close();
    return path_;
  }

 private:
  std::string path_;
  std::ofstream file_;
  uint64_t bytes_ = 0;
};

void report(std::string_view what, uint64_t growth, uint64_t bound) {
  if (kSanitized) return;
  std::cout << fmt::format("hostile header, {}: {:.1f} MiB at the most, bound {} MiB\n", what,
                           static_cast<double>(growth) / kMiB, bound / kMiB);
  CHECK(growth <= bound);
}

void expect_accepted(std::string_view what, HeaderFile& file, size_t tensors, uint64_t bound) {
  const std::string path = file.finish();
  const uint64_t growth = peak_growth([&] {
    const Checkpoint checkpoint = open_checkpoint(path);
    if (checkpoint.tensors.size() != tensors) throw std::runtime_error("another number of tensors");
    if (checkpoint.table_bytes() > bound) throw std::runtime_error("a larger table");
  });
  report(what, growth, bound);
}

void expect_refused(std::string_view what, HeaderFile& file, std::string_view reason, uint64_t bound) {
  const std::string path = file.finish();
  CHECK_THAT(refusal(path), ContainsSubstring(std::string(reason)));
  const uint64_t growth = peak_growth([&] {
    try {
      open_checkpoint(path);
    } catch (const Error&) {
      return;
    }
    throw std::runtime_error("accepted");
  });
  report(what, growth, bound);
}

}  // namespace

TEST_CASE("one name of 99 MB costs that name") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  file << "{\"";
  file.fill("n");
  file << R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  expect_accepted("one long name", file, 1, 136 * kMiB);
}

TEST_CASE("one name of 99 MB that never ends is refused for no more") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  file << "{\"";
  file.fill("n");
  expect_refused("a name without end", file,
                 "found the end of the JSON text, expected the end of the string that began at byte 9", 136 * kMiB);
}

TEST_CASE("99 MB of tiny tensors cost one entry each") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  size_t tensors = 0;
  for (; file.bytes() + 100 < kHeader; ++tensors) {
    file << fmt::format(R"({}"{:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", tensors == 0 ? "{" : ",",
                        tensors);
  }
  file << "}";
  expect_accepted(fmt::format("{} tensors", tensors), file, tensors, 288 * kMiB);
}

TEST_CASE("99 MB of opening brackets are refused at the first") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  file.fill("[");
  // Such a file is not recognised as safetensors by its content, only by its name.
  expect_refused("only brackets", file, "byte 8: found an array, expected a JSON object", 4 * kMiB);
}

TEST_CASE("99 MB of opening brackets are refused at the first, inside a shape") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile inside(folder / "inside.safetensors");
  inside << R"({"w":{"shape":[)";
  inside.fill("[");
  expect_refused("brackets in a shape", inside, "found an array, expected a dimension", 4 * kMiB);
}

TEST_CASE("99 MB of objects in objects are refused at the second") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile objects(folder / "objects.safetensors");
  objects.fill(R"({"a":)");
  expect_refused("objects in objects", objects, "found the key \"a\" of tensor \"a\"", 4 * kMiB);
}

TEST_CASE("a number of 99 MB is refused and never held") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile number(folder / "number.safetensors");
  number << R"({"w":{"shape":[)";
  number.fill("1");
  expect_refused("one long number", number, "found a number of 2^64 or more", 4 * kMiB);
}

TEST_CASE("a dtype of 99 MB is refused and never held") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile dtype(folder / "dtype.safetensors");
  dtype << R"({"w":{"dtype":")";
  dtype.fill("U8");
  dtype << R"("}})";
  expect_refused("one long dtype", dtype, "found the dtype \"U8U8", 4 * kMiB);
}

TEST_CASE("a key of 99 MB is refused and never held") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile key(folder / "key.safetensors");
  key << R"({"w":{")";
  key.fill("k");
  key << R"(":0}})";
  expect_refused("one long key", key, "found the key \"kkk", 4 * kMiB);
}

TEST_CASE("a metadata text of 99 MB is passed over") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile metadata(folder / "metadata.safetensors");
  metadata << R"({"__metadata__":{"x":")";
  metadata.fill("m");
  metadata << R"("}})";
  expect_accepted("one long metadata text", metadata, 0, 4 * kMiB);
}

TEST_CASE("a million metadata texts are passed over") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile many(folder / "many.safetensors");
  many << R"({"__metadata__":{"":"")";
  many.fill(R"(,"k":"v")");
  many << "}}";
  expect_accepted("a million metadata texts", many, 0, 4 * kMiB);
}

TEST_CASE("99 MB of dimensions are refused at the 65th") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  file << R"({"w":{"shape":[1)";
  file.fill(",1");
  expect_refused("one long shape", file, "found more than 64 dimensions", 4 * kMiB);
}

TEST_CASE("99 MB of blanks are passed over") {
  const TemporaryFolder folder(fast_folder());
  HeaderFile file(folder / "model.safetensors");
  file << "{}";
  file.fill(" ");
  expect_accepted("blanks", file, 0, 4 * kMiB);
}
