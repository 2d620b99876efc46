#include "harness/run/guard.h"

#include "harness/probe/cgroup.h"
#include "harness/probe/clocks.h"
#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

constexpr uint64_t kMiB = 1 << 20, kGiB = 1 << 30;

TEST_CASE("the reserve is 5 % between 64 MiB and 1 GiB, and never more than a quarter") {
  CHECK(default_reserve(4 * kGiB) == 4 * kGiB / 20);
  CHECK(default_reserve(512 * kMiB) == 64 * kMiB);
  CHECK(default_reserve(128 * kMiB) == 32 * kMiB);
  CHECK(default_reserve(100 * kGiB) == 1 * kGiB);
}

TEST_CASE("the guard is silent with a small reserve, speaks with one above what there is, and is off when told so") {
  const uint64_t now = monotonic_ns();
  CHECK_FALSE(Guard({true, uint64_t{4096}}).look(now).has_value());
  const auto alarm = Guard({true, uint64_t{1} << 60}).look(now);
  // With free swap above such a reserve it would wait; there is none of that size.
  REQUIRE(alarm.has_value());
  CHECK_THAT(alarm->reason, ContainsSubstring("less than the reserve"));
  REQUIRE_FALSE(alarm->evidence.empty());
  Guard off({false, std::nullopt});
  CHECK_FALSE(off.look(now).has_value());
  CHECK(off.next_look_ns() == UINT64_MAX);
}

TEST_CASE("the nearer to the reserve, the sooner the guard looks again") {
  const uint64_t now = monotonic_ns();
  Guard far({true, uint64_t{4096}});
  far.look(now);
  CHECK(far.next_look_ns() > now);
  CHECK(far.next_look_ns() <= now + 20'000'000);
  Guard near({true, uint64_t{1} << 60});
  near.look(now);
  CHECK(near.next_look_ns() == now + 1'000'000);
}

TEST_CASE("a path's cgroups are its own and all above it") {
  CHECK(upwards("/a/b/c") == std::vector<std::string>{"/a/b/c", "/a/b", "/a", ""});
  CHECK(upwards("") == std::vector<std::string>{""});
  CHECK(upwards("/") == std::vector<std::string>{""});
}

}  // namespace
}  // namespace weighbridge::test
