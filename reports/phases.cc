#include "reports/phases.h"

#include <algorithm>

namespace weighbridge::reports {

Figure sum(const Trial& trial, Figure Phase::*figure) {
  if (trial.phases.empty()) return std::nullopt;
  uint64_t total = 0;
  for (const Phase& phase : trial.phases) {
    if (!(phase.*figure)) return std::nullopt;
    total += *(phase.*figure);
  }
  return total;
}

uint64_t sum(const Trial& trial, uint64_t Phase::*figure) {
  uint64_t total = 0;
  for (const Phase& phase : trial.phases) total += phase.*figure;
  return total;
}

Figure largest(const Trial& trial, Figure Phase::*figure) {
  Figure most;
  for (const Phase& phase : trial.phases) {
    if (phase.*figure) most = std::max(most.value_or(0), *(phase.*figure));
  }
  return most;
}

}  // namespace weighbridge::reports
