#include "reports/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "reports/printable.h"

namespace weighbridge::reports {
namespace {

constexpr int kMostNames = 100;  // that a process of the same number may have left behind

[[noreturn]] void fail(int error_number, const std::string& call, const std::string& path) {
  throw std::system_error(error_number, std::generic_category(), call + " " + printable(path));
}

void refuse_unless_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;  // not there yet; what else is wrong open() says
  if (S_ISDIR(status.st_mode)) fail(EISDIR, "write", path);
  if (!S_ISREG(status.st_mode)) fail(EEXIST, "replace, as it is no regular file,", path);
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target) {
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < kMostNames; ++attempt) {
      path_ = fmt::format("{}.{}{}.tmp", target, ::getpid(), attempt == 0 ? "" : fmt::format(".{}", attempt));
      fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
      if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) fail(errno, "open", path_);
    stream_ = ::fdopen(fd, "w");
    if (stream_ == nullptr) {
      const int error_number = errno;
      ::close(fd);
      ::unlink(path_.c_str());
      fail(error_number, "fdopen", path_);
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (stream_ != nullptr) std::fclose(stream_);
    if (!keep_) ::unlink(path_.c_str());
  }

  std::FILE* stream() { return stream_; }

  void become(const std::string& target) {
    if (std::fflush(stream_) != 0) fail(errno, "write", path_);
    if (::fsync(::fileno(stream_)) != 0) fail(errno, "fsync", path_);
    if (std::fclose(std::exchange(stream_, nullptr)) != 0) fail(errno, "close", path_);
    keep_ = true;
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      const int error_number = errno;
      fail(error_number, "rename to " + printable(target) + " what is kept as", path_);
    }
  }

 private:
  std::string path_;
  std::FILE* stream_ = nullptr;
  bool keep_ = false;
};

// Folders of some file systems cannot be synced; the file stands all the same, so this is not worth failing for.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

void write_atomically(const std::string& path, const std::function<void(std::FILE*)>& write) {
  refuse_unless_file(path);
  TemporaryFile temporary(path);
  try {
    write(temporary.stream());
  } catch (const std::system_error& error) {
    fail(error.code().value(), "write", path);
  }
  temporary.become(path);
  sync_folder_of(path);
}

}  // namespace weighbridge::reports
