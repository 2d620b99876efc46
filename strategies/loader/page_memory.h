// Memory for a library in somebody else's process: straight from the kernel, and straight back.
//
// malloc would keep what is given back: glibc raises its threshold for mapping a block to the size of the first staging
// copy that is freed (up to 32 MiB), takes what is smaller from the heap from then on, and returns the heap's top only
// beyond twice that. Here a buffer is an anonymous mapping of whole pages. It costs a system call or two, and is gone
// when it is released. FIGURES
#pragma once

#include "strategies/memory.h"
#include "weighbridge/loader.h"

namespace weighbridge {

class PageMemory : public PlainMemory {
 public:
  explicit PageMemory(Write write) : write_(write) {}

  void* allocate(Purpose purpose, size_t bytes) override;
  void release(Purpose purpose, void* address, size_t bytes) override;
  // Writable, in the way that the constructor was told. With Write::through the file behind the descriptor is opened
  // once more, for writing: throws Error naming it where that is not allowed.
  const std::byte* map(int descriptor, size_t bytes) override;

 private:
  Write write_;
};

}  // namespace weighbridge
