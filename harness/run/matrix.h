// The matrix: every strategy x dtype x limit x cache state, trial by trial in a shuffled order, into a record.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/run/cells.h"
#include "harness/run/trial_runner.h"
#include "reports/record.h"

namespace weighbridge {

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
  // Of fit: before each trial, which way of how many and what is tried; and what was found for a way.
  virtual void tries(size_t /*way*/, size_t /*ways*/, const reports::Cell&, const std::string& /*what*/) {}
  virtual void found(const reports::Fit&) {}
};

// The record has the machine, the checkpoint and the predicted cells, and nothing was run; `notes` are lines for a
// person. Throws Error.
Planned plan_matrix(const MatrixRequest& request, std::vector<std::string>& notes);

// Runs it. When interrupted, returns what was measured with settings.interrupted set. Throws Error before the first
// trial (the checkpoint, the words), never after.
reports::Record run_matrix(const MatrixRequest& request, MatrixEvents& events);

}  // namespace weighbridge
