#include "harness/worker/shared_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "strategies/error.h"

namespace weighbridge {
namespace {

SharedPage* map_page(int descriptor) {
  void* address = mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, 0);
  if (address == MAP_FAILED) throw system_error("mmap", "memfd:weighbridge-page", errno);
  return static_cast<SharedPage*>(address);
}

}  // namespace

SharedPageMapping SharedPageMapping::create() {
  const int descriptor = memfd_create("weighbridge-page", MFD_CLOEXEC);
  if (descriptor < 0) throw system_error("memfd_create", "weighbridge-page", errno);
  if (ftruncate(descriptor, sizeof(SharedPage)) != 0) {
    const int error = errno;
    close(descriptor);
    throw system_error("ftruncate", "memfd:weighbridge-page", error);
  }
  SharedPageMapping mapping(descriptor, map_page(descriptor));  // a new memfd reads as zeroes
  mapping->phase = kPhases;
  for (PhasePage& phase : mapping->phases) phase.need_peak_slot = 2;
  return mapping;
}

SharedPageMapping SharedPageMapping::adopt(int descriptor) {
  return {descriptor, map_page(descriptor)};
}

SharedPageMapping::SharedPageMapping(SharedPageMapping&& other) noexcept
    : descriptor_(other.descriptor_), page_(other.page_) {
  other.descriptor_ = -1;
  other.page_ = nullptr;
}

SharedPageMapping::~SharedPageMapping() {
  if (page_ != nullptr) munmap(page_, sizeof(SharedPage));
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace weighbridge
