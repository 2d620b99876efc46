// A Memory around another: counts what is allocated by purpose, and tells a ReleaseWatch before anything goes back.
#pragma once

#include <atomic>
#include <cstdint>

#include "harness/alloc/release_watch.h"
#include "strategies/memory.h"

namespace weighbridge {

// Where the counts go: the live bytes by purpose, and told of every growth so that peaks can be kept.
class AllocationCounts {
 public:
  virtual ~AllocationCounts() = default;
  virtual void grew(Purpose purpose, uint64_t bytes) = 0;
  virtual void shrank(Purpose purpose, uint64_t bytes) = 0;
};

class CountedMemory : public Memory {
 public:
  // All three must outlive it.
  CountedMemory(Memory& inner, AllocationCounts& counts, ReleaseWatch& watch)
      : inner_(inner), counts_(counts), watch_(watch) {}

  void* allocate(Purpose purpose, size_t bytes) override {
    void* address = inner_.allocate(purpose, bytes);
    counts_.grew(purpose, page_rounded(bytes));
    return address;
  }
  void release(Purpose purpose, void* address, size_t bytes) override {
    watch_.before_release(page_rounded(bytes));
    inner_.release(purpose, address, bytes);
    counts_.shrank(purpose, page_rounded(bytes));
  }
  const std::byte* map(int descriptor, size_t bytes) override { return inner_.map(descriptor, bytes); }
  std::byte* map_writable(int descriptor, size_t bytes) override { return inner_.map_writable(descriptor, bytes); }
  void unmap(const std::byte* address, size_t bytes) override {
    watch_.before_release(bytes);
    inner_.unmap(address, bytes);
  }
  void advise(const std::byte* address, size_t bytes, Advice advice) override { inner_.advise(address, bytes, advice); }
  void drop(const std::byte* address, size_t bytes) override {
    watch_.before_release(bytes);
    inner_.drop(address, bytes);
  }

 private:
  Memory& inner_;
  AllocationCounts& counts_;
  ReleaseWatch& watch_;
};

}  // namespace weighbridge
