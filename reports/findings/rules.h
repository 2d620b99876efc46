// The rules, and what they share. Each returns at most a finding for each dtype.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

std::vector<Finding> two_copies(const Record& record);
std::vector<Finding> upcast(const Record& record);
std::vector<Finding> cache_is_not_need(const Record& record);
std::vector<Finding> prediction_differs(const Record& record);
std::vector<Finding> kept_native(const Record& record);
std::vector<Finding> not_mapped(const Record& record);
std::vector<Finding> optimizer_state(const Record& record);
std::vector<Finding> asks_to_run_code(const Record& record);

// What loading itself costs, without the floor; nullopt when the floor of a measured cell is not known.
struct Cost {
  Bytes bytes = 0;
  bool measured = false;  // false: predicted, as the cell did not end by itself
};
std::optional<Cost> cost(const Cell& cell);

// The cell that was measured to fit, at the same dtype, limit and cache state as `cell`, at the lowest cost; nullptr
// when there is none.
const Cell* lightest_like(const Record& record, const Cell& cell);

// Adds the cell's name unless it is there: cells that differ in their limit alone share it.
void add_cell(Finding& finding, const Cell& cell);

}  // namespace weighbridge::reports
