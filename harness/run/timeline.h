// A timeline of bounded size.
//
// At 1 kHz an hour makes 3.6 million samples. So samples are grouped, and of a group at most two are kept: the one with
// the largest resident set (with swap) and the one with the largest need, in their order. A group is one sample at
// first; whenever the store is full, groups double until what is kept of them fills at most half of it. Both maxima of
// the whole run survive any number of doublings, the times stay true, and the whole run is equally dense, its beginning
// and its end.
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
  struct Kept {
    uint64_t number;  // of the sample, in the order they came
    Sample sample;
  };
  void regroup();

  size_t capacity_;
  uint64_t group_ = 1;         // samples of a group
  std::vector<Kept> kept_;     // of whole groups, at most two a group
  std::vector<Kept> pending_;  // of the group that is being filled
  uint64_t taken_ = 0;
};

}  // namespace weighbridge
