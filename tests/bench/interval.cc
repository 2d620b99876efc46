#include "tests/bench/interval.h"

#include <algorithm>
#include <cmath>

namespace weighbridge::bench {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

size_t interval_rank(size_t n) {
  constexpr double kOutside = 0.05;
  double probability = std::exp2(-static_cast<double>(n));  // of exactly `rank` values on one side
  double outside = 0;
  size_t rank = 0;
  while (rank < n / 2 && outside + 2 * probability <= kOutside) {
    outside += 2 * probability;
    probability *= static_cast<double>(n - rank) / static_cast<double>(rank + 1);
    ++rank;
  }
  return rank;
}

std::optional<Interval> median_interval(std::vector<double> values) {
  const size_t rank = interval_rank(values.size());
  if (rank == 0) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval{values[rank - 1], values[values.size() - rank]};
}

}  // namespace weighbridge::bench
