// The plain words that every rendering ends or begins with: what fits, which way is best, which is heaviest and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "reports/record.h"

namespace weighbridge::reports {

// The bound that a cell was weighed against: its own limit, else the machine's smallest; nullopt where there is none.
Figure limit_of(const Record& record, const Cell& cell);

// What a cell needs, floor included where it was measured. Of a cell that was stopped the prediction, if that is
// more than what it had reached. nullopt: not known.
struct Weight {
  Bytes bytes = 0;
  enum class Source : uint8_t { measured, reached, predicted } source = Source::measured;
};
std::optional<Weight> weight_of(const Cell& cell);

// What is held at the peak that weight_of() tells: of a predicted one the floor is overhead. nullopt: not known.
struct Parts {
  Bytes weights = 0, staging = 0, overhead = 0;
  bool predicted = false;
  Bytes all() const { return weights + staging + overhead; }
};
std::optional<Parts> parts_of(const Cell& cell);

// Why a cell is heavy: a finding's cause, else the part that tells most. "two full copies exist at once during load";
// empty when it is not known.
std::string why_heavy(const Record& record, const Cell& cell);

// Measured to fit; in a plan (no trials) predicted to be below the limit.
bool fits_in(const Record& record, const Cell& cell);

struct Summary {
  size_t ways = 0, fitting = 0, not_run = 0;
  size_t unfinished = 0;           // failed, timed out, killed, interrupted: nothing is said of their memory
  bool plan = false;               // nothing was run
  const Cell* best = nullptr;      // the lightest that fits; nullptr: nothing does
  const Cell* lightest = nullptr;  // of those that tell: measured, too heavy, or planned
  const Cell* heaviest = nullptr;
};
Summary summarise(const Record& record);

// "fits: 9 of 12 ways.  Best: mmap native, needs 420 MiB of 8.00 GiB." Of what failed, was stopped for its time or by
// somebody else no word on memory: "did not finish: timed-out, eager native: still in load after 3.0 s."
std::string verdict_line(const Record& record);

// "Heaviest: state-dict native, would need 25.1 GiB: two full copies exist at once." Empty when there is one way alone.
std::string heaviest_line(const Record& record);

// A command line to go on with: after a plan, to measure its best way; where nothing fits, to look at smaller dtypes.
// Empty when there is none to give.
std::string try_line(const Record& record);

// "mmap native", "stream:chunk=1MiB f16".
std::string way_of(const Cell& cell);

}  // namespace weighbridge::reports
