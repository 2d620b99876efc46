#include "reports/record.h"

#include <algorithm>

namespace weighbridge::reports {

const Limit* Record::limit() const {
  const auto smallest = std::min_element(machine.limits.begin(), machine.limits.end(),
                                         [](const Limit& a, const Limit& b) { return a.bytes < b.bytes; });
  return smallest == machine.limits.end() ? nullptr : &*smallest;
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
