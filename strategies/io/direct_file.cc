#include "strategies/io/direct_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr uint64_t kAnyDevice = 4096;  // no smaller page, and no larger logical block, is in use

struct DirectReads {
  bool known = false;  // whether statx told
  uint64_t block = 0;  // 0: there are none
};

DirectReads ask(const char* path, int descriptor) {
#ifdef STATX_DIOALIGN
  struct statx told {};
  const int flags = descriptor >= 0 ? AT_EMPTY_PATH : 0;
  if (::statx(descriptor >= 0 ? descriptor : AT_FDCWD, path, flags, STATX_DIOALIGN, &told) == 0 &&
      (told.stx_mask & STATX_DIOALIGN) != 0) {
    return {true, told.stx_dio_offset_align == 0
                      ? 0
                      : std::bit_ceil(uint64_t{std::max(told.stx_dio_offset_align, told.stx_dio_mem_align)})};
  }
#else
  static_cast<void>(path), static_cast<void>(descriptor);
#endif
  return {};
}

}  // namespace

uint64_t direct_block(const std::string& path) {
  const DirectReads reads = ask(path.c_str(), -1);
  return reads.block == 0 ? kAnyDevice : reads.block;
}

DirectFile::DirectFile(const CheckpointFile& wanted) : file_(open_again(wanted)), block_(kAnyDevice) {
  const DirectReads reads = ask("", file_.descriptor());
  if (reads.block != 0) block_ = reads.block;
  if (reads.known && reads.block == 0) {
    read_through_cache("statx says that it has no direct reads");
  } else if (::fcntl(file_.descriptor(), F_SETFL, O_DIRECT) != 0) {
    // The flag is set on the file that was opened and checked, rather than with a second open of a path that may have
    // changed. O_NONBLOCK goes: io_uring would give up on what a file system cannot do at once.
    read_through_cache(std::strerror(errno));
  }
}

void DirectFile::read_through_cache(std::string refusal) {
  refusal_ = std::move(refusal);
  if (::fcntl(file_.descriptor(), F_SETFL, 0) != 0) throw system_error("fcntl", file_.path(), errno);
}

}  // namespace weighbridge
