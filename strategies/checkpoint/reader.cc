#include "strategies/checkpoint/reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kStreamBuffer = 64 << 10;

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something that is no regular file";
}

}  // namespace

File::File(std::string path) : path_(std::move(path)) {
  if (path_.find('\0') != std::string::npos) throw system_error("open", path_, ENOENT);
  // O_NONBLOCK: opening a named pipe must not wait for its other end; it means nothing for a regular file.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0) throw system_error("open", path_, errno);
  struct stat status {};
  const int failed = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  if (failed == 0 && S_ISREG(status.st_mode)) {
    bytes_ = static_cast<uint64_t>(status.st_size);
    return;
  }
  ::close(std::exchange(descriptor_, -1));  // the destructor does not run for an object that was never complete
  if (failed != 0) throw system_error("fstat", path_, failed);
  throw Error(ErrorKind::bad_input,
              fmt::format("{}: found {}, expected a regular file", printable(path_), kind_of(status.st_mode)));
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      bytes_(std::exchange(other.bytes_, 0)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void File::require(uint64_t offset, uint64_t bytes) const {
  if (offset > bytes_ || bytes > bytes_ - offset) {
    throw format_error(path_, offset, fmt::format("a file of {} bytes", bytes_), fmt::format("{} more bytes", bytes));
  }
}

void File::read(uint64_t offset, void* to, size_t bytes) const {
  require(offset, bytes);
  auto* target = static_cast<unsigned char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(descriptor_, target, bytes, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw Error(ErrorKind::environment, system_error("pread", path_, errno).what());
    }
    if (got == 0) {
      throw format_error(path_, offset, "the end of the file, which has shrunk since it was opened",
                         fmt::format("{} more bytes", bytes));
    }
    target += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
}

uint64_t File::read_u64(uint64_t offset) const {
  unsigned char raw[8];
  read(offset, raw, sizeof raw);
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | raw[i];
  return value;
}

std::string File::peek(uint64_t offset, size_t bytes) const {
  if (offset >= bytes_) return {};
  std::string text(static_cast<size_t>(std::min<uint64_t>(bytes, bytes_ - offset)), '\0');
  read(offset, text.data(), text.size());
  return text;
}

Mapping::Mapping(const File& file, uint64_t offset, uint64_t bytes) {
  file.require(offset, bytes);
  static const auto kPage = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t before = offset % kPage;
  mapped_ = static_cast<size_t>(before + bytes);
  base_ = ::mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE, file.descriptor(), static_cast<off_t>(offset - before));
  if (base_ == MAP_FAILED) {
    throw Error(ErrorKind::refused,
                fmt::format("{} ({} bytes)", system_error("mmap", file.path(), errno).what(), bytes));
  }
  data_ = static_cast<const std::byte*>(base_) + before;
}

Mapping::~Mapping() {
  ::munmap(base_, mapped_);
}

ByteStream::ByteStream(const File& file, uint64_t offset, uint64_t bytes)
    : file_(file), offset_(offset), bytes_(bytes) {
  file.require(offset, bytes);
  buffer_.resize(static_cast<size_t>(std::min<uint64_t>(bytes, kStreamBuffer)));
}

bool ByteStream::fill() {
  const uint64_t left = bytes_ - consumed_;
  if (left == 0) return false;
  filled_ = static_cast<size_t>(std::min<uint64_t>(left, buffer_.size()));
  at_ = 0;
  const size_t count = std::exchange(filled_, 0);  // stays empty if the read throws
  file_.read(position(), buffer_.data(), count);
  filled_ = count;
  return true;
}

}  // namespace weighbridge
