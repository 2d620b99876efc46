// A Memory that counts what is held, by purpose, and its largest sum; what a prediction is held against.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "strategies/memory.h"

namespace weighbridge::test {

class CountingMemory : public PlainMemory {
 public:
  ~CountingMemory() override = default;
  void* allocate(Purpose purpose, size_t bytes) override;
  void release(Purpose purpose, void* address, size_t bytes) override;
  const std::byte* map(int descriptor, size_t bytes) override;
  std::byte* map_writable(int descriptor, size_t bytes) override;
  void unmap(const std::byte* address, size_t bytes) override;

  uint64_t held() const { return weights_ + staging_; }
  uint64_t peak() const { return peak_; }
  uint64_t staging_peak() const { return staging_peak_; }
  size_t mappings() const { return mappings_; }

 private:
  struct Block {
    Purpose purpose;
    size_t bytes;
  };
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
  uint64_t weights_ = 0, staging_ = 0, peak_ = 0, staging_peak_ = 0;
  size_t mappings_ = 0;
};

}  // namespace weighbridge::test
