// What of a checkpoint's architecture makes it larger than thought, a sentence each: for plan, run and inspect.
#pragma once

#include <vector>

#include "strategies/architecture/architecture.h"

namespace weighbridge {

// The checkpoint's own remarks, then those that follow from its roles; an optimizer's state is said once.
std::vector<Remark> all_remarks(const Checkpoint& checkpoint, const Roles& roles);

}  // namespace weighbridge
