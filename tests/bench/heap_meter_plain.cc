#include "tests/bench/heap_meter.h"

namespace weighbridge::bench {

std::unique_ptr<HeapMeter> make_heap_meter(std::string& reason) {
  reason = "built without jemalloc";
  return nullptr;
}

}  // namespace weighbridge::bench
