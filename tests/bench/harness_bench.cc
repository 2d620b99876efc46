// What the instrument costs what it weighs, and what a trial costs beside the least that it could be.
//
//   harness/sampling   the worker's CPU time with the sampler at 1 kHz and the readings before releases, over that with
//                      neither, on a load that is page-faulting all the time; may be 2 % more
//   harness/trial      a trial of a tiny checkpoint, journal included, over spawning the same program, reaping it, and
//                      writing and syncing a line; may be 3 times as much
//
// Both are ratios of medians of pairs that ran one after the other. A ratio above its limit is an error of the
// benchmark.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/probe/clocks.h"
#include "harness/run/matrix.h"
#include "reports/phases.h"

extern char** environ;

namespace {

using namespace weighbridge;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A folder with a checkpoint in it, removed at the end.
class Bench {
 public:
  explicit Bench(int layers) {
    const char* tmp = std::getenv("TMPDIR");
    std::string path = std::string(tmp != nullptr ? tmp : "/tmp") + "/weighbridge-bench-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::exit(1);
    folder = path;
    model = folder + "/model.safetensors";
    if (std::system((std::string(WEIGHBRIDGE_BIN_DIR "/weighbridge synth gpt2 --layers ") + std::to_string(layers) +
                     " -o " + model + " >/dev/null 2>&1")
                        .c_str()) != 0) {
      std::exit(1);
    }
  }
  ~Bench() { std::filesystem::remove_all(folder); }
  MatrixRequest request() const {
    MatrixRequest request;
    request.model = model;
    request.strategies = {"eager"};
    request.dtypes = {"native"};
    request.repeat = 1;
    request.guard.on = false;
    request.worker.program = WEIGHBRIDGE_BIN_DIR "/weighbridge-worker";
    return request;
  }
  std::string folder, model;
};

// The CPU time of one load: every page of every tensor is faulted in, and given back at the end.
double load_cpu_ns(MatrixRequest request, bool instruments) {
  request.sample_interval_ns = instruments ? 1'000'000 : 0;
  request.worker.metered = instruments;
  MatrixEvents silent;
  const reports::Record record = run_matrix(request, silent);
  const reports::Trial& trial = record.cells.at(0).trials.at(0);
  return static_cast<double>(reports::sum(trial, &reports::Phase::cpu_ns));
}

void sampling(benchmark::State& state) {
  constexpr double kLimit = 1.02;
  const Bench bench(2);
  load_cpu_ns(bench.request(), true);  // the first reads the file into the page cache
  std::vector<double> ratios;
  for (auto _ : state) {
    // In turn, so that a drift falls on both alike.
    const bool first = ratios.size() % 2 == 0;
    const double a = load_cpu_ns(bench.request(), first), b = load_cpu_ns(bench.request(), !first);
    ratios.push_back(first ? a / b : b / a);
    state.SetIterationTime((a + b) / 1e9);
  }
  state.counters["ratio"] = median(ratios);
  state.counters["limit"] = kLimit;
  if (median(ratios) > kLimit) state.SkipWithError("the instruments cost the worker more than 2 % of its CPU time");
}
BENCHMARK(sampling)->Name("harness/sampling")->Iterations(15)->UseManualTime()->Unit(benchmark::kMillisecond);

// The least that a trial could be.
double spawn_reap_sync_ns(const std::string& program, const std::string& file) {
  const uint64_t begin = monotonic_ns();
  const char* const arguments[] = {program.c_str(), "--version", nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  if (posix_spawn(&pid, program.c_str(), &actions, nullptr, const_cast<char* const*>(arguments), environ) != 0)
    return 0;
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(pid, &status, 0);
  const int log = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const std::string line = std::string(4000, 'x') + "\n";  // as long as a trial's
  const bool written = write(log, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fdatasync(log) == 0;
  close(log);
  return written ? static_cast<double>(monotonic_ns() - begin) : 0;
}

// Times each trial from its beginning to the next one's, and beside each the least.
class Turns : public MatrixEvents {
 public:
  Turns(const Bench& bench, const MatrixRequest& request) : bench_(bench), request_(request) {}
  void begins(size_t, size_t, const reports::Cell&, int, int) override { began_ = monotonic_ns(); }
  void ended(const reports::Cell&, const reports::Trial&) override {
    const double trial = static_cast<double>(monotonic_ns() - began_);
    const double least = spawn_reap_sync_ns(request_.worker.program, bench_.folder + "/least");
    if (least > 0) trials.push_back(trial), leasts.push_back(least);
  }
  std::vector<double> trials, leasts;

 private:
  const Bench& bench_;
  const MatrixRequest& request_;
  uint64_t began_ = 0;
};

void tiny_trial(benchmark::State& state) {
  constexpr double kLimit = 3;
  const Bench bench(1);
  // One tensor of 16 bytes: what is left is what a trial costs whatever it loads.
  const std::string header = R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  std::FILE* file = std::fopen(bench.model.c_str(), "wb");
  const uint64_t length = header.size();
  std::fwrite(&length, 8, 1, file);
  std::fwrite(header.data(), 1, header.size(), file);
  std::fwrite("0123456789abcdef", 1, 16, file);
  std::fclose(file);
  MatrixRequest request = bench.request();
  request.repeat = 60;
  request.journal = bench.folder + "/journal.jsonl";
  std::vector<double> trials, leasts;
  for (auto _ : state) {
    Turns turns(bench, request);
    run_matrix(request, turns);
    trials.insert(trials.end(), turns.trials.begin(), turns.trials.end());
    leasts.insert(leasts.end(), turns.leasts.begin(), turns.leasts.end());
    state.SetIterationTime(median(turns.trials) / 1e9);
  }
  state.counters["trial_us"] = median(trials) / 1e3;
  state.counters["least_us"] = median(leasts) / 1e3;
  state.counters["ratio"] = median(trials) / median(leasts);
  state.counters["limit"] = kLimit;
  if (median(trials) > kLimit * median(leasts)) state.SkipWithError("a tiny trial costs more than 3 times the least");
}
BENCHMARK(tiny_trial)->Name("harness/trial")->Iterations(3)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
