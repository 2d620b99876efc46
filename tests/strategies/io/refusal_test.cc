// What the kernel refuses: io_uring by a seccomp filter, O_DIRECT by a file system without it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "strategies/error.h"
#include "strategies/io/read_queue.h"
#include "strategies/memory.h"
#include "tests/support/catch.h"
#include "tests/support/forbid.h"
#include "tests/support/program.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

struct Loaded {
  std::string bytes;
  std::vector<Remark> remarks;
};

// The whole file, through a queue.
Loaded load(const std::string& path, EngineChoice engine) {
  Checkpoint checkpoint;
  checkpoint.files.push_back({path, std::filesystem::file_size(path)});
  const uint64_t bytes = checkpoint.files[0].bytes;
  Loaded loaded;
  PlainMemory memory;
  void* to = memory.allocate(Purpose::staging, bytes + kPageBytes);
  {
    ReadQueue queue(checkpoint, {4, 16u << 10, engine},
                    {[&](const Remark& remark) { loaded.remarks.push_back(remark); }, [](uint64_t) {}});
    queue.start({0, 0, bytes}, static_cast<std::byte*>(to));
    queue.finish();
  }
  loaded.bytes.assign(static_cast<const char*>(to), bytes);
  memory.release(Purpose::staging, to, bytes + kPageBytes);
  return loaded;
}

// What a child process that cannot have io_uring says; "no filter" where none can be set.
std::string without_io_uring(const std::function<std::string()>& say) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string said = "no filter";
    if (forbid_io_uring()) {
      try {
        said = say();
      } catch (const Error& error) {
        said = error.what();
      }
    }
    const bool wrote = write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    _exit(wrote ? 0 : 1);
  }
  close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t got = read(ends[0], said.data(), said.size());
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  said.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return said;
}

TEST_CASE("where a seccomp filter refuses io_uring, threads read, and that is told with the reason") {
  const Scratch scratch;
  const std::string path = scratch / "file";
  write_file(path, std::string(100'000, 'w') + "end");
  const std::string said = without_io_uring([&] {
    const Loaded loaded = load(path, EngineChoice::any);
    std::string text = loaded.bytes == read_file(path) ? "same bytes" : "other bytes";
    for (const Remark& remark : loaded.remarks) text += "; " + remark.id + ": " + remark.text;
    return text;
  });
  if (skip(said == "no filter" ? "no seccomp filter can be set here" : "")) return;
  CHECK_THAT(said, ContainsSubstring("same bytes; read-by: read by 4 threads; no-io_uring: "
                                     "io_uring was refused (Operation not permitted), so it was read by 4 threads"));
  CHECK(without_io_uring([&] { return load(path, EngineChoice::io_uring).bytes; }) ==
        "io_uring was refused (Operation not permitted): leave the engine to be chosen, or ask for threads");
}

TEST_CASE("where no thread can be had either, one read follows another") {
  // In a child, as the limit counts all of a user's processes; root has none.
  const Scratch scratch;
  const std::string path = scratch / "file";
  write_file(path, std::string(100'000, 'w') + "end");
  const std::string said = without_io_uring([&]() -> std::string {
    if (!forbid_threads()) return "no filter";
    const Loaded loaded = load(path, EngineChoice::threads);
    return loaded.bytes == read_file(path) ? loaded.remarks.at(0).text : "other bytes";
  });
  if (skip(said == "no filter" ? "no seccomp filter can be set here" : "")) return;
  CHECK(said == "read by the loading thread alone, as no other could be started");
}

TEST_CASE("where a file system has no O_DIRECT, the page cache is read through, and that is told with the reason") {
  const std::string path = "/sys/kernel/btf/vmlinux";  // in sysfs, which has none; it also reads a page at a time
  if (skip(std::filesystem::exists(path) ? "" : "no file here lies on a file system without O_DIRECT")) return;
  for (const EngineChoice engine : {EngineChoice::any, EngineChoice::threads}) {
    const Loaded loaded = load(path, engine);
    CHECK(loaded.bytes == read_file(path));
    REQUIRE(loaded.remarks.size() >= 2);
    CHECK(loaded.remarks.back().id == "no-o_direct");
    CHECK(loaded.remarks.back().text ==
          "O_DIRECT was refused for /sys/kernel/btf/vmlinux (Invalid argument), so it was read through the page cache, "
          "which then holds it too");
  }
}

}  // namespace
}  // namespace weighbridge::test
