#include "harness/run/timeline.h"

#include <algorithm>

namespace weighbridge {
namespace {

uint32_t kib(uint64_t bytes) { return static_cast<uint32_t>(std::min<uint64_t>(bytes / 1024, UINT32_MAX)); }

// Appends to `out` the samples of [first, last) with the largest total and the largest need, in time order.
template <typename Iterator>
void append_peaks(Iterator first, Iterator last, std::vector<Sample>& out) {
  auto by_total = std::max_element(first, last, [](const Sample& a, const Sample& b) { return a.total_kib() < b.total_kib(); });
  auto by_need = std::max_element(first, last, [](const Sample& a, const Sample& b) { return a.need_kib() < b.need_kib(); });
  if (by_need < by_total) std::swap(by_need, by_total);
  out.push_back(*by_total);
  if (by_need != by_total) out.push_back(*by_need);
}

}  // namespace

Sample make_sample(uint64_t t_ns, const Status& status, uint64_t weights, uint64_t staging) {
  return {t_ns, kib(status.anon + status.hugetlb), kib(status.file), kib(status.shmem), kib(status.swap), kib(weights),
          kib(staging)};
}

TimelineStore::TimelineStore(size_t capacity) : capacity_(std::max<size_t>(capacity, 8)) { kept_.reserve(capacity_); }

void TimelineStore::add(const Sample& sample) {
  ++taken_;
  if (group_ == 1) {
    keep(sample);
    return;
  }
  pending_.push_back(sample);
  if (pending_.size() < group_) return;
  std::vector<Sample> peaks;
  append_peaks(pending_.begin(), pending_.end(), peaks);
  pending_.clear();
  for (const Sample& peak : peaks) keep(peak);
}

void TimelineStore::keep(const Sample& sample) {
  if (kept_.size() == capacity_) {
    std::vector<Sample> merged;
    merged.reserve(capacity_);
    for (size_t at = 0; at < kept_.size(); at += 4) {
      const auto first = kept_.begin() + static_cast<ptrdiff_t>(at);
      append_peaks(first, first + static_cast<ptrdiff_t>(std::min<size_t>(4, kept_.size() - at)), merged);
    }
    kept_ = std::move(merged);
    group_ = group_ == 1 ? 4 : group_ * 2;
  }
  kept_.push_back(sample);
}

reports::Timeline TimelineStore::take() {
  for (const Sample& sample : std::exchange(pending_, {})) keep(sample);
  reports::Timeline timeline;
  for (const Sample& sample : kept_) {
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
