#include "tests/bench/direct_reads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

#include "harness/probe/descriptor.h"
#include "reports/units.h"
#include "strategies/error.h"
#include "tests/bench/ground.h"
#include "tests/bench/timing.h"

namespace weighbridge::bench {
namespace {

constexpr unsigned kDepths[] = {1, 2, 4, 8, 16, 32};
constexpr uint64_t kBlocks[] = {uint64_t{1} << 20, uint64_t{4} << 20};

Descriptor open_direct() {
  const std::string& path = Ground::get().checkpoint().files.front().path;
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
  if (!file) {
    throw Error(
        ErrorKind::environment,
        fmt::format("the file system of the benchmark's file refuses O_DIRECT ({}): set TMPDIR to one on a disk",
                    std::strerror(errno)));
  }
  return file;
}

// `got` of the block at `offset`: whole, or the file's end. (A read that comes back short in between would make the
// next one unaligned; no file system does that to a regular file.)
bool whole(int64_t got, uint64_t offset, uint64_t block, uint64_t file_bytes) {
  return got > 0 && static_cast<uint64_t>(got) == std::min(block, file_bytes - offset);
}

void read_by_threads(int file, std::byte* target, uint64_t file_bytes, const DirectQueue& queue) {
  std::atomic<uint64_t> next{0};
  std::atomic<int> failed{0};
  const auto reader = [&] {
    for (uint64_t offset; (offset = next.fetch_add(queue.block_bytes)) < file_bytes && failed == 0;) {
      const ssize_t got = pread(file, target + offset, queue.block_bytes, static_cast<off_t>(offset));
      if (!whole(got, offset, queue.block_bytes, file_bytes)) failed = got < 0 ? errno : EIO;
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < queue.depth; ++i) others.emplace_back(reader);
    reader();
  }
  if (failed != 0) throw system_error("pread", "the benchmark's file", failed, ErrorKind::environment);
}

class Ring {
 public:
  explicit Ring(unsigned entries) {
    if (const int error = io_uring_queue_init(entries, &ring_, 0); error != 0) {
      throw Error(ErrorKind::environment, fmt::format("io_uring is refused here ({})", std::strerror(-error)));
    }
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() { io_uring_queue_exit(&ring_); }
  io_uring* get() { return &ring_; }

 private:
  io_uring ring_{};
};

void read_by_uring(int file, std::byte* target, uint64_t file_bytes, const DirectQueue& queue) {
  Ring ring(queue.depth);
  uint64_t next = 0;
  unsigned in_flight = 0;
  while (next < file_bytes || in_flight > 0) {
    for (; next < file_bytes && in_flight < queue.depth; ++in_flight, next += queue.block_bytes) {
      io_uring_sqe* entry = io_uring_get_sqe(ring.get());
      io_uring_prep_read(entry, file, target + next, static_cast<unsigned>(queue.block_bytes), next);
      io_uring_sqe_set_data(entry, target + next);
    }
    int error = io_uring_submit_and_wait(ring.get(), 1);
    io_uring_cqe* done = nullptr;
    while (error >= 0 && io_uring_peek_cqe(ring.get(), &done) == 0) {
      const auto offset = static_cast<uint64_t>(static_cast<std::byte*>(io_uring_cqe_get_data(done)) - target);
      if (!whole(done->res, offset, queue.block_bytes, file_bytes)) error = done->res < 0 ? done->res : -EIO;
      io_uring_cqe_seen(ring.get(), done);
      --in_flight;
    }
    // Leaving the ring cancels what is in flight and waits for it: the kernel writes into the memory no more.
    if (error < 0 && error != -EINTR)
      throw system_error("io_uring", "the benchmark's file", -error, ErrorKind::environment);
  }
}

}  // namespace

std::string name(const DirectQueue& queue) {
  return fmt::format("{}, {} x {}", queue.engine == DirectQueue::Engine::uring ? "io_uring" : "threads", queue.depth,
                     reports::exact_bytes(queue.block_bytes));
}

std::vector<DirectQueue> direct_queues(std::string& left_out) {
  std::vector<DirectQueue::Engine> engines = {DirectQueue::Engine::threads};
  try {
    const Ring ring(1);
    engines.push_back(DirectQueue::Engine::uring);
  } catch (const Error& error) {
    left_out = error.what();
  }
  std::vector<DirectQueue> queues;
  for (const auto engine : engines) {
    for (const uint64_t block : kBlocks) {
      for (const unsigned depth : kDepths) queues.push_back({engine, depth, block});
    }
  }
  return queues;
}

double read_direct(const DirectQueue& queue) {
  const Descriptor file = open_direct();
  const uint64_t bytes = Ground::get().file_bytes();
  const uint64_t rounded = (bytes + queue.block_bytes - 1) / queue.block_bytes * queue.block_bytes;
  Memory& memory = Ground::get().memory();
  const WallWatch watch;
  auto* target = static_cast<std::byte*>(memory.allocate(Purpose::weights, rounded));
  try {
    if (queue.engine == DirectQueue::Engine::uring) read_by_uring(file.get(), target, bytes, queue);
    if (queue.engine == DirectQueue::Engine::threads) read_by_threads(file.get(), target, bytes, queue);
  } catch (...) {
    memory.release(Purpose::weights, target, rounded);
    throw;
  }
  memory.release(Purpose::weights, target, rounded);
  return watch.seconds();
}

}  // namespace weighbridge::bench
