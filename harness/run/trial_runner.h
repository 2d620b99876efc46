// Runs one trial: starts a worker, meets it at every phase boundary, samples it in between, and says what became of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "harness/cage/cage.h"
#include "harness/run/cache_start.h"
#include "harness/run/guard.h"
#include "harness/run/worker_process.h"
#include "reports/record.h"

namespace weighbridge {

struct TrialSettings {
  WorkerSettings worker;
  uint64_t sample_interval_ns = 1'000'000;  // 0: no sampling; the figures stay exact, the timeline is empty
  std::optional<uint64_t> timeout_ns;
  CacheStart cache;
  // Of the cell. Where there are cages the trial gets one of its own, limited or not; where there are none, a limit is
  // watched: the worker is ended once its need and page tables pass it.
  CageLimits limits;
  const Cages* cages = nullptr;
  GuardSettings guard;
  size_t timeline_rows = 2048;  // at most
};

// What somebody who shows progress may look at, while a trial runs.
struct TrialProgress {
  const char* phase;     // "open", ...
  uint64_t done, total;  // bytes of the way; total is 0 until it is known
};

// The record gives cell, checkpoint and machine, for the judgement of a trial that ends by itself. Never throws for
// what the worker does; throws Error(environment) where no worker or no cage can be had at all. `tick` is called about
// ten times a second.
reports::Trial run_trial(const Job& job, const TrialSettings& settings, const reports::Cell& cell,
                         const reports::Record& record, const std::function<void(const TrialProgress&)>& tick);

}  // namespace weighbridge
