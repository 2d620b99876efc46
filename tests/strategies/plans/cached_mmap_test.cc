#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "strategies/error.h"
#include "strategies/executor.h"
#include "strategies/predictor.h"
#include "strategies/sidecar.h"
#include "strategies/strategy.h"
#include "tests/strategies/plans/counting_memory.h"
#include "tests/strategies/plans/made_checkpoint.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

class Hashes : public Observer {
 public:
  void used(uint32_t tensor, uint64_t hash) override { of[tensor] = hash; }
  void read(uint64_t bytes) override { read_bytes += bytes; }
  std::map<uint32_t, uint64_t> of;
  uint64_t read_bytes = 0;
};

// One load; checks that the weights are right and all memory goes back.
Hashes load(const Checkpoint& checkpoint, Target target, const std::string& options) {
  const Choice choice = parse_choice("cached-mmap:" + options);
  const Request request(checkpoint, target, 1, choice.options);
  const auto prediction = predict(*choice.strategy, request);
  CountingMemory memory;
  Hashes hashes;
  {
    Executor executor(request, memory, hashes);
    choice.strategy->plan(request, executor);
  }
  CHECK(memory.held() == 0);
  CHECK(memory.mappings() == 0);
  CHECK(memory.peak() <= prediction->need);
  CHECK(prediction->weights == 0);
  CHECK(hashes.of == reference_of(checkpoint, target));
  return hashes;
}

std::vector<std::filesystem::path> files_in(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) files.push_back(entry.path());
  return files;
}

struct stat status_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status;
}

