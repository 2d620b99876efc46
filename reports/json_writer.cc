#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "reports/fields.h"
#include "reports/json.h"
#include "reports/printable.h"

namespace weighbridge::reports {
namespace {

[[noreturn]] void fail(int error_number, const std::string& call, const std::string& path) {
  throw std::system_error(error_number, std::generic_category(), path.empty() ? call : call + " " + printable(path));
}

// Writes structs through fields(). Objects that hold objects are spread over lines, so that a record can be read and
// diffed; lists of numbers stand on one line.
class Writer {
 public:
  Writer(std::FILE* file, bool one_line) : file_(file), one_line_(one_line) {}

  template <typename T>
  void operator()(const char* name, const T& member) {
    key(name);
    put(member);
  }

  void bytes_of_kib(const char* name, const std::vector<uint32_t>& column) {
    key(name);
    flat_list(column, [&](uint32_t kib) { print("{}", uint64_t{kib} * 1024); });
  }

  void object(const char* name, const std::vector<std::pair<std::string, uint64_t>>& pairs) {
    key(name);
    open('{');
    for (const auto& [figure, value] : pairs) {
      key(figure);
      put(value);
    }
    close('}');
  }

  template <typename T>
  void put(const T& value) {
    open('{');
    fields(*this, value);
    close('}');
  }
  void put(uint64_t value) { print("{}", value); }
  void put(int value) { print("{}", value); }
  void put(bool value) { print("{}", value); }
  void put(double value) {
    if (std::isfinite(value)) {
      print("{}", value);  // the shortest text that reads back as the same number
    } else {
      print("null");
    }
  }
  void put(const std::string& text) {
    print("{}", nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    if (value) {
      put(*value);
    } else {
      print("null");
    }
  }
  template <typename T>
  void put(const std::map<std::string, T>& values) {
    open('{');
    for (const auto& [name, value] : values) {
      key(name);
      put(value);
    }
    close('}');
  }
  void put(const std::vector<uint64_t>& numbers) {
    flat_list(numbers, [&](uint64_t number) { put(number); });
  }
  void put(const std::vector<std::string>& texts) {
    flat_list(texts, [&](const std::string& text) { put(text); });
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    open('[');
    for (const T& value : values) {
      separate();
      put(value);
    }
    close(']');
  }

  void finish() {
    print("\n");
    spill();
  }

 private:
  static constexpr size_t kBuffer = 32 << 10;

  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<Args>(args)...);
    if (buffer_.size() >= kBuffer) spill();
  }

  void open(char bracket) {
    print("{}", bracket);
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) new_line();
    first_ = false;
    print("{}", bracket);
  }
  void separate() {
    if (!first_) print(",");
    first_ = false;
    new_line();
  }
  void key(const std::string& name) {
    separate();
    put(name);
    print("{}", one_line_ ? ":" : ": ");
  }
  void new_line() {
    if (!one_line_) print("\n{:{}}", "", depth_);
  }
  template <typename List, typename Put>
  void flat_list(const List& list, Put put_one) {
    print("[");
    bool first = true;
    for (const auto& value : list) {
      if (!first) print(",");
      first = false;
      put_one(value);
    }
    print("]");
  }
  void spill() {
    errno = 0;
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) fail(errno ? errno : EIO, "write", "");
    buffer_.clear();
  }

  std::FILE* file_;
  bool one_line_;
  bool first_ = true;
  int depth_ = 0;
  std::string buffer_;
};

// A file under a temporary name that is gone again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target) : path_(fmt::format("{}.{}.tmp", target, ::getpid())) {
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
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
    if (!renamed_) ::unlink(path_.c_str());
  }

  std::FILE* stream() { return stream_; }

  void become(const std::string& target) {
    if (std::fflush(stream_) != 0) fail(errno, "write", path_);
    if (::fsync(::fileno(stream_)) != 0) fail(errno, "fsync", path_);
    const int closed = std::fclose(std::exchange(stream_, nullptr));
    if (closed != 0) fail(errno, "close", path_);
    if (::rename(path_.c_str(), target.c_str()) != 0) fail(errno, "rename", target);
    renamed_ = true;
  }

 private:
  std::string path_;
  std::FILE* stream_ = nullptr;
  bool renamed_ = false;
};

// A rename outlasts a crash only when its folder was written too. Folders of some file systems cannot be synced; the
// record stands all the same, so this is not worth failing for.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace

void write_record(std::FILE* file, const Record& record) {
  Writer writer(file, false);
  writer.put(record);
  writer.finish();
  if (std::fflush(file) != 0) fail(errno, "write", "");
}

void write_record_file(const std::string& path, const Record& record) {
  TemporaryFile temporary(path);
  try {
    write_record(temporary.stream(), record);
  } catch (const std::system_error& error) {
    fail(error.code().value(), "write", path);
  }
  temporary.become(path);
  sync_folder_of(path);
}

void write_trial(std::FILE* file, const Trial& trial) {
  Writer writer(file, true);
  writer.put(trial);
  writer.finish();
}

}  // namespace weighbridge::reports
