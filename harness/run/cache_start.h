// How a trial finds the page cache: the checkpoint's files evicted, or read once, as its cell says.
//
// In a limited cell the files start evicted, cold or not: cached pages are charged to whoever read them first, so a
// warm cache would disarm the limit. Warm then means: read once inside the cage.
#pragma once

#include <string>
#include <vector>

#include "harness/cage/cage.h"
#include "reports/record.h"

namespace weighbridge {

struct CacheStart {
  std::vector<std::string> files;  // of the checkpoint
  bool cold = false;
};

// `cage` is the limited cell's; null where there is none, or it has no limit. What was achieved: ask cached_of().
void prepare_cache(const CacheStart& start, const Cage* cage, reports::Bytes file_bytes);

// Bytes of the files that are in the page cache now; the reason under `figure` where that cannot be known.
reports::Figure cached_of(const std::vector<std::string>& files, const char* figure, reports::Reasons& unavailable);

}  // namespace weighbridge
