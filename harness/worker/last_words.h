// What a worker says of the signal that ends it: number, code, sender or address, into the shared page.
//
// The parent sees only which signal it was. Whether a SIGSEGV was an access or somebody's kill(2), and who sent a
// SIGTERM, is known to the receiver alone. SIGKILL cannot be caught: its sender is told to nobody.
#pragma once

#include "harness/worker/shared_page.h"

namespace weighbridge {

// For every signal that ends a process by default, SIGINT excepted, which the parent answers for. The worker then dies
// of the same signal. `page` must outlive the process's last signal.
void leave_last_words(SharedPage& page);

}  // namespace weighbridge
