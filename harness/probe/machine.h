// What the record says of the machine.
#pragma once

#include "reports/record.h"

namespace weighbridge {

// Everything but `allocator` and the measured counter lag, which a worker reports.
reports::Machine describe_machine();

// How far VmRSS and VmHWM may err on a kernel of this version with this many CPUs, by its per-CPU counters: CPUs x
// max(32, 2 x CPUs) pages from Linux 6.2, 64 pages a thread before. `measured_lag` is what a worker saw when it touched
// page after page: 0 there means that the kernel sums its counters when asked, and the bound is 0; null means that the
// test could not be made.
reports::Bytes counter_error_bytes(int cpus, int kernel_major, int kernel_minor, const reports::Figure& measured_lag,
                                   std::string& source);

}  // namespace weighbridge
