// The worker's allocator: a Memory with an arena for each purpose, and what the allocator itself says of them.
//
// On jemalloc, weights and staging live in arenas of their own with decay 0, so that freed pages leave the resident set
// at once: the default decay adds up to 18 MiB to `lazy`. Blocks are page-aligned: unaligned ones of 16 KiB cost 25 %
// more. Everything else (the program's own malloc) is overhead, in arena 0 with the default decay, whose purges are
// announced to the ReleaseWatch. Built without jemalloc (sanitizers), it is PlainMemory and has no figures.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "harness/alloc/release_watch.h"
#include "strategies/memory.h"

namespace weighbridge {

struct ArenaFigures {  // one arena, bytes; all 0 where the allocator does not count
  uint64_t allocated, active, resident, retained, metadata;
};

class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual Memory& memory() = 0;
  virtual std::string version() const = 0;  // "jemalloc 5.3.0", "glibc 2.36"
  // weights, staging, overhead as the allocator counts them now; all 0 where it does not count.
  virtual std::array<ArenaFigures, 3> figures() = 0;
};

// `watch` must outlive the process's last free. One a process. Throws Error(environment).
std::unique_ptr<Allocator> make_allocator(ReleaseWatch& watch);

}  // namespace weighbridge
