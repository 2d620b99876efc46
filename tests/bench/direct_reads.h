// What the disk gives: the benchmark's file read past the page cache (O_DIRECT) into fresh memory, a block a request
// and `depth` requests in flight, by as many threads that call pread, or by io_uring.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weighbridge::bench {

struct DirectQueue {
  enum class Engine : uint8_t { threads, uring } engine;
  unsigned depth;
  uint64_t block_bytes;
};

std::string name(const DirectQueue& queue);  // "io_uring, 8 x 1 MiB"

// Every engine that can be had here at every depth that is tried. `left_out` says which cannot and why.
std::vector<DirectQueue> direct_queues(std::string& left_out);

// Seconds from allocating the memory to having given it back. Throws Error: environment where the file system refuses
// O_DIRECT.
double read_direct(const DirectQueue& queue);

}  // namespace weighbridge::bench
