// Trials that do not end well: the run goes on, the record is complete, and says what happened.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/program.h"
#include "tests/support/record.h"

namespace weighbridge::test {
namespace {

std::vector<std::string> run_words(const Scratch& scratch, const std::string& strategies) {
  return {weighbridge(), "run", small_gpt2(), "--strategy", strategies, "--dtype",      "native",
          "--repeat",    "1",   "--seed",     "1",          "--out",    scratch / "out"};
}
// Waits until a worker holds so much anonymous memory (more than any other cell of the run ever does); its pid.
pid_t wait_for_need(const Program& program, int64_t bytes) {
  for (int attempt = 0; attempt < 3000; ++attempt) {
    if (const auto child = program.child(0.01)) {
      const std::string status = read_file("/proc/" + std::to_string(*child) + "/status");
      const size_t line = status.find("RssAnon:");
      if (line != std::string::npos && std::atoll(status.c_str() + line + 8) * 1024 >= bytes) return *child;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("no worker grew so large");
}

TEST_CASE("one wrong byte is a failed cell that names the tensor, and the other cells are measured") {
  const Scratch scratch;
  const Outcome outcome = run(run_words(scratch, "eager,flip:tensor=5,mmap"), with_test_worker());
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  const json listed = json::parse(run({weighbridge(), "inspect", small_gpt2(), "--json"}).out);
  const json& flipped = cell_of(record, "flip");
  CHECK(flipped["verdict"] == "failed");
  CHECK_THAT(flipped["reason"].get<std::string>(), ContainsSubstring(listed["tensors"][5]["name"].get<std::string>()));
  CHECK(cell_of(record, "eager")["verdict"] == "fits");
  CHECK(cell_of(record, "mmap")["verdict"] == "fits");
}

TEST_CASE("a worker that crashes is a failed cell with its signal and phase") {
  const Scratch scratch;
  const Outcome outcome = run(run_words(scratch, "crash:at=use,eager"), with_test_worker());
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  const json& crashed = cell_of(record, "crash");
  CHECK(crashed["verdict"] == "failed");
  CHECK(crashed["trials"][0]["reached"] == "use");
#ifndef WEIGHBRIDGE_SANITIZE  // a sanitizer turns the signal into an exit status
  CHECK_THAT(crashed["reason"].get<std::string>(), ContainsSubstring("signal 11"));
#endif
  CHECK(cell_of(record, "eager")["verdict"] == "fits");
}

TEST_CASE("a worker killed by SIGKILL in the middle leaves a complete record with what it had reached") {
  const Scratch scratch;
  Program program(run_words(scratch, "hang:bytes=320MiB,eager"), with_test_worker());
  const pid_t worker = wait_for_need(program, 320 * kMiB);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a few samples
  kill(worker, SIGKILL);
  const Outcome outcome = program.wait();
  INFO(outcome.err);
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  const json& killed = cell_of(record, "hang");
  CHECK(killed["verdict"] == "killed");
  CHECK(killed["trials"][0]["exit_signal"] == SIGKILL);
  CHECK(killed["trials"][0]["reached"] == "load");
  const json& phase = killed["trials"][0]["phases"].back();
  CHECK(phase["name"] == "load");
#ifndef WEIGHBRIDGE_SANITIZE
  CHECK(std::abs(phase["need_peak_bytes"].get<int64_t>() - killed["floor_bytes"].get<int64_t>() - 320 * kMiB) <
        2 * kMiB);
#endif
  CHECK(phase["heap_peak_bytes"]["weights"] == 320 * kMiB);
  CHECK(cell_of(record, "eager")["verdict"] == "fits");
}

TEST_CASE("of a signal that can be caught the record names the sender") {
  const Scratch scratch;
  Program program(run_words(scratch, "hang:bytes=272MiB,eager"), with_test_worker());
  kill(wait_for_need(program, 272 * kMiB), SIGTERM);
  CHECK(program.wait().status == 0);
  const json trial = cell_of(valid_record(scratch / "out/record.json"), "hang")["trials"][0];
  CHECK(trial["verdict"] == "killed");
  CHECK(trial["exit_signal"] == SIGTERM);
  CHECK_THAT(trial["reason"].get<std::string>(), ContainsSubstring("sent by process " + std::to_string(getpid())));
  CHECK_THAT(evidence_of(trial, "siginfo")["said"].get<std::string>(), ContainsSubstring("end_to_end_test"));
}

TEST_CASE("Ctrl-C writes what was measured and ends with 130; no worker is left") {
  const Scratch scratch;
  for (const int number : {SIGINT, SIGTERM}) {
    Program program(run_words(scratch, "hang:bytes=288MiB,eager"), with_test_worker());
    const pid_t worker = wait_for_need(program, 288 * kMiB);
    program.signal(number);
    const Outcome outcome = program.wait();
    CHECK(outcome.status == 130);
    CHECK(kill(worker, 0) == -1);
    const json record = valid_record(scratch / "out/record.json");
    CHECK(record["settings"]["interrupted"] == true);
    CHECK(cell_of(record, "hang")["verdict"] == "interrupted");
    CHECK(cell_of(record, "hang")["trials"][0]["phases"].back()["heap_peak_bytes"]["weights"] == 288 * kMiB);
    CHECK_THAT(read_file(scratch / "out/report.html"), ContainsSubstring("interrupted"));
  }
}

TEST_CASE(
    "a killed worker's record is whole with the sampler off, too: what the worker wrote itself is what is known") {
  const Scratch scratch;
  std::vector<std::string> words = run_words(scratch, "hang:bytes=300MiB");
  words.insert(words.end(), {"--sample-rate", "0"});
  Program program(words, with_test_worker());
  kill(wait_for_need(program, 300 * kMiB), SIGKILL);
  CHECK(program.wait().status == 1);
  const json record = valid_record(scratch / "out/record.json");
  const json& phase = cell_of(record, "hang")["trials"][0]["phases"].back();
  CHECK(phase["need_end_bytes"].is_null());
  CHECK(phase["heap_peak_bytes"]["weights"] == 300 * kMiB);
}

TEST_CASE("closed standard descriptors harm nothing: neither the figures nor the record") {
  const Scratch scratch;
  const Outcome outcome =
      run({"/bin/sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh", weighbridge(), "run", small_gpt2(), "--strategy",
           "eager,mmap", "--dtype", "native,f16", "--repeat", "2", "--out", scratch / "out", "-v"});
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  for (const json& cell : record["cells"]) CHECK(cell["verdict"] == "fits");
}

TEST_CASE("a reader that goes away early costs no record") {
  const Scratch scratch;
  run({"/bin/sh", "-c", "\"$@\" 2>&1 | head -n 1", "sh", weighbridge(), "run", small_gpt2(), "--strategy", "eager",
       "--dtype", "native", "--repeat", "2", "--out", scratch / "out", "-v"});
  CHECK(valid_record(scratch / "out/record.json")["cells"][0]["verdict"] == "fits");
  const Outcome listed =
      run({"/bin/sh", "-c", "\"$@\" | head -n 1", "sh", weighbridge(), "inspect", small_gpt2(), "--json"});
  CHECK(listed.err.empty());
}

TEST_CASE("the user's allocator settings do not reach the worker") {
  const Scratch scratch;
  const auto need = [&](const Environment& environment) {
    REQUIRE(run({weighbridge(), "run", small_gpt2(), "--strategy", "mmap", "--dtype", "native", "--repeat", "1",
                 "--out", scratch / "out", "-q"},
                environment)
                .status == 0);
    return json::parse(read_file(scratch / "out/record.json"))["cells"][0]["need_bytes"].get<int64_t>();
  };
  CHECK(std::abs(need({}) - need({{"MALLOC_CONF", "retain:false,narenas:16,dirty_decay_ms:-1"}})) < 256 * 1024);
}

TEST_CASE("a trial that takes too long is timed out") {
  const Scratch scratch;
  std::vector<std::string> words = run_words(scratch, "hang:bytes=1MiB,eager");
  words.insert(words.end(), {"--timeout", "20"});
  const Outcome outcome = run(words, with_test_worker());
  CHECK(outcome.status == 0);
  const json record = valid_record(scratch / "out/record.json");
  CHECK(cell_of(record, "hang")["verdict"] == "timed-out");
  CHECK(cell_of(record, "eager")["verdict"] == "fits");
}

TEST_CASE("the worker does not outlive a parent that is killed") {
  const Scratch scratch;
  Program program(run_words(scratch, "hang:bytes=8MiB"), with_test_worker());
  const pid_t worker = wait_for_need(program, 8 * kMiB);
  program.signal(SIGKILL);
  program.wait();
  for (int attempt = 0; attempt < 200 && kill(worker, 0) == 0; ++attempt) {
    // A zombie waits for init to reap it: it holds no memory any more.
    if (read_file("/proc/" + std::to_string(worker) + "/stat").find(") Z ") != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(kill(worker, 0) == -1);
}

TEST_CASE("a worker program that is not there is said by its path, exit 4") {
  const Scratch scratch;
  const Outcome outcome = run(run_words(scratch, "eager"), {{"WEIGHBRIDGE_WORKER", scratch / "no-such-worker"}});
  CHECK(outcome.status == 4);
  CHECK_THAT(outcome.err, ContainsSubstring("no-such-worker"));
}

}  // namespace
}  // namespace weighbridge::test
