// A file that is not what it must be: one clear line, exit status 3, nothing else.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

std::string safetensors(const std::string& header, size_t data) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + std::string(data, 'd');
}

// Every verb that opens a checkpoint says the same line and ends with 3.
void check_refused(const std::string& model, const std::vector<std::string>& words) {
  const Scratch scratch;
  for (const std::string verb : {"run", "plan", "inspect"}) {
    std::vector<std::string> command = {weighbridge(), verb, model};
    if (verb == "run") command.insert(command.end(), {"--out", scratch / "out"});
    const Outcome outcome = run(command);
    INFO(verb << " " << model << ": " << outcome.err);
    CHECK(outcome.status == 3);
    CHECK(outcome.out.empty());
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK_THAT(outcome.err, ContainsSubstring("weighbridge: "));
    for (const std::string& word : words) CHECK_THAT(outcome.err, ContainsSubstring(word));
  }
}

TEST_CASE("a truncated file is refused, and the line says where it ends") {
  const Scratch scratch;
  const std::string whole = read_file(small_gpt2());
  write_file(scratch / "cut.safetensors", whole.substr(0, whole.size() / 2));
  check_refused(scratch / "cut.safetensors", {"cut.safetensors", "byte", "found", "expected"});
  write_file(scratch / "header.safetensors", whole.substr(0, 100));
  check_refused(scratch / "header.safetensors", {"header.safetensors", "byte"});
}

TEST_CASE("overlapping tensors are refused by name") {
  const Scratch scratch;
  write_file(
      scratch / "overlap.safetensors",
      safetensors(
          R"({"first":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"second":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
          12));
  check_refused(scratch / "overlap.safetensors", {"second", "found", "expected"});
}

TEST_CASE("a dimension of 2^63 is refused before anything is multiplied with it") {
  const Scratch scratch;
  write_file(scratch / "huge.safetensors",
             safetensors(R"({"w":{"dtype":"F32","shape":[9223372036854775808,4],"data_offsets":[0,16]}})", 16));
  check_refused(scratch / "huge.safetensors", {"9223372036854775808"});
}

TEST_CASE("a missing shard is named, with the index that asks for it") {
  const Scratch scratch;
  write_file(
      scratch / "model.safetensors.index.json",
      R"({"metadata":{},"weight_map":{"w":"model-00001-of-00002.safetensors","v":"model-00002-of-00002.safetensors"}})");
  write_file(scratch / "model-00001-of-00002.safetensors",
             safetensors(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
  check_refused(scratch.path(), {"model-00002-of-00002.safetensors"});
}

TEST_CASE("an empty file, a folder without a checkpoint, a path that is not there") {
  const Scratch scratch;
  write_file(scratch / "empty.safetensors", "");
  check_refused(scratch / "empty.safetensors", {"empty.safetensors"});
  std::filesystem::create_directory(scratch / "folder");
  check_refused(scratch / "folder", {"folder", "safetensors"});
  check_refused(scratch / "nowhere.safetensors", {"nowhere.safetensors", "No such file"});
}

TEST_CASE("a name cannot write to the terminal: control characters are shown, not sent") {
  const Scratch scratch;
  write_file(scratch / "bell.safetensors",
             safetensors(R"({"\u001b[31mred\u0007":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4));
  const Outcome outcome = run({weighbridge(), "inspect", scratch / "bell.safetensors"});
  CHECK(outcome.status == 3);
  CHECK(outcome.err.find('\x1b') == std::string::npos);
  CHECK(outcome.err.find('\x07') == std::string::npos);
  // A C1 control and a right-to-left override, in the table itself.
  write_file(scratch / "c1.safetensors",
             safetensors(R"({"\u009b31mred\u202e":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4));
  const Outcome table = run({weighbridge(), "inspect", scratch / "c1.safetensors"});
  CHECK(table.status == 0);
  CHECK_THAT(table.out, ContainsSubstring("\\u{9b}31mred\\u{202e}"));
  CHECK(table.out.find("\xc2\x9b") == std::string::npos);
}

}  // namespace
}  // namespace weighbridge::test
