// The plain words that every rendering ends or begins with: what fits, which way is best, which is heaviest and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// The bound that a cell was weighed against: its own limit, else of the machine's the one that leaves it least room;
// nullopt where there is none.
struct Bound {
  Bytes bytes = 0;
  bool mappings = false;  // mappings count too, whether read or not (ulimit -v)
};
std::optional<Bound> bound_of(const Record& record, const Cell& cell);
Figure limit_of(const Record& record, const Cell& cell);  // its bytes

// What of the cell counts against the bound: its weight, and what it maps where that counts; of memory and a way that
// was not run, the limit to ask for. 0 where nothing is known.
Bytes counted_against(const Bound& bound, const Cell& cell);

// What a cell needs, floor included (of a prediction that of the worker that made it, where no trial knows). Of a cell
// that was stopped the prediction, if that is more than what it had reached. nullopt: not known.
struct Weight {
  Bytes bytes = 0;
  enum class Source : uint8_t { measured, reached, predicted } source = Source::measured;
};
std::optional<Weight> weight_of(const Cell& cell);

// What was predicted, floor included as in Weight, so that it stands beside a need.
Figure predicted_need(const Cell& cell);

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

// Measured to fit; in a plan (no trials) predicted to (forecast.h).
bool fits_in(const Record& record, const Cell& cell);

struct InLimit {
  Figure limit;  // the cells' own, else the machine's; nullopt: none
  size_t ways = 0, fitting = 0;
};

struct Summary {
  size_t ways = 0, fitting = 0, not_run = 0;
  size_t unfinished = 0;           // failed, timed out, killed, interrupted: nothing is said of their memory
  bool plan = false;               // nothing was run
  std::vector<InLimit> limits;     // the largest first; one where all cells have the same
  const Cell* best = nullptr;      // the lightest that fits, in the smallest limit that any does; nullptr: nothing does
  const Cell* lightest = nullptr;  // of those that tell: measured, too heavy, or planned; in the largest limit
  const Cell* heaviest = nullptr;
};
Summary summarise(const Record& record);

// "fits: 9 of 12 ways.  Best: mmap native, needs 420 MiB of 8.00 GiB." Of what failed, was stopped for its time or by
// somebody else no word on memory: "did not finish: timed-out, eager native: still in load after 3.0 s." With several
// limits: "fits: 9 of 12 ways in 4.00 GiB; 3 of 12 in 1.00 GiB.  Best in 1.00 GiB: mmap native, needs 420 MiB."
std::string verdict_line(const Record& record);

// "Heaviest: state-dict native, would need 25.1 GiB: two full copies exist at once." Empty when there is one way alone.
std::string heaviest_line(const Record& record);

// A command line to go on with: after a plan, to measure its best way; where nothing fits, to look at smaller dtypes.
// Empty when there is none to give.
std::string try_line(const Record& record);

// "mmap native", "stream:chunk=1MiB f16".
std::string way_of(const Cell& cell);

}  // namespace weighbridge::reports
