// Ctrl-C and SIGTERM as a flag: what runs looks at it, stops its worker, and what was measured is written.
#pragma once

#include <exception>

namespace weighbridge {

// From now on SIGINT and SIGTERM only set the flag (a second one within the run ends the program at once), and a poll
// that is waiting returns.
void catch_interrupts();
bool interrupted();
// For tests that run a matrix in their own process.
void clear_interrupt();

// Thrown where there is nothing measured yet that could be written. Exit status 130.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

}  // namespace weighbridge
