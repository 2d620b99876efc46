// Real limits, held by real cgroups, and what the kernel does to those who pass them.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/cage/cage.h"
#include "tests/support/record.h"
#include "tests/support/skip.h"

namespace weighbridge::test {
namespace {

const Cages& cages() {
  static const Cages found(true);
  return found;
}

bool no_cages() {
  return skip(cages().possible() ? "" : "no cgroup can be made here: " + cages().reason());
}

// Cgroups of ours that nobody holds any more: those of a program that still runs are locked by it.
std::vector<std::string> leftovers() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(cages().parent())) {
    if (entry.path().filename().string().rfind("weighbridge-", 0) != 0) continue;
    const Descriptor folder(open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && flock(folder.get(), LOCK_EX | LOCK_NB) == 0) found.push_back(entry.path().string());
  }
  return found;
}

std::vector<std::string> limited(const Scratch& scratch, const std::string& strategies, const std::string& limit,
                                 std::vector<std::string> more = {}) {
  std::vector<std::string> words{weighbridge(), "run", small_gpt2(), "--strategy", strategies, "--dtype",      "native",
                                 "--limit",     limit, "--repeat",   "1",          "--out",    scratch / "out"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_CASE("a limit holds: who needs more is killed by the cage, a mapping survives, and the record proves it") {
  if (no_cages()) return;
  const Scratch scratch;
  const Outcome outcome = run(limited(scratch, "eager,mmap", "100MiB,none"));
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  REQUIRE(record["cells"].size() == 4);
  for (const json& cell : record["cells"]) {
    CHECK_THAT(cell["cage"].get<std::string>(), ContainsSubstring("cgroup v"));
    const json& trial = cell["trials"][0];
    const bool in_limit = !cell["limit_bytes"].is_null();
    CHECK(cell["cache"] == (in_limit ? "cold" : "warm"));
    if (in_limit && cell["strategy"] == "eager") {
      CHECK(cell["verdict"] == "oom-killed");
      CHECK_THAT(cell["reason"].get<std::string>(), ContainsSubstring("the cage's limit of 100 MiB"));
      CHECK(trial["reached"] == "load");
      CHECK(trial["exit_signal"] == SIGKILL);
      // The kernel charges by the page, and stops at the last that fits.
      CHECK(std::abs(trial["cgroup_peak_bytes"].get<int64_t>() - 100 * kMiB) <= 64 * 4096);
      CHECK(trial["phases"].back()["limit_hits"] > 0);
      const json counter = evidence_of(trial, "of the cage");
      REQUIRE(counter.is_object());
      CHECK(counter["figures"]["oom_kill_after"] == counter["figures"]["oom_kill_before"].get<int>() + 1);
      const json log = evidence_of(trial, "kernel log");
      REQUIRE(log.is_object());
      if (log["figures"].contains("anon_rss_bytes")) {  // readable here
        CHECK(log["figures"]["anon_rss_bytes"] > 90 * kMiB);
        CHECK(log["figures"].contains("file_rss_bytes"));
        CHECK(log["figures"].contains("shmem_rss_bytes"));
        // The kernel leaves its first line out where there were more than ten kills in five seconds.
        const std::string said = log["said"];
        if (said.find("oom-kill:") != std::string::npos) CHECK_THAT(said, ContainsSubstring("CONSTRAINT_MEMCG"));
      }
    } else {
      const std::string verdict = cell["verdict"];
      CHECK((verdict == "fits" || verdict == "fits-reclaiming" || verdict == "thrashed"));
      CHECK(trial["evidence"].empty());
      for (const json& phase : trial["phases"]) {
        CHECK(phase["refault_file_pages"].is_number());
        CHECK(phase["cgroup_usage_bytes"].is_number());
      }
    }
  }
  CHECK(leftovers().empty());
}

#ifndef WEIGHBRIDGE_SANITIZE  // its shadow is charged to the cage, too
int64_t file_bytes() {
  return static_cast<int64_t>(std::filesystem::file_size(small_gpt2()));
}

TEST_CASE(
    "a warm page cache changes no verdict: cold, read once in the cage, and after another process read the file") {
  if (no_cages()) return;
  const Scratch scratch;
  const int64_t needs = file_bytes() + 3 * kMiB;
  const std::string limits = fmt::format("{},{}", needs + 8 * kMiB, needs - 12 * kMiB);
  for (const bool read_before : {false, true}) {
    if (read_before) run({"/bin/cat", small_gpt2()});
    CHECK(run(limited(scratch, "eager,stream:chunk=1MiB,mmap", limits, {"--cache", "warm,cold"})).status == 0);
    const json record = valid_record(scratch / "out/record.json");
    REQUIRE(record["cells"].size() == 12);
    for (const json& cell : record["cells"]) {
      INFO(cell["strategy"] << ' ' << cell["cache"] << ' ' << cell["limit_bytes"] << ' ' << cell["verdict"] << ": "
                            << cell["reason"] << ", read before: " << read_before);
      const bool enough = cell["limit_bytes"] > needs || cell["strategy"] == "mmap";
      const std::string verdict = cell["verdict"];
      CHECK((verdict == "oom-killed") == !enough);
      CHECK((verdict == "fits" || verdict == "fits-reclaiming") == enough);
      // What was achieved is measured: cold begins with nothing, warm with what a limit lets be read.
      const json& cached = cell["trials"][0]["cached_before_bytes"];
      if (cached.is_number()) {
        if (cell["cache"] == "cold") CHECK(cached == 0);
        if (cell["cache"] == "warm") CHECK(cached > file_bytes() / 2);
      }
    }
  }
}

TEST_CASE("the need of a worker that the kernel kills is known up to that moment, by one thread and by four") {
  if (no_cages()) return;
  for (const char* threads : {"1", "4"}) {
    for (const char* rate : {"1000", "0"}) {
      const Scratch scratch;
      const std::string strategy = fmt::format("grow:threads={}", threads);
      CHECK(run(limited(scratch, strategy, "220MiB", {"--sample-rate", rate}), with_test_worker()).status == 1);
      const json cell = valid_record(scratch / "out/record.json")["cells"][0];
      CHECK(cell["verdict"] == "oom-killed");
      const json& trial = cell["trials"][0];
      const json& phase = trial["phases"].back();
      // The truth: blocks are counted before they are touched, one a thread at most is not.
      const int64_t truth = phase["heap_peak_bytes"]["weights"];
      const int64_t need = phase["need_peak_bytes"].get<int64_t>() - trial["floor_bytes"].get<int64_t>();
      const bool log = evidence_of(trial, "kernel log")["figures"].contains("anon_rss_bytes");
      fmt::print("killed by the kernel, {} threads, {} samples a second: need {} KiB of {} KiB\n", threads, rate,
                 need / 1024, truth / 1024);
      if (rate[0] == '0' && !log) continue;  // nobody else was there to see it
      CHECK(std::abs(need - truth) <= truth / 200 + 2 * kMiB);
    }
  }
}

TEST_CASE("fit finds what eager and state-dict need, a run there survives, and one in 5 % less does not") {
  if (no_cages()) return;
  const Scratch scratch;
  const Outcome outcome = run({weighbridge(), "fit", small_gpt2(), "--strategy", "eager,state-dict,mmap", "--dtype",
                               "native", "--tolerance", "2MiB", "--repeat", "3", "--json", "--out", scratch / "out"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  for (const json& fit : record["fits"]) {
    const std::string strategy = fit["strategy"];
    INFO(fit.dump(1));
    REQUIRE(fit["survival"].is_object());
    const int64_t survival = fit["survival"]["limit_bytes"];
    if (strategy == "mmap") {
      REQUIRE(fit["useful"].is_object());
      CHECK(fit["useful"]["slowdown"] <= 2.0);
      CHECK(survival < 32 * kMiB);
      CHECK(fit["useful"]["limit_bytes"] >= survival);
      fmt::print("fit: mmap survives in {} KiB, {} x as long; useful from {} KiB, {} x\n", survival / 1024,
                 fit["survival"]["slowdown"].dump(), fit["useful"]["limit_bytes"].get<int64_t>() / 1024,
                 fit["useful"]["slowdown"].dump());
      continue;
    }
    const int64_t stored = record["checkpoint"]["bytes"];
    const int64_t floor = cell_of(record, strategy.c_str())["floor_bytes"];
    const int64_t expected = stored * (strategy == "eager" ? 1 : 2) + floor;
    fmt::print("fit: {} survives from {} KiB, expected {} KiB ({:+.2f} %)\n", strategy, survival / 1024,
               expected / 1024, 100.0 * static_cast<double>(survival - expected) / static_cast<double>(expected));
    CHECK(std::abs(survival - expected) <= expected * 3 / 100);
    const auto five_times = [&](int64_t limit) {
      run({weighbridge(), "run", small_gpt2(), "--strategy", strategy, "--dtype", "native", "--limit",
           fmt::format("{}", limit), "--repeat", "5", "--out", scratch / "out", "-q"});
      return valid_record(scratch / "out/record.json")["cells"][0]["trials"];
    };
    for (const json& trial : five_times(survival)) CHECK(trial["verdict"] != "oom-killed");
    for (const json& trial : five_times(survival * 95 / 100)) CHECK(trial["verdict"] == "oom-killed");
  }
  CHECK(leftovers().empty());
}
#endif

}  // namespace
}  // namespace weighbridge::test
