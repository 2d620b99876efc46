// Where a strategy's bytes come from and go back to. Strategies never call malloc or mmap for weights themselves, so a
// harness can count them by purpose, keep them apart, and look at the process right before anything is given back.
//
// PlainMemory (malloc, mmap) is the default: the library stands alone with it, and sanitizers see every byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weighbridge {

enum class Purpose : uint8_t {
  weights,  // what the caller keeps: tensors in the dtype asked for
  staging,  // what loading needs on the way: file images, chunks, originals about to be converted
};

constexpr size_t kPageBytes = 4096;  // what predictions round to; checked against sysconf when a Memory is made
constexpr uint64_t page_rounded(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

// What a mapping's owner tells the kernel of how it is going to be read: madvise(2).
enum class Advice : uint8_t {
  populate,    // read it all now: MADV_POPULATE_READ (Linux 5.14)
  willneed,    // read it ahead, without waiting
  sequential,  // read far ahead, and give up soon what was read
  random,      // do not read ahead
  hugepages,   // where the file system can
};

class Memory {
 public:
  virtual ~Memory() = default;

  // Page-aligned, rounded up to whole pages, not touched. Owned by the caller until release with the same purpose and
  // size. Throws Error(refused) naming size and purpose. `bytes` must not be 0.
  virtual void* allocate(Purpose purpose, size_t bytes) = 0;
  virtual void release(Purpose purpose, void* address, size_t bytes) = 0;

  // Maps `bytes` of a file from its beginning, private and read-only. Throws Error(refused).
  virtual const std::byte* map(int descriptor, size_t bytes) = 0;
  // The same, shared and writable, of a descriptor open for both: what is written reaches the file.
  virtual std::byte* map_writable(int descriptor, size_t bytes) = 0;
  virtual void unmap(const std::byte* address, size_t bytes) = 0;
  // Throws Error(environment) where the kernel does not know the advice.
  virtual void advise(const std::byte* address, size_t bytes, Advice advice) = 0;
  // Gives the pages inside [address, address + bytes) of a mapping back; they are read again when touched.
  virtual void drop(const std::byte* address, size_t bytes) = 0;
};

class PlainMemory : public Memory {
 public:
  PlainMemory();
  void* allocate(Purpose purpose, size_t bytes) override;
  void release(Purpose purpose, void* address, size_t bytes) override;
  const std::byte* map(int descriptor, size_t bytes) override;
  std::byte* map_writable(int descriptor, size_t bytes) override;
  void unmap(const std::byte* address, size_t bytes) override;
  void advise(const std::byte* address, size_t bytes, Advice advice) override;
  void drop(const std::byte* address, size_t bytes) override;
};

}  // namespace weighbridge
