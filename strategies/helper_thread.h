// A second thread for work that comes in pieces, so that two halves of a load (reading and converting) overlap.
//
// Both threads take the next piece until none is left. A piece is read and converted by the same thread, so that it is
// still in that core's cache when it is converted; a reader that hands pieces to a converter is slower by the handing
// over, and never faster than its slower half. The thread is started with the first work and kept.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace weighbridge {

class HelperThread {
 public:
  HelperThread() = default;
  HelperThread(const HelperThread&) = delete;
  HelperThread& operator=(const HelperThread&) = delete;
  ~HelperThread();

  // piece(i) for each i of [0, count), on two threads; alone where this process has one processor, where a thread is
  // refused, or where another thread has the helper. Returns when all are done. The first error is thrown again here,
  // and no piece begins after it.
  void share(uint64_t count, const std::function<void(uint64_t)>& piece);

 private:
  struct Job {
    const std::function<void(uint64_t)>& piece;
    const uint64_t count;
    std::atomic<uint64_t> next{0};
    std::exception_ptr error;  // of whichever failed first; guarded by mutex_
  };
  void run(Job& job);
  bool start();
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  Job* offered_ = nullptr;  // that the helper has not taken yet
  Job* taken_ = nullptr;    // that it is at
  bool in_use_ = false, stop_ = false, refused_ = false;
  std::thread thread_;
};

}  // namespace weighbridge
