#include "tests/bench/rows.h"

#include "tests/bench/by_hand.h"
#include "tests/bench/direct_reads.h"
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

TEST_CASE("what is weighed is the peak of what was touched, not what is left") {
  Memory& memory = Ground::get().memory();
  constexpr size_t kBytes = size_t{32} << 20;
  const Weighed weighed = Ground::get().weigh([&] {
    auto* spike = static_cast<volatile char*>(memory.allocate(Purpose::staging, kBytes));
    for (size_t at = 0; at < kBytes; at += kPageBytes) spike[at] = 1;
    memory.release(Purpose::staging, const_cast<char*>(spike), kBytes);
  });
  CHECK(weighed.need_bytes >= kBytes);
  CHECK(weighed.need_bytes < kBytes + (1 << 20));
  CHECK(weighed.minor_faults >= kBytes / kPageBytes);
  CHECK(weighed.minor_faults < kBytes / kPageBytes + 256);
  CHECK(weighed.major_faults == 0);
}

TEST_CASE("memory of the benchmarks is fresh each time: every page faults again") {
  Memory& memory = Ground::get().memory();
  constexpr size_t kBytes = size_t{4} << 20;
  for (int round = 0; round < 3; ++round) {
    const Weighed weighed = Ground::get().weigh([&] {
      auto* pages = static_cast<volatile char*>(memory.allocate(Purpose::weights, kBytes));
      for (size_t at = 0; at < kBytes; at += kPageBytes) pages[at] = 1;
      memory.release(Purpose::weights, const_cast<char*>(pages), kBytes);
    });
    CHECK(weighed.minor_faults >= kBytes / kPageBytes);
  }
}

}  // namespace
}  // namespace weighbridge::bench
