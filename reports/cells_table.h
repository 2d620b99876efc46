// The table of all ways on a terminal: terminal.h draws it.
#pragma once

#include <string>

#include "reports/terminal.h"

namespace weighbridge::reports {

// NEED and PREDICTED both include the floor. Where not even the narrowest table has room, a sentence for each way.
// Empty without cells.
std::string cells_table(const Record& record, const TerminalStyle& style);

}  // namespace weighbridge::reports
