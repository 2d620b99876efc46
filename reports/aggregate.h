// A cell's figures from its trials.
#pragma once

#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// Fills the cell's verdict, reason, checksum, figures and `unavailable` from its trials; strategy, options, dtype,
// limit, cache, predicted, accuracy, kept_native_tensors and fallen_back stay as they are. `error_bytes` is the
// machine's.
//
// Figures are medians over the trials that ended by themselves: of each trial the largest need of its phases, the sum
// of its phases' times and faults, and so on. The median of an even number is the lower of the middle two, so that each
// is a figure that was measured, and the split at the peak belongs to the trial whose need is shown.
// Where no trial ended by itself, need, floor, reclaimable, RSS, page tables and swap come from what the trials reached
// before they were stopped (a lower bound of what they would have needed); times and faults are null with that reason.
// Trials are left as they are, but for the reason of a missing refault counter. A reason that the harness put into
// `unavailable` is kept as long as its figure is null.
void aggregate(Cell& cell, Bytes error_bytes);

// Says why a fit's figures are null where the caller did not: a limit at which the load was stopped has no time and no
// faults, and a way without a plan has no prediction.
void explain(Fit& fit);

// JSON paths of figures that are null without a reason in the nearest `unavailable` ("cells[0].trials[1].phases[2].
// psi_some_ns"). A record that this program writes has none.
std::vector<std::string> unexplained(const Record& record);

}  // namespace weighbridge::reports
