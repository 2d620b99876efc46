// Split GGUF sets: files that say of themselves which part of how many they are.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/gguf_bytes.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

std::string part(uint64_t number, uint64_t count, std::string_view tensor, std::optional<uint64_t> tensors = {}) {
  GgufBytes file = header(1, tensors ? 3 : 2);
  file.text("split.no").u32(kU16).number(number, 2);
  file.text("split.count").u32(kU16).number(count, 2);
  if (tensors) file.text("split.tensors.count").u32(5).u32(*tensors);
  return file.info(tensor, {2}, 0, 0).pad().zeros(32).bytes;
}

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const Tensor& tensor : checkpoint.tensors) names.push_back(tensor.name);
  return names;
}

}  // namespace

TEST_CASE("any part of a split GGUF set stands for all of it") {
  TemporaryFolder folder;
  const std::string first = folder.write("m-00001-of-00003.gguf", part(0, 3, "a", 3));
  const std::string second = folder.write("m-00002-of-00003.gguf", part(1, 3, "b", 3));
  const std::string third = folder.write("m-00003-of-00003.gguf", part(2, 3, "c", 3));
  for (const std::string& named : {first, second, third, folder.path()}) {
    const Checkpoint checkpoint = open_checkpoint(named);
    CHECK(names_of(checkpoint) == std::vector<std::string>{"a", "b", "c"});
    REQUIRE(checkpoint.files.size() == 3);
    CHECK(checkpoint.files[0].path == first);
    CHECK(checkpoint.files[2].path == third);
    for (uint32_t i = 0; i < 3; ++i) CHECK(checkpoint.tensors[i].extent.file == i);
  }
  CHECK(open_checkpoint(first).remarks.empty());
  const Checkpoint by_second = open_checkpoint(second);
  REQUIRE(by_second.remarks.size() == 1);
  CHECK(by_second.remarks[0].id == "chosen");
  CHECK(by_second.remarks[0].text == "m-00002-of-00003.gguf is part 2 of 3: all of them were read");

  std::filesystem::remove(third);
  CHECK(refusal(second) == second +
                               ": byte 69: found a set of 3 parts, expected part 3 beside it, where "
                               "\"m-00003-of-00003.gguf\" is missing");
  std::filesystem::create_symlink("/etc/passwd", third);
  CHECK_THAT(refusal(first),
             ContainsSubstring("m-00003-of-00003.gguf: found a link to /etc/passwd, expected a file inside"));
}

TEST_CASE("a split GGUF set whose parts do not belong together is refused") {
  TemporaryFolder folder;
  const auto write = [&](uint64_t number, const std::string& content) {
    return folder.write(fmt::format("m-{:05}-of-00002.gguf", number), content);
  };
  const std::string first = write(1, part(0, 2, "a", 2));
  const std::string second = write(2, part(0, 2, "b", 2));
  CHECK(refusal(first) ==
        second +
            ": byte 69: found split.no 0 of split.count 2, expected split.no 1 of split.count 2, as its "
            "name says");
  write(2, part(1, 3, "b", 2));
  CHECK_THAT(refusal(first),
             ContainsSubstring("found split.no 1 of split.count 3, expected split.no 1 of split.count 2"));
  write(2, header(0, 0).bytes);
  CHECK_THAT(refusal(first), ContainsSubstring("found split.no 0 of split.count 1, expected"));
  write(2, part(1, 2, "a", 2));
  CHECK(refusal(first) == second + ": byte 160: found tensor \"a\" a second time, expected each name once");
  write(1, part(0, 2, "a", 3));
  write(2, part(1, 2, "b", 3));
  CHECK(refusal(first) == first + ": byte 69: found 2 tensors in the 2 parts, expected 3, as this part says");
  write(2, "GGUF");
  CHECK_THAT(refusal(first), Catch::Matchers::StartsWith(second + ": byte 4: found the end of the file"));

  const std::string renamed = folder.write("model.gguf", part(1, 2, "b"));
  CHECK(refusal(renamed) == renamed +
                                ": byte 69: found split.no 1 of split.count 2 under another name, expected "
                                "NAME-00002-of-00002.gguf, with the other parts beside it");
  CHECK_THAT(refusal(folder.write("model.gguf", part(7, 2, "b"))),
             ContainsSubstring("found split.no 7 of split.count 2, expected a number below the count"));
  CHECK(names_of(open_checkpoint(folder.write("model.gguf", part(0, 1, "only")))) == std::vector<std::string>{"only"});
}
