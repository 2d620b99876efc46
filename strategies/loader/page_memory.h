// Memory for a library in somebody else's process: straight from the kernel, and straight back.
//
// malloc would keep what is given back. glibc raises its threshold for mapping a block to the size of the first staging
// copy that is freed (up to 32 MiB), takes what is smaller from the heap from then on, and returns the heap's top only
// beyond twice that. Measured with glibc 2.36 on GPT-2's first three layers, 116 MiB as f16: a peak 8.6 MiB above the
// prediction, and 47 MiB that stayed when all was freed. Here a buffer is an anonymous mapping of whole pages, which
// costs two system calls: 0.1 MiB below the prediction, and 24 KiB that stayed.
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
