// The smallest limit in which each way of loading still loads, by bisection under real cages.
//
// Two limits are sought, as one alone says nothing of a mapping: it survives in a few MiB, and crawls.
//   survival  below it the load is killed, or refused
//   useful    from it on the load takes at most `slowdown` times as long as the same cold load without a limit
// A peak that was measured under a limit is censored at the limit and full of page cache, so it is never looked at:
// verdict, wall time, faults and stall are.
//
// How: a cold load without a limit tells what is needed, and how long it takes. The survival limit is bracketed around
// that need and bisected until the bracket is narrower than the tolerance, one trial a step; then it is confirmed by
// several, and moved up by a tolerance where one of them dies. The useful limit is bisected between survival and a
// limit that holds everything, with a load without a limit beside each one with: so a busy neighbour slows both.
#pragma once

#include "harness/run/matrix.h"

namespace weighbridge {

struct FitRequest {
  MatrixRequest matrix;             // strategies, dtypes, guard, worker; limits and caches are not looked at
  reports::Figure tolerance_bytes;  // nullopt: 1 % of what is needed, between 1 MiB and 16 MiB
  double slowdown = 2;
};

// The record has a Fit for each way, and as cells the load without a limit, at the survival and at the useful limit.
// Throws Error: environment where no cage can be made.
reports::Record run_fit(const FitRequest& request, MatrixEvents& events);

}  // namespace weighbridge
