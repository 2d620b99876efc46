// What to be careful about when reading a record; each a sentence that says what to do.
#pragma once

#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

// With `all` also every figure that is not known and why.
std::vector<std::string> warnings(const Record& record, bool all = false);

}  // namespace weighbridge::reports
