// Which rows of a timeline are shown: as many as there is room for, and always those in which something was highest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reports/record.h"

namespace weighbridge::reports::html {

uint64_t need_kib(const Timeline& line, size_t row);

// The row with the largest need; the first of several. The timeline must not be empty.
size_t peak_row(const Timeline& line);

// One row for each of `columns` equal stretches of [0, end_ns]: the one with the largest need in it, so that no peak is
// lost; where a stretch has no sample, the row before it still holds. SIZE_MAX before the first sample.
std::vector<size_t> rows_by_column(const Timeline& line, uint64_t end_ns, size_t columns);

// At most `most` rows (8 or more) for a chart that zooms: real rows, in order, without those that repeat both their
// neighbours; where that is still too many, of each stretch of rows the first and those with the least and the largest
// total and the largest need. Stacking stays true and the peak stays in. The first and the last row are always there.
std::vector<size_t> rows_for_zoom(const Timeline& line, size_t most);

}  // namespace weighbridge::reports::html
