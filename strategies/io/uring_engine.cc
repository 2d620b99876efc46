// Reads by io_uring(7): the kernel carries them out, and this process has no thread beside its own.
//
// Buffers are not registered. Registered ones stay pinned and count against RLIMIT_MEMLOCK, 8 MiB for most users; what
// they save, pinning 256 pages for each read of 1 MiB, is lost beside the device's time.
#include <fmt/format.h>
#include <liburing.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "strategies/error.h"
#include "strategies/io/read_engine.h"

namespace weighbridge {
namespace {

class UringEngine : public ReadEngine {
 public:
  UringEngine(uint32_t depth, std::string& refusal) : depth_(depth) {
    if (const int failed = io_uring_queue_init(depth, &ring_, 0); failed != 0) {
      refusal = std::strerror(-failed);
      return;
    }
    ready_ = true;
    io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
    if (probe == nullptr || io_uring_opcode_supported(probe, IORING_OP_READ) == 0) {
      refusal = "the kernel is older than Linux 5.6";
    }
    io_uring_free_probe(probe);
  }
  UringEngine(const UringEngine&) = delete;
  UringEngine& operator=(const UringEngine&) = delete;

  // Leaving the ring would not stop the reads that are in flight: the kernel ends them later, into memory that is
  // somebody else's by then. A direct read cannot be cancelled once the device has it, so it is waited for.
  ~UringEngine() override {
    if (!ready_) return;
    io_uring_cqe* done = nullptr;
    while (in_flight_ > 0) {
      const int failed = io_uring_wait_cqe(&ring_, &done);
      if (failed == -EINTR || failed == -EAGAIN) continue;
      if (failed != 0) break;  // the ring itself is broken, which only a defect here can do
      take(done);
    }
    io_uring_queue_exit(&ring_);
  }

  void submit(const Request& request) override {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) throw Error(ErrorKind::environment, "io_uring: more reads at a time than it was made for");
    io_uring_prep_read(entry, request.descriptor, request.to, static_cast<unsigned>(request.bytes), request.offset);
    entry->user_data = request.tag;
    for (;;) {
      const int submitted = io_uring_submit(&ring_);
      if (submitted > 0) break;
      if (submitted == 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY) continue;
      throw Error(ErrorKind::environment, std::string("io_uring_enter: ") + std::strerror(-submitted));
    }
    ++in_flight_;
  }

  Completion wait() override {
    io_uring_cqe* done = nullptr;
    for (;;) {
      const int failed = io_uring_wait_cqe(&ring_, &done);
      if (failed == 0) return take(done);
      if (failed == -EINTR || failed == -EAGAIN) continue;
      throw Error(ErrorKind::environment, std::string("io_uring_enter: ") + std::strerror(-failed));
    }
  }

  std::string name() const override {
    return fmt::format("io_uring, {} read{} at a time", depth_, depth_ == 1 ? "" : "s");
  }

 private:
  Completion take(io_uring_cqe* done) {
    const Completion completion{static_cast<uint32_t>(done->user_data), done->res};
    io_uring_cqe_seen(&ring_, done);
    --in_flight_;
    return completion;
  }

  const uint32_t depth_;
  io_uring ring_{};
  bool ready_ = false;
  uint32_t in_flight_ = 0;
};

}  // namespace

std::unique_ptr<ReadEngine> make_uring_engine(uint32_t depth, std::string& refusal) {
  refusal.clear();
  auto engine = std::make_unique<UringEngine>(depth, refusal);
  if (!refusal.empty()) return nullptr;
  return engine;
}

}  // namespace weighbridge
