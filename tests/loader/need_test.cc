// What each loader needs, measured in a child process and held against what the tensors' sizes say.
#include <linux/magic.h>
#include <sys/statfs.h>

#include <map>
#include <sstream>

#include "tests/loader/made_model.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kLargest = 32 * kMiB;                  // head/kernel, the last one
constexpr int64_t kLayer1 = 16 * kMiB + 4096 * 4;        // its kernel and bias
constexpr int64_t kAll = 96 * kMiB + (4096 + 1536) * 4;  // in f32

using Figures = std::map<std::string, int64_t>;

// A large model that is made once, on a disk: of a file in tmpfs, its own pages are need.
const MadeModel& model() {
  static const MadeModel made("large");
  return made;
}
bool lies_in_memory() {
  struct statfs about {};
  return skip(statfs(model().paths().front().c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC
                  ? "the temporary folder is in memory, where a file is need itself (TMPDIR names another)"
                  : "");
}

Figures measure(std::vector<std::string> words) {
  words.insert(words.begin(), std::string(WEIGHBRIDGE_BIN_DIR) + "/loader_need");
  const Outcome outcome = run(words);
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  Figures figures;
  std::istringstream text(outcome.out);
  std::string name;
  for (int64_t bytes; text >> name >> bytes;) figures[name] = bytes;
  std::string said;
  for (const auto& [what, bytes] : figures) said += what + " " + std::to_string(bytes / 1024) + " KiB  ";
  std::printf("%s %s %s: %s\n", words[1].c_str(), words[2].substr(words[2].rfind('/') + 1).c_str(), words[3].c_str(),
              said.c_str());
  return figures;
}

void check_within(int64_t measured, int64_t expected) {
  CHECK(std::abs(measured - expected) <= expected / 50 + 4 * kMiB);
}

TEST_CASE("ModelLoader as f16 needs T + L at its peak, then T, then nothing") {
  for (const std::string& path : model().paths()) {
    const Figures figures = measure({"model", path, "f16"});
    check_within(figures.at("peak"), kAll / 2 + kLargest);
    check_within(figures.at("loaded"), kAll / 2);
    check_within(figures.at("released"), 0);
    check_within(figures.at("predicted"), figures.at("peak"));
    check_within(figures.at("file"), 0);
  }
}

TEST_CASE("ModelLoader native needs T and no more") {
  for (const std::string& path : model().paths()) {
    const Figures figures = measure({"model", path, "native"});
    check_within(figures.at("peak"), kAll);
    check_within(figures.at("loaded"), kAll);
    check_within(figures.at("released"), 0);
    check_within(figures.at("predicted"), figures.at("peak"));
  }
}

TEST_CASE("LazyModelLoader needs the layer, and gives it back") {
  for (const std::string& path : model().paths()) {
    const Figures native = measure({"lazy", path, "native", "layer1"});
    check_within(native.at("peak"), kLayer1);
    check_within(native.at("loaded"), kLayer1);
    check_within(native.at("released"), 0);
    check_within(native.at("predicted"), native.at("peak"));
    const Figures half = measure({"lazy", path, "f16", "layer1"});
    check_within(half.at("peak"), kLayer1 / 2 + kLayer1);
    check_within(half.at("loaded"), kLayer1 / 2);
    check_within(half.at("predicted"), half.at("peak"));
  }
}

TEST_CASE("MemoryMappedModelLoader needs next to nothing until a weight is written to, whose pages then count") {
  if (lies_in_memory()) return;
  for (const std::string& path : model().paths()) {
    const Figures figures = measure({"mapped", path, "native"});
    check_within(figures.at("peak"), 0);
    check_within(figures.at("file"), kAll);
    check_within(figures.at("written"), kLargest);
    check_within(figures.at("released"), 0);
    check_within(figures.at("predicted"), figures.at("peak"));
  }
}

}  // namespace
}  // namespace weighbridge::test
