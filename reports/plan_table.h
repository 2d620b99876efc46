// The ways of a plan, those that fit first:
//
//   STRATEGY    DTYPE       NEED    +CACHE   FITS IN  LEFT OF 8.00 GiB
//   mmap        native   908 KiB  12.6 GiB     37MiB          7.96 GiB  ok*
//   stream      int8    6.28 GiB       0 B   6436MiB          1.71 GiB  ok
//   state-dict  native  25.1 GiB       0 B  25724MiB         -17.1 GiB  x
//
// NEED includes the floor. FITS IN is the smallest limit to ask for (forecast.h) in whole MiB, as --limit and a
// container take it. The marks: ok, ok* (by giving page cache back, and reading it again), ~ (too close to say),
// x, ? (no prediction).
#pragma once

#include <string>

#include "reports/record.h"
#include "reports/terminal.h"

namespace weighbridge::reports {

// With the lines that explain what it uses of the marks. Where there is no room for a table, a sentence for each way.
std::string plan_table(const Record& record, const TerminalStyle& style);

// "6436MiB": rounded up.
std::string limit_to_paste(Bytes bytes);

}  // namespace weighbridge::reports
