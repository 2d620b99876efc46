// The two clocks of the rows. Strategies and limits are timed by the wall: a load may overlap reading and converting,
// or wait for a disk. Kernels are one thread that waits for nothing, and are timed by their thread's CPU time: other
// programs on the machine then only show through the caches that they share.
#pragma once

#include "harness/probe/clocks.h"

namespace weighbridge::bench {

template <clockid_t clock>
class Stopwatch {
 public:
  double seconds() const { return static_cast<double>(clock_ns(clock) - begin_) / 1e9; }

 private:
  uint64_t begin_ = clock_ns(clock);
};

using WallWatch = Stopwatch<CLOCK_MONOTONIC>;
using CpuWatch = Stopwatch<CLOCK_THREAD_CPUTIME_ID>;

}  // namespace weighbridge::bench
