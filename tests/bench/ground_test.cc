#include "tests/bench/ground.h"

#include "tests/bench/by_hand.h"
#include "tests/support/catch.h"

namespace weighbridge::bench {
namespace {

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

TEST_CASE("what is read by hand needs what it holds: one fresh copy, one small buffer, a mapping nothing") {
  Ground& ground = Ground::get();
  ground.warm_up();
  const uint64_t bytes = ground.tensor_bytes(), margin = uint64_t{1} << 20;
  const Weighed fresh = ground.weigh([] { read_into_fresh(uint64_t{1} << 20, Use::none); });
  CHECK(fresh.need_bytes >= bytes);
  CHECK(fresh.need_bytes < bytes + margin);
  CHECK(fresh.minor_faults >= bytes / kPageBytes);
  CHECK(ground.weigh([] { read_into_reused(uint64_t{1} << 20); }).need_bytes < 2 * margin);
  CHECK(ground.weigh([] { map_and(Touch::hash); }).need_bytes < margin);
}

}  // namespace
}  // namespace weighbridge::bench
