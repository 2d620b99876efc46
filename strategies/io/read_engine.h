// Several reads at a time, and nothing else: what is between a queue of reads (read_queue.h) and the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weighbridge {

class ReadEngine {
 public:
  struct Request {
    int descriptor = -1;
    uint64_t offset = 0;
    std::byte* to = nullptr;
    size_t bytes = 0;
    uint32_t tag = 0;
  };
  struct Completion {
    uint32_t tag = 0;
    int64_t result = 0;  // bytes read, or -errno
  };

  // Waits for what is in flight: nobody writes to a request's memory afterwards.
  virtual ~ReadEngine() = default;
  // At most `depth` at a time. Does not wait for the read. Throws Error (environment).
  virtual void submit(const Request& request) = 0;
  // Waits for any that is in flight; there must be one. Throws Error (environment).
  virtual Completion wait() = 0;
  // After "read by": "io_uring, 8 reads at a time", "8 threads".
  virtual std::string name() const = 0;
};

// Null where the kernel refuses it, and then `refusal` says why: a container's seccomp filter (Docker's default), the
// sysctl kernel.io_uring_disabled, RLIMIT_MEMLOCK before Linux 5.12, or a kernel before 5.6.
std::unique_ptr<ReadEngine> make_uring_engine(uint32_t depth, std::string& refusal);
// As many threads as reads, or as many as can be had; with none at all, reads one after another in wait().
std::unique_ptr<ReadEngine> make_thread_engine(uint32_t depth);

}  // namespace weighbridge
