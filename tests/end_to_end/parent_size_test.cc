// The parent stays small, whatever the checkpoint: it is what survives.
#include <fmt/format.h>

#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kMostBytes = 32u << 20;

// Writes a safetensors file piece by piece.
class HeaderFile {
 public:
  explicit HeaderFile(const std::string& path) : file_(path, std::ios::binary) { file_.write("\0\0\0\0\0\0\0\0", 8); }
  HeaderFile& operator<<(const std::string& text) {
    file_ << text;
    return *this;
  }
  void repeat(char character, uint64_t times) {
    const std::string block(1u << 16, character);
    for (; times > 0; times -= std::min<uint64_t>(times, block.size())) {
      file_.write(block.data(), static_cast<std::streamsize>(std::min<uint64_t>(times, block.size())));
    }
  }
  uint64_t header_bytes() { return static_cast<uint64_t>(file_.tellp()) - 8; }
  void end_header() {
    const uint64_t length = header_bytes();
    file_.seekp(0);
    file_.write(reinterpret_cast<const char*>(&length), 8);
    file_.seekp(0, std::ios::end);
  }

 private:
  std::ofstream file_;
};

void check_small(const std::vector<std::string>& words, int expected_status) {
  const Outcome outcome = run(words);
  INFO(outcome.err.substr(0, 500));
  CHECK(outcome.status == expected_status);
  CHECK(outcome.peak_bytes > 0);
  CHECK(outcome.peak_bytes < kMostBytes);
  fmt::print("{} {}: the parent's peak {} KiB\n", words[1], words[2].substr(words[2].rfind('/') + 1),
             outcome.peak_bytes / 1024);
}

TEST_CASE("the parent stays below 32 MiB with a 99 MB header, however it is filled") {
  const Scratch scratch;
  const std::string name = scratch / "one-name.safetensors", many = scratch / "many-tensors.safetensors",
                    nested = scratch / "nested.safetensors";
  {
    HeaderFile file(name);
    file << "{\"";
    file.repeat('n', 99'000'000);
    file << R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    file.end_header();
    file << "data";
  }
  {
    HeaderFile file(many);
    uint64_t tensors = 0;
    for (; file.header_bytes() < 98'900'000; ++tensors) {
      file << fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", tensors == 0 ? "{" : ",",
                          tensors, tensors, tensors + 1);
    }
    file << "}";
    file.end_header();
    file.repeat('d', tensors);
  }
  {
    HeaderFile file(nested);
    file.repeat('[', 99'000'000);
    file.end_header();
  }
  const std::string out = scratch / "out";
  check_small({weighbridge(), "plan", name, "--strategy", "eager", "--dtype", "native"}, 0);
  check_small(
      {weighbridge(), "run", name, "--strategy", "eager", "--dtype", "native,f16,int8", "--repeat", "1", "--out", out},
      0);
  check_small({weighbridge(), "inspect", many, "--json"}, 0);
  check_small({weighbridge(), "run", many, "--strategy", "mmap", "--dtype", "native", "--repeat", "1", "--out", out},
              0);
  check_small({weighbridge(), "plan", nested}, 3);
}

TEST_CASE("the parent stays below 32 MiB over a matrix of 60 trials") {
  const Scratch scratch;
  check_small({weighbridge(), "run", small_gpt2(), "--strategy", "state-dict,convert-after,eager,stream,mmap",
               "--dtype", "native,f16,bf16,int8", "--repeat", "3", "--out", scratch / "out"},
              0);
}

}  // namespace
}  // namespace weighbridge::test
