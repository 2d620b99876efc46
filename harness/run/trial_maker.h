// Where trials are made: the checkpoint, its reference and the cages, ready for one trial after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/cells.h"
#include "harness/run/describe.h"
#include "harness/run/trial_runner.h"

namespace weighbridge {

class TrialMaker {
 public:
  // `trials` is how many there will be, so that all their timelines together stay small. `request` must outlive it.
  TrialMaker(const MatrixRequest& request, Planned planned, std::unique_ptr<Cages> cages, size_t trials);

  reports::Record& record() { return record_; }
  const Cages& cages() const { return *cages_; }
  // The reference hashes of every dtype of the cells; accuracy and kept_native_tensors of each. Throws Error.
  void make_reference(const std::function<void(uint64_t, uint64_t)>& tick);
  // Of the dtype's reference; after make_reference().
  const std::string& checksum(const std::string& dtype) const;
  // One trial of a cell, with any limit and cache state; never throws for what goes wrong with it. `number` and `order`
  // are the caller's to fill.
  reports::Trial run(const reports::Cell& cell, const std::optional<uint64_t>& timeout_ns,
                     const std::function<void(const TrialProgress&)>& tick);

 private:
  const MatrixRequest& request_;
  reports::Record record_;
  const std::vector<std::string> files_;
  const std::unique_ptr<Cages> cages_;
  const Descriptor reference_;
  const size_t timeline_rows_;
  std::vector<std::string> dtypes_;
  std::vector<ReferenceAnswer> answers_;  // one a dtype
};

// A trial that has no figures at all: why.
void without_figures(reports::Trial& trial, const char* why);

}  // namespace weighbridge
