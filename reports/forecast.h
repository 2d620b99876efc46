// What a prediction means for a limit, before anything is run.
//
//   need ---- floor -- page tables - reading      mapped pages
//   |--------|-------|-------------|- - - - - -|- - - - - - - -|
//                                  ^           ^               ^
//                               must hold   to ask for       holds all
//
// Below what a limit must hold the load is killed. Above the limit to ask for it ends by itself. Between them it may go
// either way, as the kernel's own memory and the pages of the file that is being read have to fit, too. Of pages that
// are mapped the kernel takes back what has no room: from the limit to ask for on the load ends, and reads them again
// on each pass until there is room for all.
//
// Reading takes 2 MiB: in a cage of 0.2 MiB above what must be held eager was killed, in one of 1.1 MiB it was not (258
// MiB, cgroup v1, Linux 6.18). A mapping keeps 32 MiB of its pages: below, readahead brings in what is taken away
// before it is used, and the load thrashes (258 MiB mapped: thrashed with 16 MiB of room, fitted with 24).
#pragma once

#include <vector>

#include "reports/record.h"

namespace weighbridge::reports {

constexpr Bytes kReading = Bytes{2} << 20;
constexpr Bytes kMappedWindow = Bytes{32} << 20;

// Need, floor and page tables.
Bytes must_hold(const Prediction& predicted);
// With what reading takes.
Bytes limit_to_ask_for(const Prediction& predicted);
// With all that is mapped, so that nothing is read twice.
Bytes limit_that_holds_all(const Prediction& predicted);

enum class Outcome { fits, reclaims, too_close, too_large, unknown };  // from the best to the worst
const char* word_of(Outcome outcome);  // "fits", "fits-reclaiming", "too-close", "too-large", "unknown"

struct Forecast {
  const Cell* cell = nullptr;
  Outcome outcome = Outcome::unknown;
  Figure limit;  // that bites it; nullopt: none
};
Forecast forecast(const Record& record, const Cell& cell);

// Those that fit first, then those that are too close to say, then those that are too large, then those that are not
// known; within each those of the smallest limit first, and of equals in the record's order.
std::vector<Forecast> ranked(const Record& record);

}  // namespace weighbridge::reports
