// Every bound on this process's memory, found by walking the whole cgroup hierarchy, the resource limits and the
// machine; the smallest is the one that bites.
#pragma once

#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge {

// Sorted, smallest first. Never empty where /proc/meminfo can be read: available memory is a bound too.
std::vector<reports::Limit> find_limits();

}  // namespace weighbridge
