// Keeps this program's own pages in memory while a load beside it takes all there is.
//
// Under pressure the kernel drops code that it can read again from its file, this program's as well: then the sampler
// waits for the very disk that the load is thrashing, and a guard that waits is none. mlock2 with MLOCK_ONFAULT keeps
// pages once they were used and reads none in advance. Not MCL_FUTURE: with it, creating a thread or mapping a buffer
// fails once RLIMIT_MEMLOCK is reached.
#pragma once

#include <string>

#include "reports/record.h"

namespace weighbridge {

struct Locked {
  reports::Bytes bytes = 0;  // VmLck: mapped ranges, of which only pages that are used take memory
  std::string reason;        // why not all of it; empty where all is
};

// All that is mapped now, where RLIMIT_MEMLOCK allows; else code and data of the program, then of its libraries, then
// the stack in use, as far as it goes. Never throws; calling it again locks what was mapped since.
Locked lock_self();

}  // namespace weighbridge
