#include "tests/bench/interval.h"

#include <random>

#include "tests/support/catch.h"

namespace weighbridge::bench {
namespace {

// Conover, Practical Nonparametric Statistics, table A3 (binomial, p = 1/2): the largest k with 2 x P(X < k) <= 0.05.
TEST_CASE("the rank of the median's interval is the table's") {
  CHECK(interval_rank(5) == 0);
  CHECK(interval_rank(6) == 1);
  CHECK(interval_rank(8) == 1);
  CHECK(interval_rank(9) == 2);
  CHECK(interval_rank(10) == 2);
  CHECK(interval_rank(15) == 4);
  CHECK(interval_rank(20) == 6);
  CHECK(interval_rank(25) == 8);
  CHECK(interval_rank(30) == 10);
  CHECK(interval_rank(40) == 14);
  CHECK(interval_rank(50) == 18);
  CHECK(interval_rank(100) == 40);
}

TEST_CASE("the interval ends at the ranks from either side, whatever the order") {
  std::vector<double> values;
  for (int i = 30; i >= 1; --i) values.push_back(i);
  const auto interval = median_interval(values);
  REQUIRE(interval);
  CHECK(interval->low == 10);
  CHECK(interval->high == 21);
  CHECK(median(values) == 15.5);
  CHECK(median({3, 1, 2}) == 2);
  CHECK_FALSE(median_interval({1, 2, 3, 4, 5}));
}

TEST_CASE("the interval encloses the median of a skewed distribution in 95 % of samples") {
  std::mt19937 random(7);
  std::lognormal_distribution<double> times(0, 1);  // its median is 1
  int enclosed = 0;
  for (int sample = 0; sample < 4000; ++sample) {
    std::vector<double> values(30);
    for (double& value : values) value = times(random);
    const auto interval = median_interval(values);
    enclosed += interval->low <= 1 && 1 <= interval->high ? 1 : 0;
  }
  // 95.7 % of 4000 is 3829, its standard deviation 12.8.
  CHECK(enclosed > 3829 - 64);
  CHECK(enclosed < 3829 + 64);
}

}  // namespace
}  // namespace weighbridge::bench
