#include "strategies/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "strategies/error.h"

namespace weighbridge {
namespace {

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

OutputFile::OutputFile(std::string path, uint64_t bytes) : path_(std::move(path)) {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::usage, fmt::format("{}: found {}, expected a file to replace or nothing", printable(path_),
                                              S_ISDIR(status.st_mode)   ? "a folder"
                                              : S_ISLNK(status.st_mode) ? "a symlink"
                                                                        : "something that is no regular file"));
  }
  temporary_ = fmt::format("{}.{}.part", path_, ::getpid());
  // Not O_EXCL: a process of this number that was killed may have left one behind.
  descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) throw system_error("open", temporary_, errno);
  if (bytes > 0 && ::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno != EOPNOTSUPP &&
      errno != ENOSYS && errno != EINTR) {
    const int failed = errno;
    ::close(std::exchange(descriptor_, -1));
    ::unlink(temporary_.c_str());
    throw system_error("fallocate", temporary_, failed);
  }
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor_, bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      throw system_error("write", temporary_, errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
}

void OutputFile::sync() {
  if (::fsync(descriptor_) != 0) throw system_error("fsync", temporary_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) throw system_error("close", temporary_, errno);
}

void OutputFile::rename() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) throw system_error("rename", path_, errno);
  temporary_.clear();
}

void sync_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw system_error("open", folder, errno);
  // Some file systems cannot sync a folder and say EINVAL: nothing to be done about it there.
  const int failed = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  if (failed != 0) throw system_error("fsync", folder, failed);
}

}  // namespace weighbridge
