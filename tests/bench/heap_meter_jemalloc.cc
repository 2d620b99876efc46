#include <fmt/format.h>
#include <jemalloc/jemalloc.h>

#include <atomic>
#include <cstring>

#include "tests/bench/heap_meter.h"

namespace weighbridge::bench {
namespace {

// As jemalloc 5.2 and 5.3 have them in include/jemalloc/internal/hook.h, which is not installed.
struct Hooks {
  void (*allocated)(void* extra, int type, void* result, uintptr_t raw, uintptr_t arguments[3]);
  void (*freeing)(void* extra, int type, void* address, uintptr_t arguments[3]);
  void (*expanded)(void* extra, int type, void* address, size_t old_bytes, size_t new_bytes, uintptr_t raw,
                   uintptr_t arguments[4]);
  void* extra;
};

// Hooks of all threads add to it; they may neither allocate nor wait.
struct Count {
  std::atomic<int64_t> allocations{0}, allocated{0}, live{0}, peak{0};

  void grow(int64_t bytes) {
    const int64_t now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    for (int64_t seen = peak.load(std::memory_order_relaxed);
         now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed);) {
    }
  }
};

Count& count_of(void* extra) {
  return *static_cast<Count*>(extra);
}

int64_t usable(void* address) {
  return static_cast<int64_t>(sallocx(address, 0));
}

class JemallocMeter : public HeapMeter {
 public:
  // The reason why there are no hooks, or empty.
  static std::string try_hooks() {
    Count nobody;
    void* handle = nullptr;
    const int error = install(nobody, handle);
    if (error != 0) return fmt::format("this jemalloc has no experimental.hooks ({})", std::strerror(error));
    remove(handle);
    return {};
  }

  void start() override {
    count_.allocations = count_.allocated = count_.live = count_.peak = 0;
    install(count_, handle_);
  }
  HeapUse stop() override {
    remove(handle_);
    return {count_.allocations, count_.allocated, count_.peak, count_.live};
  }

 private:
  static int install(Count& count, void*& handle) {
    Hooks hooks{.allocated =
                    [](void* extra, int, void* result, uintptr_t, uintptr_t*) {
                      if (result == nullptr) return;
                      Count& into = count_of(extra);
                      const int64_t bytes = usable(result);
                      into.allocations.fetch_add(1, std::memory_order_relaxed);
                      into.allocated.fetch_add(bytes, std::memory_order_relaxed);
                      into.grow(bytes);
                    },
                .freeing =
                    [](void* extra, int, void* address, uintptr_t*) {
                      if (address != nullptr)
                        count_of(extra).live.fetch_sub(usable(address), std::memory_order_relaxed);
                    },
                .expanded =
                    [](void* extra, int, void*, size_t old_bytes, size_t new_bytes, uintptr_t, uintptr_t*) {
                      count_of(extra).grow(static_cast<int64_t>(new_bytes) - static_cast<int64_t>(old_bytes));
                    },
                .extra = &count};
    size_t size = sizeof handle;
    return mallctl("experimental.hooks.install", &handle, &size, &hooks, sizeof hooks);
  }
  static void remove(void* handle) { mallctl("experimental.hooks.remove", nullptr, nullptr, &handle, sizeof handle); }

  Count count_;
  void* handle_ = nullptr;
};

}  // namespace

std::unique_ptr<HeapMeter> make_heap_meter(std::string& reason) {
  reason = JemallocMeter::try_hooks();
  return reason.empty() ? std::make_unique<JemallocMeter>() : nullptr;
}

}  // namespace weighbridge::bench
