#include "tests/bench/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "reports/units.h"
#include "tests/bench/timing.h"

namespace weighbridge::bench {
namespace {

size_t all = 0, begun = 0;
WallWatch since;

bool shown() {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  return terminal && all > 0;
}

}  // namespace

void begin_progress(size_t all_pairs) {
  all = all_pairs;
  begun = 0;
  since = WallWatch();
}

void show_progress(const std::string& row, size_t pair, size_t pairs) {
  const size_t done = begun++;
  if (!shown()) return;
  std::string left;
  if (done > 0 && done < all) {
    const double seconds = since.seconds() / static_cast<double>(done) * static_cast<double>(all - done);
    left = ", about " + reports::human_duration(static_cast<uint64_t>(seconds * 1e9)) + " left";
  }
  fmt::print(stderr, "\r\033[K{:.40}: pair {} of {}{}", row, pair, pairs, left);
  std::fflush(stderr);
}

void clear_progress() {
  if (!shown()) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace weighbridge::bench
