// The parent stays small, whatever the checkpoint: it is what survives.
#include <fmt/format.h>

#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

#ifndef WEIGHBRIDGE_SANITIZE
constexpr long kMostKib = 32 * 1024;

// A file with a header of `header_bytes` and no data but what `tail` says.
void write_header(const std::string& path, const std::string& header, uint64_t data_bytes) {
  std::ofstream file(path, std::ios::binary);
  const uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), 8);
  file << header;
  const std::string block(1u << 20, 'd');
  for (; data_bytes > 0; data_bytes -= std::min<uint64_t>(data_bytes, block.size())) {
    file.write(block.data(), static_cast<std::streamsize>(std::min<uint64_t>(data_bytes, block.size())));
  }
}

void check_small(const std::vector<std::string>& words, int expected_status) {
  const Outcome outcome = run(words);
  INFO(outcome.err.substr(0, 500));
  CHECK(outcome.status == expected_status);
  CHECK(outcome.parent_peak_kib < kMostKib);
  fmt::print("{} {}: the parent's peak {} KiB\n", words[1], words[2].substr(words[2].rfind('/') + 1), outcome.parent_peak_kib);
}

TEST_CASE("the parent stays below 32 MiB with a 99 MB header, however it is filled") {
  const Scratch scratch;
  const std::string name = scratch / "one-name.safetensors";
  write_header(name, "{\"" + std::string(99'000'000, 'n') + R"(":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
  const std::string many = scratch / "many-tensors.safetensors";
  {
    std::string header = "{";
    uint64_t tensors = 0;
    while (header.size() < 98'900'000) {
      header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", tensors == 0 ? "" : ",", tensors, tensors, tensors + 1);
      ++tensors;
    }
    write_header(many, header + "}", tensors);
  }
  const std::string nested = scratch / "nested.safetensors";
  write_header(nested, std::string(99'000'000, '['), 0);
  const std::string out = scratch / "out";
  check_small({weighbridge(), "plan", name, "--strategy", "eager", "--dtype", "native"}, 0);
  check_small({weighbridge(), "run", name, "--strategy", "eager", "--dtype", "native", "--repeat", "1", "--out", out}, 0);
  check_small({weighbridge(), "inspect", many, "--json"}, 0);
  check_small({weighbridge(), "run", many, "--strategy", "mmap", "--dtype", "native", "--repeat", "1", "--out", out}, 0);
  check_small({weighbridge(), "plan", nested}, 3);
}

TEST_CASE("the parent stays below 32 MiB over a matrix of 60 trials") {
  const Scratch scratch;
  check_small({weighbridge(), "run", small_gpt2(), "--strategy", "state-dict,convert-after,eager,stream,mmap", "--dtype",
               "native,f16,bf16,int8", "--repeat", "3", "--out", scratch / "out"},
              0);
}
#endif

}  // namespace
}  // namespace weighbridge::test
