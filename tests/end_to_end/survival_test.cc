// What must outlive a worker, a parent, or the machine's memory: verdicts, the journal, the machine itself.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/record.h"

namespace weighbridge::test {
namespace {

TEST_CASE("200 trials with workers killed at random moments: 200 verdicts, and nothing is left over") {
  const Scratch scratch;
  Program program({weighbridge(), "run", small_gpt2(), "--strategy", "hang:bytes=4MiB", "--dtype", "native", "--repeat",
                   "200", "--seed", "1", "--out", scratch / "out", "-q"},
                  with_test_worker());
  const std::string pid = std::to_string(program.pid()), self = "/proc/" + pid;
  const auto descriptors = [&] {
    std::error_code gone;
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(self + "/fd", gone)) count += !entry.path().empty();
    return count;
  };
  std::mt19937_64 random(std::random_device{}());
  size_t early = 0, late = 0;
  for (int killed = 0;;) {
    const auto child = program.child(2);
    if (!child) break;
    const std::string journal = read_file(scratch / "out/journal.jsonl");
    if (journal.find("\"begins\"") == std::string::npos) continue;  // it still describes and reads the reference
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 12000));
    if (killed > 5 && killed < 40) early = std::max(early, descriptors());
    if (killed > 160) late = std::max(late, descriptors());
    if (kill(*child, SIGKILL) == 0) ++killed;
  }
  const Outcome outcome = program.wait();
  CHECK(outcome.status == 1);  // none fits
  const json record = valid_record(scratch / "out/record.json");
  const json& trials = record["cells"][0]["trials"];
  REQUIRE(trials.size() == 200);
  for (const json& trial : trials) {
    INFO(trial["reason"]);
    CHECK(trial["verdict"] == "killed");
  }
  CHECK(early > 0);
  CHECK(late <= early + 4);  // looked at from outside, in the middle of whatever it does
  CHECK(run({"/usr/bin/pgrep", "-f", test_worker()}).out.empty());
  // Of its cgroups, wherever they were made.
  CHECK(
      run({"/bin/sh", "-c", "find /sys/fs/cgroup -type d -name 'weighbridge-" + pid + "-*' 2>/dev/null"}).out.empty());
}

TEST_CASE("a run whose parent was killed goes on with --resume: nothing is lost, nothing is run twice") {
  const Scratch scratch;
  const std::vector<std::string> words{weighbridge(),   "run",        small_gpt2(), "--strategy", "eager,mmap,stream",
                                       "--dtype",       "native,f16", "--repeat",   "4",          "--out",
                                       scratch / "out", "-q",         "--resume"};
  const std::string journal = scratch / "out/journal.jsonl";
  json before = json::object();  // order -> trial, of what the journal had when the parent died
  std::mt19937_64 random(7);
  int torn = 0;
  for (int deaths = 0; deaths < 3; ++deaths) {
    Program program(words);
    // Until one more trial than last time has been finished, and then some.
    for (int tries = 0; tries < 4000; ++tries) {
      const std::string text = read_file(journal);
      size_t ended = 0;
      for (size_t at = text.find("\"ended\""); at != std::string::npos; at = text.find("\"ended\"", at + 1)) ++ended;
      if (ended > before.size() + 1) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
    const auto worker = program.child(1);
    program.signal(SIGKILL);
    program.wait();
    if (worker) {
      for (int attempt = 0; attempt < 300 && kill(*worker, 0) == 0; ++attempt) {
        if (read_file("/proc/" + std::to_string(*worker) + "/stat").find(") Z ") != std::string::npos) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        CHECK(attempt < 299);
      }
    }
    std::istringstream lines(read_file(journal));
    bool running = false;
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("{\"begins\"", 0) == 0) running = true;
      if (line.rfind("{\"ended\"", 0) != 0) continue;
      running = false;
      const std::string trial = line.substr(line.find("\"trial\":") + 8);
      before[std::to_string(std::atoi(line.c_str() + 9) + 1)] = json::parse(trial.substr(0, trial.size() - 1));
    }
    torn += running;
  }
  REQUIRE(before.size() >= 3);
  const Outcome outcome = run(words);
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  CHECK_FALSE(std::filesystem::exists(journal));
  const json record = valid_record(scratch / "out/record.json");
  CHECK(record["settings"]["resumed"] == 3);
  int finished = 0, interrupted = 0;
  for (const json& cell : record["cells"]) {
    CHECK(cell["verdict"] == "fits");
    std::set<int> orders;
    for (const json& trial : cell["trials"]) {
      if (trial["verdict"] == "interrupted") {
        ++interrupted;
        continue;
      }
      ++finished;
      CHECK(orders.insert(trial["order"].get<int>()).second);
      const auto known = before.find(std::to_string(trial["order"].get<int>()));
      if (known != before.end()) CHECK(*known == trial);  // kept as it was, figure by figure
    }
    CHECK(orders.size() == 4);
  }
  CHECK(finished == 24);
  CHECK(interrupted == torn);
}

