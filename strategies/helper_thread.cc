#include "strategies/helper_thread.h"

#include <system_error>
#include <utility>

namespace weighbridge {

HelperThread::~HelperThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void HelperThread::run(Job& job) {
  try {
    for (uint64_t i; (i = job.next.fetch_add(1, std::memory_order_relaxed)) < job.count;) job.piece(i);
  } catch (...) {
    job.next = job.count;
    const std::lock_guard lock(mutex_);
    if (!job.error) job.error = std::current_exception();
  }
}

// With mutex_ held. hardware_concurrency() asks sched_getaffinity: what this process may use, not what there is.
bool HelperThread::start() {
  if (thread_.joinable()) return true;
  if (refused_ || std::thread::hardware_concurrency() < 2) return false;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error&) {
    refused_ = true;
  }
  return !refused_;
}

void HelperThread::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || offered_ != nullptr; });
    if (stop_) return;
    taken_ = std::exchange(offered_, nullptr);
    lock.unlock();
    run(*taken_);
    lock.lock();
    taken_ = nullptr;
    changed_.notify_all();
  }
}

void HelperThread::share(uint64_t count, const std::function<void(uint64_t)>& piece) {
  Job job{.piece = piece, .count = count, .error = nullptr};
  bool shared = false;
  if (count > 1) {
    const std::lock_guard lock(mutex_);
    shared = !in_use_ && start();
    if (shared) {
      in_use_ = true;
      offered_ = &job;
    }
  }
  if (shared) changed_.notify_all();
  run(job);
  if (shared) {
    std::unique_lock lock(mutex_);
    if (offered_ == &job) offered_ = nullptr;  // it came too late to help
    changed_.wait(lock, [&] { return taken_ != &job; });
    in_use_ = false;
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace weighbridge
