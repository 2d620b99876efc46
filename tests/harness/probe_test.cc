#include "harness/probe/probe.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "harness/probe/limits.h"
#include "harness/probe/machine.h"
#include "harness/probe/page_cache.h"
#include "harness/probe/procfs.h"
#include "harness/probe/status.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge {
namespace {

constexpr size_t kMiB = 1u << 20;

// Writes one byte a page. Not instrumented: a sanitizer would touch its shadow beside each page.
__attribute__((no_sanitize("address"))) void touch(void* memory, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
}

TEST_CASE("status is parsed by its lines, whatever stands between them") {
  const Status status = parse_status(
      "Name:\tVmSwap: 9 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\nRssAnon:\t 512 kB\nRssFile:\t 256 kB\nRssShmem:\t "
      "128 "
      "kB\nVmPTE:\t 64 kB\nVmSwap:\t 32 kB\nHugetlbPages:\t 2048 kB\nCoreDumping:\t0\n");
  CHECK(status.complete);
  CHECK(status.high_water == 2 * kMiB);
  CHECK(status.need() == (512 + 128 + 32 + 2048) * 1024);
  CHECK(status.rss() == (512 + 256 + 128 + 2048) * 1024);
  CHECK(status.page_tables == 64 * 1024);
  CHECK_FALSE(parse_status("Name:\tkthreadd\nState:\tS\n").complete);
  CHECK_FALSE(parse_status("").complete);
}

TEST_CASE("a key is a whole word at a line's beginning") {
  CHECK(number_after("pswpin_zero 3\npswpin 12\n", "pswpin") == 12u);
  CHECK(number_after("SwapPss: 1 kB\nPss:   96 kB\n", "Pss:") == 96u);
  CHECK_FALSE(number_after("nothing here\n", "Pss:"));
}

TEST_CASE("the high-water probe sees a spike that is gone before the phase ends, and only in its phase") {
  const auto probe = high_water_probe();
  reports::Reasons unavailable;
  reports::Phase spike, calm;
  probe->begin(getpid());
  void* memory = mmap(nullptr, 64 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  munmap(memory, 64 * kMiB);
  probe->end(getpid(), spike, unavailable);
  probe->begin(getpid());
  probe->end(getpid(), calm, unavailable);
  if (!spike.peak_rss_bytes) {
    WARN("not tried: no high-water mark here: " << unavailable.at("peak_rss_bytes"));
    return;
  }
  CHECK(*spike.peak_rss_bytes >= *calm.peak_rss_bytes + 63 * kMiB);
}

TEST_CASE("the faults probe counts one minor fault a touched page") {
  const auto probe = faults_probe();
  reports::Reasons unavailable;
  reports::Phase phase;
  void* memory = mmap(nullptr, 16 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  madvise(memory, 16 * kMiB, MADV_NOHUGEPAGE);
  probe->begin(getpid());
  touch(memory, 16 * kMiB);
  probe->end(getpid(), phase, unavailable);
  munmap(memory, 16 * kMiB);
  REQUIRE(phase.minor_faults);
  CHECK(*phase.minor_faults >= 4096);
  CHECK(*phase.minor_faults < 4096 + 200);
}

TEST_CASE("what a probe cannot read is null with a reason") {
  const pid_t nobody = 0x3fffff;  // above the largest pid
  reports::Reasons unavailable;
  reports::Phase phase;
  for (const auto& probe : {high_water_probe, faults_probe, smaps_rollup_probe}) {
    const auto made = probe();
    made->begin(nobody);
    made->end(nobody, phase, unavailable);
  }
  for (const char* figure :
       {"peak_rss_bytes", "page_table_bytes", "minor_faults", "major_faults", "pss_bytes", "lazy_free_bytes"}) {
    INFO(figure);
    REQUIRE(unavailable.count(figure) == 1);
    CHECK_FALSE(unavailable.at(figure).empty());
  }
  CHECK_FALSE(phase.peak_rss_bytes);
  CHECK_FALSE(phase.minor_faults);
}

TEST_CASE("a file is in the page cache after warm, and out of it after evict") {
  const test::Scratch scratch;
  const std::string path = scratch / "file";
  test::write_file(path, std::string(8 * kMiB + 1, 'x'));
  std::string reason;
  warm({path});
  const auto cached = cached_bytes({path}, reason);
  if (!cached) {
    WARN("not tried: the page cache cannot be asked here: " << reason);
    return;
  }
  CHECK(*cached >= 8 * kMiB);
  evict({path});
  const auto left = cached_bytes({path}, reason);
  if (filesystem_of(path) == "tmpfs") {
    WARN("not tried: the temporary folder is a tmpfs: its files cannot leave memory");
    return;
  }
  CHECK(left.value_or(*cached) < kMiB);
  CHECK_FALSE(cached_bytes({scratch / "missing"}, reason));
  CHECK_THAT(reason, ContainsSubstring("missing"));
}

// In a mount namespace of its own: 0 when the cache was seen on an overlay, 1 when not, 77 where none can be mounted.
int look_at_an_overlay(const std::string& scratch) {
  for (const char* folder : {"/lower", "/upper", "/work", "/merged"}) mkdir((scratch + folder).c_str(), 0755);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  const std::string options =
      "lowerdir=" + scratch + "/lower,upperdir=" + scratch + "/upper,workdir=" + scratch + "/work";
  if (mount("overlay", (scratch + "/merged").c_str(), "overlay", 0, options.c_str()) != 0) return 77;
  const std::string path = scratch + "/merged/file";
  test::write_file(path, std::string(4 * kMiB, 'x'));
  std::string reason;
  warm({path});
  const auto cached = cached_bytes({path}, reason);
  evict({path});
  const auto left = cached_bytes({path}, reason);
  return cached >= 4 * kMiB && left && *left < kMiB ? 0 : 1;
}

TEST_CASE("on an overlay, as in every container, the page cache is seen too") {
  const test::Scratch scratch;
  const pid_t child = fork();
  if (child == 0) _exit(look_at_an_overlay(scratch.path()));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    WARN("not tried: no overlay can be mounted here: not root, or not allowed");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("some bound on memory is always found, smallest first, and none is larger than the machine's by chance") {
  const auto limits = find_limits();
  REQUIRE_FALSE(limits.empty());
  for (size_t i = 1; i < limits.size(); ++i) CHECK(limits[i - 1].bytes <= limits[i].bytes);
  CHECK(limits.front().bytes > 0);
  CHECK_FALSE(limits.front().source.empty());
}

TEST_CASE("the counters' error follows the kernel's version, unless this kernel was seen to be exact") {
  std::string source;
  CHECK(counter_error_bytes(64, 6, 12, 4096, source) == uint64_t{64} * 128 * 4096);
  CHECK_THAT(source, ContainsSubstring("per-CPU"));
  CHECK(counter_error_bytes(2, 6, 12, 4096, source) == uint64_t{2} * 32 * 4096);
  CHECK(counter_error_bytes(64, 6, 1, 4096, source) == uint64_t{64} * 4096);
  CHECK(counter_error_bytes(64, 6, 18, 0, source) == 0);
  CHECK_THAT(source, ContainsSubstring("each seen at once"));
}

}  // namespace
}  // namespace weighbridge
