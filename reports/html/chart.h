// A trial's memory over time as SVG that needs no script: from bottom to top anonymous and shared memory and swap (the
// need), then file-backed memory (reclaimable).
//
// The drawing is as wide as its column and its text stays as large as the page's: the outer <svg> has no viewBox and
// places text by percent, an inner one stretches the areas. Areas are painted from the back (the total) to the front
// (anonymous memory), so that each needs one edge only; edges are steps in whole relative numbers, as a sample holds
// until the next. 550 columns: one a pixel or two on paper and screen alike, about 3 kB for each layer.
#pragma once

#include <cstdint>
#include "reports/html/out.h"
#include "reports/html/view.h"

namespace weighbridge::reports::html {

struct Layers {  // which of them a trial has at all
  bool shmem = false, swap = false, file = false;
  explicit Layers(const Timeline& line);
};

// When the trial ended, on its timeline's clock.
uint64_t end_of(const Trial& trial);

// Where the need was highest: the sample, and the exact figure where phases have one that no sample caught.
struct Peak {
  uint64_t t_ns = 0;
  Bytes sampled_bytes = 0, need_bytes = 0;
};
Peak peak_of(const Trial& trial);

// `index` of the cell makes ids unique. The trial's timeline must not be empty.
void write_chart(Out& out, const View& view, size_t index, const Trial& trial);

}  // namespace weighbridge::reports::html
