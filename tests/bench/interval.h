// The interval that a median of pairs is known to lie in.
//
// Ratios of times on a shared machine are skewed and have heavy tails, so nothing is assumed of their distribution but
// that the pairs do not depend on one another. Then each ratio lies below the true median with probability 1/2, how
// many of n do is binomial, and the k-th smallest and k-th largest enclose the median unless fewer than k fall on one
// side:
//
//     P(enclosed) = 1 - 2 x sum over i < k of C(n, i) / 2^n
//
// k is the largest for which that is at least 0.95 (the sign test turned round; Conover, Practical Nonparametric
// Statistics, 3.2). With 30 pairs k is 10 and the interval holds in 95.7 % of runs; with fewer than 6 there is none.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace weighbridge::bench {

struct Interval {
  double low, high;
};

double median(std::vector<double> values);

// k above, counted from 1; 0 where n is too small.
size_t interval_rank(size_t n);
// nullopt with fewer than 6 values.
std::optional<Interval> median_interval(std::vector<double> values);

}  // namespace weighbridge::bench
