// What `weighbridge fit` found, for the terminal: the verdict in plain words first, then each way's limits and how the
// load went in them, and last why a figure is not known.
//
//   WAY          PREDICTED  SURVIVES IN  TIME  USEFUL FROM  TIME
//   mmap native   32.7 MiB     40.0 MiB   42x     12.6 GiB  1.9x
//      in 40.0 MiB: thrashed, 410,000 major faults, 35.1 GiB read again, stood still for 5 min 10 s
//
// TIME is the wall time over that of the same load without a limit. Where not even the narrowest table has room, each
// way gets a sentence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/record.h"
#include "reports/terminal.h"

namespace weighbridge::reports {

std::string way_of(const Fit& fit);  // as of a cell

// The way with the smallest limit first; those of which none was found last.
std::vector<const Fit*> by_survival(const Record& record);

// One line: "The smallest limit: mmap native survives in 8.00 MiB, but is useful only from 490 MiB (1.9x as long);
// eager native needs 520 MiB." At most three ways, that with the smallest useful limit among them.
std::string fit_line(const Record& record);

// "thrashed, 410,000 major faults, 35.1 GiB read again, stood still for 5 min 10 s of 7 min 0 s": what is known of it.
std::string said_of(const FitPoint& point, Bytes page_bytes);

// "1.9x", "42x"; "-" when it is not known.
std::string human_slowdown(const std::optional<double>& slowdown);

// With verbosity -1 the line alone, with 1 every limit that was tried.
std::string render_fit(const Record& record, const TerminalStyle& style);

// A header line, then a line for each way, separated by tabs, in the record's order; "-" for what is not known.
std::string render_fit_plain(const Record& record);

}  // namespace weighbridge::reports
