#include <gnu/libc-version.h>

#include "harness/alloc/allocator.h"

namespace weighbridge {
namespace {

class PlainAllocator : public Allocator {
 public:
  Memory& memory() override { return memory_; }
  std::string version() const override { return std::string("glibc ") + gnu_get_libc_version(); }
  std::array<ArenaFigures, 3> figures() override { return {}; }

 private:
  PlainMemory memory_;
};

}  // namespace

std::unique_ptr<Allocator> make_allocator(ReleaseWatch&) {
  return std::make_unique<PlainAllocator>();
}

}  // namespace weighbridge
