#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "reports/atomic_file.h"
#include "reports/fields.h"
#include "reports/json.h"

namespace weighbridge::reports {
namespace {

[[noreturn]] void fail(int error_number) {
  throw std::system_error(error_number, std::generic_category(), "write");
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

  template <typename T>
  void later(const char* name, const T& member) {
    (*this)(name, member);
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
  void spill() {
    errno = 0;
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) fail(errno ? errno : EIO);
    buffer_.clear();
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

  std::FILE* file_;
  bool one_line_;
  bool first_ = true;
  int depth_ = 0;
  std::string buffer_;
};

}  // namespace

void write_record(std::FILE* file, const Record& record) {
  Writer writer(file, false);
  writer.put(record);
  writer.finish();
  if (std::fflush(file) != 0) fail(errno);
}

void write_record_file(const std::string& path, const Record& record) {
  write_atomically(path, [&](std::FILE* file) { write_record(file, record); });
}

void write_trial(std::FILE* file, const Trial& trial) {
  Writer writer(file, true);
  writer.put(trial);
  writer.spill();
}

void write_record_line(std::FILE* file, const Record& record) {
  Writer writer(file, true);
  writer.put(record);
  writer.spill();
}

}  // namespace weighbridge::reports
