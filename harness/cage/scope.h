// A systemd scope as a way to a cgroup of one's own.
//
// An ordinary user may make cgroups below one that was delegated to them, and systemd delegates on request. A scope
// around each worker alone would do to hold a limit, but systemd removes a scope together with its last process, and
// with it memory.events, which tells who killed that process. So the program starts itself again in one scope with
// Delegate=yes, and makes its cages in there. OOMPolicy=continue, or systemd would end the program with its first
// worker that runs out of memory.
#pragma once

#include <string>

namespace weighbridge {

// Does not return where that can be done: this program's image is replaced by systemd-run, and that by this program
// with the same arguments. Returns the reason where it cannot, also when it has been done already.
std::string restart_in_scope();

}  // namespace weighbridge
