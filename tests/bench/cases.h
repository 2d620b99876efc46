// The rows, a file a kind.
#pragma once

namespace weighbridge::bench {

void add_strategy_rows();  // whole strategies against what they could be at best
void add_kernel_rows();    // f32 to every target against memcpy of the same bytes moved
void add_limit_rows();     // the limits themselves
// Every stored dtype to every target and memcpy beside it, in the ordinary way of Google Benchmark: for work on a
// kernel.
void add_conversions();

}  // namespace weighbridge::bench
