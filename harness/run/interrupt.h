// Ctrl-C, SIGTERM and a terminal that goes away (SIGHUP) as a flag: what runs looks at it, stops its worker, and what
// was measured is written.
#pragma once

#include <exception>

namespace weighbridge {

// From now on these signals only set the flag, and a poll that is waiting returns; a third one ends the program at
// once. A reader of our output that goes away (SIGPIPE) no longer ends it either.
void catch_interrupts();
bool interrupted();

// Thrown where there is nothing measured yet that could be written. Exit status 130.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

// Whoever read standard output has gone (`| head`): end as quietly as the shell's own tools do. Exit status 141.
struct BrokenPipe : std::exception {
  const char* what() const noexcept override { return "broken pipe"; }
};

}  // namespace weighbridge
