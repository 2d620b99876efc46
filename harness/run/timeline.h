// A timeline of bounded size.
//
// At 1 kHz an hour makes 3.6 million samples. When the store is full, every four neighbours give way to at most two of
// them: the one with the largest resident set (with swap) and the one with the largest need, in their order. Both maxima
// of the whole run therefore survive any number of merges, and the times stay true; what gets coarser is what lies between.
// Samples are then taken at the same rate as before, but kept at the coarser one: a run of new samples is merged as it
// comes in, so that old and new stretches have the same density.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/probe/status.h"
#include "reports/record.h"

namespace weighbridge {

struct Sample {
  uint64_t t_ns = 0;
  uint32_t anon_kib = 0, file_kib = 0, shmem_kib = 0, swap_kib = 0, weights_kib = 0, staging_kib = 0;

  uint64_t need_kib() const { return uint64_t{anon_kib} + shmem_kib + swap_kib; }
  uint64_t total_kib() const { return need_kib() + file_kib; }
};

Sample make_sample(uint64_t t_ns, const Status& status, uint64_t weights, uint64_t staging);

class TimelineStore {
 public:
  explicit TimelineStore(size_t capacity = 2048);  // at least 8
  void add(const Sample& sample);
  reports::Timeline take();  // leaves it empty

 private:
  void keep(const Sample& sample);

  size_t capacity_;
  std::vector<Sample> kept_;
  std::vector<Sample> pending_;  // up to group_ samples that are about to become at most two
  size_t group_ = 1;             // samples that come in for every two (one, at first) that are kept
  uint64_t taken_ = 0;
};

}  // namespace weighbridge
