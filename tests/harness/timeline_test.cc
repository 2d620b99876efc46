#include "harness/run/timeline.h"

#include <algorithm>
#include <random>

#include "tests/support/catch.h"

namespace weighbridge {
namespace {

TEST_CASE("a timeline keeps its bound, its order and every peak however many samples come") {
  std::mt19937_64 random(7);
  for (const size_t samples : {size_t{0}, size_t{1}, size_t{64}, size_t{65}, size_t{1000}, size_t{100'000}}) {
    TimelineStore store(64);
    uint64_t total_peak = 0, need_peak = 0;
    for (size_t i = 0; i < samples; ++i) {
      Sample sample;
      sample.t_ns = i * 1000;
      sample.anon_kib = static_cast<uint32_t>(random() % 1000);
      sample.file_kib = static_cast<uint32_t>(random() % 5000);
      // One spike in each that nothing else reaches, in different samples.
      if (i == samples / 3) sample.anon_kib = 2000;
      if (i == samples / 2) sample.file_kib = 9000;
      total_peak = std::max(total_peak, sample.total_kib());
      need_peak = std::max(need_peak, sample.need_kib());
      store.add(sample);
    }
    const reports::Timeline timeline = store.take();
    CHECK(timeline.samples_taken == samples);
    CHECK(timeline.size() <= 64);
    CHECK((timeline.size() > 0) == (samples > 0));
    CHECK(std::is_sorted(timeline.t_ns.begin(), timeline.t_ns.end()));
    uint64_t kept_total = 0, kept_need = 0;
    for (size_t i = 0; i < timeline.size(); ++i) {
      const uint64_t need = uint64_t{timeline.anon_kib[i]} + timeline.shmem_kib[i] + timeline.swap_kib[i];
      kept_need = std::max(kept_need, need);
      kept_total = std::max(kept_total, need + timeline.file_kib[i]);
    }
    CHECK(kept_total == total_peak);
    CHECK(kept_need == need_peak);
  }
}

TEST_CASE("a long timeline stays evenly dense: no stretch of it is emptied by later merges") {
  TimelineStore store(256);
  constexpr uint64_t kSamples = 50'000;
  for (uint64_t i = 0; i < kSamples; ++i) {
    Sample sample;
    sample.t_ns = i;
    store.add(sample);
  }
  const reports::Timeline timeline = store.take();
  uint64_t largest_gap = timeline.t_ns.front();
  for (size_t i = 1; i < timeline.size(); ++i)
    largest_gap = std::max(largest_gap, timeline.t_ns[i] - timeline.t_ns[i - 1]);
  CHECK(largest_gap < kSamples / 16);
}

}  // namespace
}  // namespace weighbridge
