// What a record tells about causes: why a way to load is heavy, and what to change.
//
// A rule is one file with one function, declared in rules.h and listed once in findings.cc. It looks at the record and
// nothing else, and stays silent unless the figures show it: a rule that fires for everybody teaches to read past it.
#pragma once

#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// High ones that save nothing first: they endanger. Then by bytes saved (those that save none last), then by severity.
std::vector<Finding> find(const Record& record);

}  // namespace weighbridge::reports
