// A record for the terminal: the table of all ways, why those that failed did, what to be careful about, and last,
// where the eye and the tail of a log are, the verdict in plain words.
//
//   STRATEGY    DTYPE        NEED    +CACHE  PREDICTED  AGAINST 8.00 GiB          CPU
//   stream      int8     6.28 GiB  1.00 MiB   6.28 GiB  [###########---|  ] ok  9.4 s
//   eager       f32     >8.00 GiB       0 B   25.1 GiB  [##############|##] x       -
//      oom-killed: killed by the container's limit at 41.2 s, phase load (oom_kill 1)
//
// A bar's axis begins at 0. '#' is the need, '+' reclaimable cache as far as it has room below the limit, '-' room, '|'
// the limit. A cell that was stopped shows the least it needs (">8.00 GiB"), and its bar what was predicted. Columns
// that have no room are left out, the least telling first; below about 40 columns each way gets a sentence. Words are
// never broken. Names and paths are made printable. The paths of report and record are the caller's to print.
#pragma once

#include <string>

#include "reports/record.h"

namespace weighbridge::reports {

struct TerminalStyle {
  unsigned columns = 80;
  bool colour = false;  // doubles what a mark says, and no more
  bool utf8 = false;    // bars of blocks, names as they are
  int verbosity = 0;    // -1: the verdict line alone; 1: every trial, every finding, every figure that is not known
};

// Of a record of `fit` alone, what fit_table.h shows.
std::string render_terminal(const Record& record, const TerminalStyle& style);

// Of a record that was predicted and not run, with what was found for it by what_if(): plan_page.cc.
std::string render_plan(const Record& record, const TerminalStyle& style);

// The warnings, as they stand below a table; empty when there are none.
std::string render_warnings(const Record& record, const TerminalStyle& style);

// One line: "fits: 9 of 12 ways.  Best: mmap native, needs 420 MiB of 8.00 GiB."
std::string render_verdict(const Record& record, const TerminalStyle& style);

// A header line, then a line for each cell (of a record of `fit` alone, for each way), separated by tabs; bytes and
// nanoseconds as integers, "-" for what is not known.
std::string render_plain(const Record& record);

}  // namespace weighbridge::reports
