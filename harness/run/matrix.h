// The matrix: every strategy x dtype x limit x cache state, trial by trial in a shuffled order, into a record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/trial_runner.h"
#include "reports/record.h"

namespace weighbridge {

struct MatrixRequest {
  std::string model;
  std::vector<std::string> strategies;                   // "stream:chunk=1MiB"; empty: all
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
  std::string command;  // for the record
  std::string journal;  // path; empty: none is kept
  bool resume = false;  // go on with the journal that is there
};

// What happens, for whoever shows it.
class MatrixEvents {
 public:
  virtual ~MatrixEvents() = default;
  virtual void described(const reports::Record&) {}  // checkpoint, machine and cells are known
  virtual void reference(uint64_t /*done*/, uint64_t /*total*/) {}
  virtual void begins(size_t /*order*/, size_t /*trials*/, const reports::Cell&, int /*number*/, int /*repeat*/) {}
  virtual void progress(const TrialProgress&) {}
  virtual void ended(const reports::Cell&, const reports::Trial&) {}
  virtual void cell_ended(const reports::Cell&) {}  // its last trial has ended; its figures are filled in
  virtual void note(const std::string& /*line*/) {}
};

// A record with the machine, the checkpoint and the predicted cells, and nothing run; `notes` are lines for a person.
// Throws Error.
reports::Record plan_matrix(const MatrixRequest& request, std::vector<std::string>& notes);

// Runs it. When interrupted, returns what was measured with settings.interrupted set. Throws Error before the first
// trial (the checkpoint, the words), never after.
reports::Record run_matrix(const MatrixRequest& request, MatrixEvents& events);

}  // namespace weighbridge
