// The matrix: every strategy x dtype x cache state, trial by trial in a shuffled order, into a record.
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
  std::vector<std::string> strategies;  // "stream:chunk=1MiB"; empty: all
  std::vector<std::string> dtypes;      // empty: native, f32, f16, int8, less those that equal native
  std::vector<std::string> caches = {"warm"};
  int repeat = 3, passes = 1;
  uint64_t seed = 0;
  uint64_t sample_interval_ns = 1'000'000;
  std::optional<uint64_t> timeout_ns;
  WorkerSettings worker;
  std::string command;  // for the record
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
