#include "tests/bench/rows.h"

#include "tests/support/catch.h"

namespace weighbridge::bench {
namespace {

using Verdict = Row::Outcome::Verdict;

Row::Outcome outcome(double from, double to) {
  Row::Outcome made;
  for (int i = 0; i < 30; ++i) made.ratios.push_back(from + (to - from) * i / 29);
  return made;
}

TEST_CASE("a bar is missed when the whole interval lies below it, and held when none of it does") {
  CHECK(outcome(0.80, 0.90).verdict(0.95) == Verdict::missed);
  CHECK(outcome(0.96, 1.02).verdict(0.95) == Verdict::held);
  CHECK(outcome(0.90, 1.00).verdict(0.95) == Verdict::undecided);
  CHECK(outcome(0.10, 0.20).verdict(std::nullopt) == Verdict::no_bar);
  Row::Outcome few;
  few.ratios = {0.1, 0.1, 0.1};
  CHECK(few.verdict(0.95) == Verdict::undecided);
}

}  // namespace
}  // namespace weighbridge::bench
