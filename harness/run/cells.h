// What a request asks for, as cells: strategy x dtype x limit x cache state, predicted and not yet run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/cage/cage.h"
#include "harness/run/guard.h"
#include "harness/run/worker_process.h"
#include "reports/record.h"

namespace weighbridge {

struct MatrixRequest {
  std::string model;
  std::vector<std::string> strategies;                   // "stream:chunk=1MiB"; empty: all that leave no file
  bool loads = true;                                     // false: only predicted, for which all leave no file
  std::vector<std::string> plugins;                      // paths of libraries that bring strategies of their own
  std::vector<std::string> dtypes;                       // empty: native, f32, f16, int8, less those that equal native
  std::vector<reports::Figure> limits = {std::nullopt};  // nullopt: none
  reports::Figure swap_limit;                            // of the limited cells
  std::string no_scope;                                  // why systemd gave no cgroup either, for the record
  std::vector<std::string> caches;  // empty: warm, and cold in a limited cell, as a container starts
  int repeat = 3, passes = 1;
  uint64_t seed = 0;
  uint64_t sample_interval_ns = 1'000'000;
  std::optional<uint64_t> timeout_ns;
  GuardSettings guard;
  WorkerSettings worker;
  bool with_others = false;  // describes every other strategy and dtype too (Planned::others)
  std::string command;       // for the record
  std::string journal;       // path; empty: none is kept
  bool resume = false;       // go on with the journal that is there
};

bool has_limit(const MatrixRequest& request);

struct Planned {
  reports::Record record;          // machine, checkpoint and settings, and the cells with their predictions
  std::vector<std::string> files;  // of the checkpoint
  // The ways that were not asked for, where with_others: every strategy with its defaults in every dtype that is not
  // what is stored already.
  std::vector<reports::Cell> others;
};

// Where the cells' cages are: finds out by making one, so not for a plan that is only read. `notes` are lines for a
// person. Throws Error: environment where a swap limit was asked for that cannot be held.
std::unique_ptr<Cages> find_cages(bool limited, const reports::Figure& swap_limit);

// `cages` may be null: nothing is going to be run. Throws Error.
Planned plan_cells(const MatrixRequest& request, const Cages* cages, std::vector<std::string>& notes);

}  // namespace weighbridge
