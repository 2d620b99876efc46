#include "reports/record.h"

#include <algorithm>

namespace weighbridge::reports {

int64_t Prediction::off(Bytes measured) const {
  if (measured > need_bytes) return static_cast<int64_t>(measured - need_bytes);
  const Bytes least = least_need_bytes.value_or(need_bytes);
  return measured < least ? -static_cast<int64_t>(least - measured) : 0;
}

const Limit* Record::limit() const {
  const Limit* smallest = nullptr;
  for (const Limit& limit : machine.limits) {
    if (limit.bounds == Limit::kBoundsLocked) continue;
    if (smallest == nullptr || limit.bytes < smallest->bytes) smallest = &limit;
  }
  return smallest;
}

std::string strategy_name(const Cell& cell) {
  std::string name = cell.strategy;
  char separator = ':';
  for (const auto& [option, value] : cell.options) {
    name += separator + option + "=" + value;
    separator = ',';
  }
  return name;
}

std::string cell_name(const Cell& cell) {
  return strategy_name(cell) + "/" + cell.dtype + (cell.cache == "cold" ? " cold" : "");
}

}  // namespace weighbridge::reports
