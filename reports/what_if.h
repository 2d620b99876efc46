// What would load in less, told from predictions alone: one change each to the way that was asked for first.
//
//   strategy         the lightest other way that holds all weights in memory, same dtype
//   dtype            the same for each other dtype
//   mapping          the file's own pages in place of memory: reclaimable, values as stored
//   layer-wise       one layer at a time: a way that does it, else from the largest layer's bytes
//   optimizer-state  a training checkpoint without it
//   untied           what it would cost if tied tensors were not shared, as by frameworks that untie them: needs more
//   sparse-zeros     pruned zeros stored sparsely: what that saves is not known until the values are read
#pragma once

#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// The first cell that has a prediction: of a plan that names no strategy, what most programs do. nullptr: none has.
const Cell* usual_way(const Record& record);

// `others` are ways that were not asked for; their limit is the machine's. Those of most saved first, then those that
// save nothing, or of which it is not known. Empty where nothing is predicted.
std::vector<WhatIf> what_if(const Record& record, const std::vector<Cell>& others);

}  // namespace weighbridge::reports
