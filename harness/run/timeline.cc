#include "harness/run/timeline.h"

#include <algorithm>
#include <utility>

namespace weighbridge {
namespace {

uint32_t kib(uint64_t bytes) {
  return static_cast<uint32_t>(std::min<uint64_t>(bytes / 1024, UINT32_MAX));
}

// Appends to `out` the samples of [first, last) with the largest total and the largest need, in time order.
template <typename Iterator, typename Out>
void append_peaks(Iterator first, Iterator last, Out& out) {
  auto by_total = std::max_element(
      first, last, [](const auto& a, const auto& b) { return a.sample.total_kib() < b.sample.total_kib(); });
  auto by_need = std::max_element(
      first, last, [](const auto& a, const auto& b) { return a.sample.need_kib() < b.sample.need_kib(); });
  if (by_need < by_total) std::swap(by_need, by_total);
  out.push_back(*by_total);
  if (by_need != by_total) out.push_back(*by_need);
}

}  // namespace

Sample make_sample(uint64_t t_ns, const Status& status, uint64_t weights, uint64_t staging) {
  return {t_ns,
          kib(status.anon + status.hugetlb),
          kib(status.file),
          kib(status.shmem),
          kib(status.swap),
          kib(weights),
          kib(staging)};
}

TimelineStore::TimelineStore(size_t capacity) : capacity_(std::max<size_t>(capacity, 8)) {
  kept_.reserve(capacity_);
}

void TimelineStore::add(const Sample& sample) {
  pending_.push_back({taken_++, sample});
  if (taken_ % group_ != 0) return;
  append_peaks(pending_.begin(), pending_.end(), kept_);
  pending_.clear();
  if (kept_.size() + 2 > capacity_) regroup();
}

void TimelineStore::regroup() {
  while (kept_.size() > capacity_ / 2) {
    group_ *= 2;
    std::vector<Kept> merged;
    merged.reserve(capacity_);
    for (auto first = kept_.begin(); first != kept_.end();) {
      const auto last = std::find_if(first, kept_.end(),
                                     [&](const Kept& kept) { return kept.number / group_ != first->number / group_; });
      append_peaks(first, last, merged);
      first = last;
    }
    kept_ = std::move(merged);
  }
}

reports::Timeline TimelineStore::take() {
  if (!pending_.empty()) append_peaks(pending_.begin(), pending_.end(), kept_);
  pending_.clear();
  reports::Timeline timeline;
  for (const auto& [number, sample] : kept_) {
    timeline.t_ns.push_back(sample.t_ns);
    timeline.anon_kib.push_back(sample.anon_kib);
    timeline.file_kib.push_back(sample.file_kib);
    timeline.shmem_kib.push_back(sample.shmem_kib);
    timeline.swap_kib.push_back(sample.swap_kib);
    timeline.weights_kib.push_back(sample.weights_kib);
    timeline.staging_kib.push_back(sample.staging_kib);
  }
  timeline.samples_taken = std::exchange(taken_, 0);
  kept_.clear();
  group_ = 1;
  return timeline;
}

}  // namespace weighbridge
