// Which pair of which row is at work and how long the rest may take: one line on a terminal's stderr, none elsewhere.
#pragma once

#include <cstddef>
#include <string>

namespace weighbridge::bench {

// `all_pairs`: of all rows that will run.
void begin_progress(size_t all_pairs);
// Before each pair.
void show_progress(const std::string& row, size_t pair, size_t pairs);
// Before anything else is printed.
void clear_progress();

}  // namespace weighbridge::bench
