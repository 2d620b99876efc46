#include "harness/run/cache_start.h"

#include "harness/probe/page_cache.h"
#include "harness/run/interrupt.h"

namespace weighbridge {
namespace {

void warm_files(const void* files) {
  warm(*static_cast<const std::vector<std::string>*>(files), interrupted);
}

}  // namespace

void prepare_cache(const CacheStart& start, const Cage* cage, reports::Bytes file_bytes) {
  if (start.cold || cage != nullptr) evict(start.files);
  if (start.cold) return;
  std::string ignored;
  if (cage != nullptr) {
    run_inside(*cage, warm_files, &start.files, interrupted);
  } else if (cached_bytes(start.files, ignored).value_or(0) < file_bytes) {
    warm_files(&start.files);
  }
}

reports::Figure cached_of(const std::vector<std::string>& files, const char* figure, reports::Reasons& unavailable) {
  std::string reason;
  const reports::Figure bytes = cached_bytes(files, reason);
  if (!bytes) unavailable[figure] = reason;
  return bytes;
}

}  // namespace weighbridge
