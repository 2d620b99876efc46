// What standard output and standard error are, and what may be sent there.
#pragma once

#include <string>

#include "reports/terminal.h"

namespace weighbridge::cli {

// Columns, colour (NO_COLOR, FORCE_COLOR, CLICOLOR, TERM=dumb and whether it is a terminal) and UTF-8 (the locale) of
// standard output.
reports::TerminalStyle stdout_style(int verbosity);

// A line that is redrawn makes sense: standard error is a terminal that can, and this is no CI job.
bool can_redraw();
unsigned stderr_columns();

// Writes a whole text to standard output. Throws Error(environment) where that fails (a full disk); a closed pipe ends
// the program quietly, as it does others.
void print(const std::string& text);
// One line to standard error: "weighbridge: TEXT".
void complain(const std::string& text);

}  // namespace weighbridge::cli
