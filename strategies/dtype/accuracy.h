// What a conversion did to the values, against the source in double precision.
#pragma once

#include <cstdint>
#include <optional>

namespace weighbridge {

struct Accuracy {
  uint64_t elements = 0;     // converted elements, NaN and infinity included
  uint64_t overflowed = 0;   // finite before, infinite or NaN after; f8_e4m3: infinity that became NaN too
  uint64_t flushed = 0;      // not zero before, zero after
  uint64_t clipped = 0;      // int8, q8_0, q4_0: infinity, or what is one in f32, that became a code
  uint64_t nan_lost = 0;     // int8, q8_0, q4_0: NaN that became 0
  double max_abs_error = 0;  // over elements finite before and after
  double error_squares = 0;  // sums over the same elements, for rmse and sqnr
  double signal_squares = 0;
  uint64_t compared = 0;  // the number of those elements

  void add(const Accuracy& other);
  double rmse() const;
  // 10 log10(signal / error); nullopt when there is no error (infinite) or no signal.
  std::optional<double> sqnr_db() const;
};

}  // namespace weighbridge