// A checkpoint of two f32 tensors, and a folder for its sidecar.
struct Made {
  Made() {
    checkpoint.path = scratch / "model";
    write_file(checkpoint.path, content);
    checkpoint.files.push_back({checkpoint.path, content.size()});
    for (uint32_t number = 0; number < 2; ++number) {
      checkpoint.tensors.push_back({.name = std::to_string(number),
                                    .shape = {256, 16},
                                    .extent = {0, 7 + number * 16384U, 16384},
                                    .encoding = {}});
    }
  }
  // The same bytes but one, written in place; size and mtime as before.
  void change() {
    const struct stat before = status_of(checkpoint.path);
    content[100] = static_cast<char>(content[100] ^ 1);
    const int descriptor = open(checkpoint.path.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(pwrite(descriptor, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
    const timespec times[] = {before.st_atim, before.st_mtim};
    REQUIRE(futimens(descriptor, times) == 0);
    close(descriptor);
  }
  std::string options() const { return "dir=" + folder; }
  // Holds on to today's sidecar, whose inode number another file could get otherwise; says whether it is still the one.
  std::function<bool()> witness() const {
    const std::filesystem::path path = sidecar();
    const std::string link = scratch / "witness";
    std::filesystem::remove(link);
    std::filesystem::create_hard_link(path, link);
    return [path, link] { return std::filesystem::equivalent(path, link); };
  }
  std::filesystem::path sidecar() const {
    const auto files = files_in(folder);
    REQUIRE(files.size() == 1);
    return files[0];
  }

  Scratch scratch;
  std::string content = std::string(40'000, '\x3f');
  std::string folder = scratch / "cache";
  Checkpoint checkpoint;
  const Target target{Dtype::f16};
};

constexpr uint64_t kDelivered = 2 * 16384 / 2;

void let_rest() {
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
}

TEST_CASE("a sidecar delivers the reference's bytes, made and found, in every dtype") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Scratch scratch;
    const Checkpoint checkpoint = make_checkpoint(scratch, seed);
    for (const TargetInfo& target : targets()) {
      INFO("seed " << seed << ", " << target.name);
      const std::string folder = scratch / std::string(target.name);
      load(checkpoint, target.target, "dir=" + folder);
      const auto made = files_in(folder);
      load(checkpoint, target.target, "dir=" + folder);
      CHECK(files_in(folder) == made);
      load(checkpoint, target.target, "anew=yes,chunk=1000,dir=" + folder);
    }
  }
}

TEST_CASE("what can be viewed in the checkpoint gets no sidecar") {
  const Made made;
  load(made.checkpoint, Target{}, made.options());
  CHECK(files_in(made.folder).empty());
}

TEST_CASE("a checkpoint at rest is proven by its stamps: the second load reads nothing but what it delivers") {
  const Made made;
  let_rest();
  CHECK(load(made.checkpoint, made.target, made.options()).read_bytes > made.content.size());
  const auto still_first = made.witness();
  CHECK(load(made.checkpoint, made.target, made.options()).read_bytes == kDelivered);
  CHECK(still_first());
}

TEST_CASE("a young checkpoint is proven by its content, and then by stamps") {
  const Made made;
  load(made.checkpoint, made.target, made.options());
  const auto still_first = made.witness();
  CHECK(load(made.checkpoint, made.target, made.options()).read_bytes == kDelivered + made.content.size());
  let_rest();
  CHECK(load(made.checkpoint, made.target, made.options()).read_bytes == kDelivered + made.content.size());
  CHECK(load(made.checkpoint, made.target, made.options()).read_bytes == kDelivered);
  CHECK(still_first());
}

TEST_CASE("a checkpoint that was touched or replaced by a copy keeps its sidecar; one that changed does not") {
  Made made;
  let_rest();
  load(made.checkpoint, made.target, made.options());
  const auto still_first = made.witness();
  std::filesystem::copy_file(made.checkpoint.path, made.scratch / "copy");
  std::filesystem::rename(made.scratch / "copy", made.checkpoint.path);
  load(made.checkpoint, made.target, made.options());
  CHECK(still_first());

  made.change();  // load() holds it against a reference of the new bytes
  load(made.checkpoint, made.target, made.options());
  CHECK_FALSE(still_first());
}

TEST_CASE("a sidecar that is cut, written over, or not a plain file of this user is not trusted") {
  const Made made;
  load(made.checkpoint, made.target, made.options());
  const std::filesystem::path path = made.sidecar();
  const auto spoil = [&](uint64_t at, char with) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(with);
  };
  for (const uint64_t at : {0, 30, 50, 70}) {  // magic, layout, content, stamps
    INFO("byte " << at << " of the header");
    const auto still_it = made.witness();
    spoil(at, '\x01');
    load(made.checkpoint, made.target, made.options());
    CHECK_FALSE(still_it());
  }
  std::filesystem::resize_file(path, 5000);
  load(made.checkpoint, made.target, made.options());

  std::filesystem::rename(path, made.scratch / "elsewhere");
  std::filesystem::create_symlink(made.scratch / "elsewhere", path);
  CHECK_THROWS_WITH(load(made.checkpoint, made.target, made.options()),
                    ContainsSubstring("found a symlink, expected a file to replace or nothing"));
  std::filesystem::remove(path);
  if (geteuid() == 0) {
    load(made.checkpoint, made.target, made.options());
    REQUIRE(chown(path.c_str(), 12345, 12345) == 0);
    load(made.checkpoint, made.target, made.options());
    CHECK(status_of(path).st_uid == 0);
  } else {
    WARN("not root: a sidecar of another user was not tried");
  }
}

TEST_CASE("two checkpoints of one architecture have a sidecar each") {
  const Made one;
  Made other;
  other.change();
  const std::string options = "dir=" + one.folder;
  load(one.checkpoint, one.target, options);
  load(other.checkpoint, other.target, options);
  CHECK(files_in(one.folder).size() == 2);
}

TEST_CASE("a load that is broken off leaves no sidecar behind") {
  const Made made;
  const Options options = parse_choice("cached-mmap:" + made.options()).options;
  const Request request(made.checkpoint, made.target, 1, options);
  const Sidecar sidecar(request, made.folder);
  {
    CountingMemory memory;
    Observer observer;
    Executor executor(request, memory, observer);
    executor.make_file(sidecar);
    CHECK(files_in(made.folder).size() == 1);
  }
  CHECK(files_in(made.folder).empty());
}

TEST_CASE("a checkpoint that changes while its sidecar is made is refused") {
  Made made;
  let_rest();
  const Options options = parse_choice("cached-mmap:" + made.options()).options;
  const Request request(made.checkpoint, made.target, 1, options);
  const Sidecar sidecar(request, made.folder);
  auto making = sidecar.begin([](uint64_t) {});
  made.change();
  CHECK_THROWS_WITH(sidecar.finish(making, [](uint64_t) {}), ContainsSubstring("was changed while it was read"));
}

TEST_CASE("a folder in memory is refused, as it would save nothing") {
  struct statfs disk {};
  if (statfs("/dev/shm", &disk) != 0 || disk.f_type != 0x01021994) {
    WARN("/dev/shm is no tmpfs here: not tried");
    return;
  }
  const Made made;
  const std::string folder = "/dev/shm/weighbridge-test-" + std::to_string(getpid());
  CHECK_THROWS_WITH(load(made.checkpoint, made.target, "dir=" + folder), ContainsSubstring("lies in memory (tmpfs)"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace weighbridge::test
