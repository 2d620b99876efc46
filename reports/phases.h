// A trial's figures over its phases, by one rule: a sum needs every phase, or it would be too small unnoticed; a
// largest is over those that know it.
#pragma once

#include <cstdint>
#include "reports/record.h"

namespace weighbridge::reports {

Figure sum(const Trial& trial, Figure Phase::*figure);      // nullopt where a phase does not know it, or there is none
uint64_t sum(const Trial& trial, uint64_t Phase::*figure);  // 0 without phases
Figure largest(const Trial& trial, Figure Phase::*figure);  // nullopt where no phase knows it

}  // namespace weighbridge::reports
