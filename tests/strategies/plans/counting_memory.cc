#include "tests/strategies/plans/counting_memory.h"

#include <algorithm>
#include <stdexcept>

namespace weighbridge::test {

void* CountingMemory::allocate(Purpose purpose, size_t bytes) {
  void* address = PlainMemory::allocate(purpose, bytes);
  const std::lock_guard lock(mutex_);
  blocks_[address] = {purpose, bytes};
  (purpose == Purpose::weights ? weights_ : staging_) += page_rounded(bytes);
  peak_ = std::max(peak_, held());
  staging_peak_ = std::max(staging_peak_, staging_);
  return address;
}

void CountingMemory::release(Purpose purpose, void* address, size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto block = blocks_.find(address);
  if (block == blocks_.end() || block->second.purpose != purpose || block->second.bytes != bytes) {
    throw std::logic_error("released what was not allocated so");
  }
  blocks_.erase(block);
  (purpose == Purpose::weights ? weights_ : staging_) -= page_rounded(bytes);
  PlainMemory::release(purpose, address, bytes);
}

const std::byte* CountingMemory::map(int descriptor, size_t bytes) {
  ++mappings_;
  return PlainMemory::map(descriptor, bytes);
}

std::byte* CountingMemory::map_writable(int descriptor, size_t bytes) {
  ++mappings_;
  return PlainMemory::map_writable(descriptor, bytes);
}

void CountingMemory::unmap(const std::byte* address, size_t bytes) {
  --mappings_;
  PlainMemory::unmap(address, bytes);
}

}  // namespace weighbridge::test
