// Whole strategies on a checkpoint of 64 MiB in the page cache: load, use (every delivered byte hashed), release. To be
// held against limit/read and limit/mmap_touch of the same run.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "strategies/executor.h"
#include "strategies/strategy.h"

namespace {

using namespace weighbridge;

constexpr uint64_t kTensorBytes = uint64_t{4} << 20;
constexpr uint64_t kTensors = 16;

// 16 tensors of 4 MiB, f32, in a file that is unlinked at once and opened through its descriptor.
const Checkpoint& warm_checkpoint() {
  static const Checkpoint checkpoint = [] {
    Checkpoint made;
    const char* folder = std::getenv("TMPDIR");
    std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/weighbridge-bench-XXXXXX";
    const int descriptor = mkstemp(path.data());
    if (descriptor < 0) return made;
    unlink(path.c_str());
    std::vector<float> values(kTensorBytes / sizeof(float));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000) / 512.0f - 1.0f;
    for (uint64_t tensor = 0; tensor < kTensors; ++tensor) {
      if (write(descriptor, values.data(), kTensorBytes) != static_cast<ssize_t>(kTensorBytes)) return made;
      made.tensors.push_back({.name = "t" + std::to_string(tensor),
                              .shape = {1024, 1024},
                              .extent = {0, tensor * kTensorBytes, kTensorBytes},
                              .encoding = {}});
    }
    made.files.push_back({"/proc/self/fd/" + std::to_string(descriptor), kTensors * kTensorBytes});
    return made;
  }();
  return checkpoint;
}

void run_strategy(benchmark::State& state, const Strategy* strategy, Target target) {
  const Checkpoint& checkpoint = warm_checkpoint();
  if (checkpoint.files.empty()) return state.SkipWithError("no temporary file");
  const Choice choice = parse_choice(strategy->name());
  const Request request(checkpoint, target, 1, choice.options);
  PlainMemory memory;
  Observer nobody;
  for (auto _ : state) {
    Executor executor(request, memory, nobody);
    strategy->plan(request, executor);
  }
  state.SetBytesProcessed(static_cast<int64_t>(kTensors * kTensorBytes) * state.iterations());
}

const bool registered = [] {
  for (const Strategy* strategy : strategies()) {
    for (const char* dtype : {"native", "f16"}) {
      const std::string name = "strategy/" + std::string(strategy->name()) + "/" + dtype;
      benchmark::RegisterBenchmark(name.c_str(), run_strategy, strategy, *parse_target(dtype));
    }
  }
  return true;
}();

}  // namespace
