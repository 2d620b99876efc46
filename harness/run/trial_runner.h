// Runs one trial: starts a worker, meets it at every phase boundary, samples it in between, and says what became of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "harness/run/worker_process.h"
#include "reports/record.h"

namespace weighbridge {

struct TrialSettings {
  WorkerSettings worker;
  uint64_t sample_interval_ns = 1'000'000;  // 0: no sampling; the figures stay exact, the timeline is empty
  std::optional<uint64_t> timeout_ns;
  std::vector<std::string> checkpoint_files;  // to look for in the page cache
  bool cold = false;                          // evict them first; else read what is missing first
  size_t timeline_rows = 2048;                // at most
};

// What somebody who shows progress may look at, while a trial runs.
struct TrialProgress {
  const char* phase;     // "open", ...
  uint64_t done, total;  // bytes of the way; total is 0 until it is known
};

// `checkpoint` and `machine` are for the judgement of a trial that ends by itself. Never throws for what the worker
// does; throws Error(environment) where no worker can be started at all. `tick` is called about ten times a second.
reports::Trial run_trial(const Job& job, const TrialSettings& settings, const reports::Checkpoint& checkpoint,
                         const reports::Machine& machine, const std::function<void(const TrialProgress&)>& tick);

}  // namespace weighbridge