TEST_CASE("a journal that is torn, spoilt, or of another run is told apart") {
  const Scratch scratch;
  const auto words = [&](const char* dtype) {
    return std::vector<std::string>{weighbridge(), "run",   small_gpt2(),    "--strategy", "hang:bytes=8MiB,eager",
                                    "--dtype",     dtype,   "--repeat",      "2",          "--seed",
                                    "3",           "--out", scratch / "out", "--resume"};
  };
  {
    Program program(words("native"), with_test_worker());
    for (int tries = 0; tries < 4000; ++tries) {
      if (read_file(scratch / "out/journal.jsonl").find("\"begins\"") != std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    program.signal(SIGKILL);
    program.wait();
  }
  const std::string whole = read_file(scratch / "out/journal.jsonl");
  const Outcome other = run(words("f16"), with_test_worker());
  CHECK(other.status == 2);
  CHECK_THAT(other.err, ContainsSubstring("is of another run"));
  write_file(scratch / "out/journal.jsonl", "{\"record\":{}}\n" + whole);
  const Outcome spoilt = run(words("native"), with_test_worker());
  CHECK(spoilt.status == 3);
  CHECK_THAT(spoilt.err, ContainsSubstring("journal.jsonl: line 1"));
  // Not even the header is whole: nothing is lost by beginning anew.
  write_file(scratch / "out/journal.jsonl", whole.substr(0, whole.find('\n') / 2));
  std::vector<std::string> anew = words("native");
  anew[4] = "eager";
  CHECK(run(anew, with_test_worker()).status == 0);
}

TEST_CASE("the guard ends a trial before the machine's memory is gone, and the others go on") {
  const std::string meminfo = read_file("/proc/meminfo");
  if (std::atoll(meminfo.c_str() + meminfo.find("SwapFree:") + 9) > 0) {
    WARN("not tried: with swap the guard waits until that is short, too");
    return;
  }
  if (std::atoll(meminfo.c_str() + meminfo.find("MemAvailable:") + 13) < 6 * 1024 * 1024) {
    WARN("not tried: the guard's test takes 4 GiB, and 6 are not available");
    return;
  }
  const int64_t available = std::atoll(meminfo.c_str() + meminfo.find("MemAvailable:") + 13) * 1024;
  const Scratch scratch;
  // The reserve begins 2 GiB below what is available now; the worker takes 4.
  const Outcome outcome =
      run({weighbridge(), "run", small_gpt2(), "--strategy", "hang:bytes=4GiB,mmap", "--dtype", "native", "--repeat",
           "1", "--reserve", std::to_string(available - 2048 * kMiB), "--timeout", "60", "--out", scratch / "out"},
          with_test_worker());
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  const json& stopped = cell_of(record, "hang")["trials"][0];
  CHECK(stopped["verdict"] == "guard-stopped");
  CHECK_THAT(stopped["reason"].get<std::string>(), ContainsSubstring("less than the reserve"));
  CHECK(evidence_of(stopped, "/proc/meminfo")["figures"]["available_bytes"] < available - 2048 * kMiB);
  CHECK(cell_of(record, "mmap")["verdict"] == "fits");
}

#ifndef WEIGHBRIDGE_SANITIZE  // a sanitizer reserves terabytes of address space
TEST_CASE("an allocation refused for ulimit -v is told from a kill, with the limit as evidence") {
  const Scratch scratch;
  std::vector<std::string> words{"/bin/sh",    "-c",          "ulimit -v 400000; exec \"$@\"",
                                 "sh",         weighbridge(), "run",
                                 small_gpt2(), "--strategy",  "state-dict",
                                 "--dtype",    "native",      "--repeat",
                                 "1",          "--out",       scratch / "out"};
  CHECK(run(words).status == 1);
  const json record = valid_record(scratch / "out/record.json");
  const json& trial = record["cells"][0]["trials"][0];
  CHECK(trial["verdict"] == "refused");
  CHECK(evidence_of(trial, "ulimit -v")["figures"]["address_space_limit_bytes"] == 400000 * 1024);
  bool found = false;
  for (const json& limit : record["machine"]["limits"]) {
    found = found || (limit["bounds"] == "address space" && limit["bytes"] == 400000 * 1024);
  }
  CHECK(found);
}
#endif

}  // namespace
}  // namespace weighbridge::test
