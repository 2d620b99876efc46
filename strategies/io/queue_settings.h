// How many reads are kept in flight, how large, and by whom.
#pragma once

#include <cstdint>

namespace weighbridge {

enum class EngineChoice : uint8_t {
  any,       // io_uring, or threads where the kernel refuses it
  io_uring,  // or an Error (environment)
  threads,
};

struct QueueSettings {
  uint32_t depth = 8;                 // reads in flight
  uint64_t request_bytes = 1u << 20;  // of one; whole pages
  EngineChoice engine = EngineChoice::any;
};

}  // namespace weighbridge
