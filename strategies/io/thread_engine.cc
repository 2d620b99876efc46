// Reads by threads, each in pread(2): what keeps a device busy where io_uring is refused.
//
// A thread waits most of its life. It has a small stack, and allocates nothing, so that it costs no allocator's cache
// of its own.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "strategies/io/read_engine.h"

namespace weighbridge {
namespace {

constexpr size_t kStackBytes = 256u << 10;

ReadEngine::Completion carry_out(const ReadEngine::Request& request) {
  const ssize_t got = ::pread(request.descriptor, request.to, request.bytes, static_cast<off_t>(request.offset));
  return {request.tag, got < 0 ? -errno : got};
}

class ThreadEngine : public ReadEngine {
 public:
  explicit ThreadEngine(uint32_t depth) {
    submitted_.reserve(depth);
    done_.reserve(depth);
    threads_.reserve(depth);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    // Signals are for the process that this is a part of, not for its reading threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    while (threads_.size() < depth && pthread_create(&thread, &attributes, &ThreadEngine::begin, this) == 0) {
      threads_.push_back(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
  }
  ThreadEngine(const ThreadEngine&) = delete;
  ThreadEngine& operator=(const ThreadEngine&) = delete;

  ~ThreadEngine() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      submitted_.clear();
    }
    wanted_.notify_all();
    for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
  }

  void submit(const Request& request) override {
    {
      const std::lock_guard lock(mutex_);
      submitted_.push_back(request);
    }
    wanted_.notify_one();
  }

  Completion wait() override {
    std::unique_lock lock(mutex_);
    if (threads_.empty()) return carry_out(take(submitted_));
    finished_.wait(lock, [this] { return !done_.empty(); });
    return take(done_);
  }

  std::string name() const override {
    if (threads_.empty()) return "the loading thread alone, as no other could be started";
    return fmt::format("{} thread{}", threads_.size(), threads_.size() == 1 ? "" : "s");
  }

 private:
  // The oldest first. Never more than `depth` of them, and no memory is given back.
  template <class T>
  static T take(std::vector<T>& from) {
    const T first = from.front();
    from.erase(from.begin());
    return first;
  }

  static void* begin(void* engine) {
    static_cast<ThreadEngine*>(engine)->read_on();
    return nullptr;
  }

  void read_on() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wanted_.wait(lock, [this] { return stop_ || !submitted_.empty(); });
      if (submitted_.empty()) return;
      const Request request = take(submitted_);
      lock.unlock();
      const Completion completion = carry_out(request);
      lock.lock();
      done_.push_back(completion);
      finished_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable wanted_, finished_;
  std::vector<Request> submitted_;
  std::vector<Completion> done_;
  bool stop_ = false;
  std::vector<pthread_t> threads_;
};

}  // namespace

std::unique_ptr<ReadEngine> make_thread_engine(uint32_t depth) {
  return std::make_unique<ThreadEngine>(depth);
}

}  // namespace weighbridge
