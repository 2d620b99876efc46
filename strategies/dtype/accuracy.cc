#include "strategies/dtype/accuracy.h"

#include <algorithm>
#include <cmath>

namespace weighbridge {

void Accuracy::add(const Accuracy& other) {
  elements += other.elements;
  overflowed += other.overflowed;
  flushed += other.flushed;
  clipped += other.clipped;
  nan_lost += other.nan_lost;
  max_abs_error = std::max(max_abs_error, other.max_abs_error);
  error_squares += other.error_squares;
  signal_squares += other.signal_squares;
  compared += other.compared;
}

double Accuracy::rmse() const {
  return compared == 0 ? 0 : std::sqrt(error_squares / static_cast<double>(compared));
}

std::optional<double> Accuracy::sqnr_db() const {
  if (error_squares == 0 || signal_squares == 0) return std::nullopt;
  return 10 * std::log10(signal_squares / error_squares);
}

}  // namespace weighbridge
