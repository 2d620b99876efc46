#include "harness/worker/shared_page.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {

SharedPageMapping::SharedPageMapping(Descriptor file) : file_(std::move(file)), page_(nullptr) {
  void* address = mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), 0);
  if (address == MAP_FAILED) throw system_error("mmap", "memfd:weighbridge-page", errno);
  page_ = static_cast<SharedPage*>(address);
}

SharedPageMapping SharedPageMapping::create() {
  Descriptor file(memfd_create("weighbridge-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) throw system_error("memfd_create", "weighbridge-page", errno);
  // Sealed: a worker that cut it short would otherwise end the parent with SIGBUS at the next look.
  if (ftruncate(file.get(), sizeof(SharedPage)) != 0 ||
      fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throw system_error("ftruncate", "memfd:weighbridge-page", errno);
  }
  SharedPageMapping mapping(std::move(file));  // a new memfd reads as zeroes
  mapping->layout = kLayout;
  mapping->phase = kPhases;
  for (PhasePage& phase : mapping->phases) phase.need_peak_slot = 2;
  return mapping;
}

SharedPageMapping SharedPageMapping::adopt(int descriptor) {
  return SharedPageMapping(Descriptor(descriptor));
}

SharedPageMapping::SharedPageMapping(SharedPageMapping&& other) noexcept
    : file_(std::move(other.file_)), page_(std::exchange(other.page_, nullptr)) {}

SharedPageMapping::~SharedPageMapping() {
  if (page_ != nullptr) munmap(page_, sizeof(SharedPage));
}

}  // namespace weighbridge
