// Files and folders that a test makes and takes away, and what a refusal says.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/error.h"
#include "tests/support/catch.h"

namespace weighbridge::testing {

// A new folder, removed with everything in it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  // Writes a file, making the folders on its way; its path.
  std::string write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

std::string content_of(const std::string& path);

// A safetensors file: the header with its length before it, then `data_bytes` bytes that count up.
std::string safetensors(std::string_view header, size_t data_bytes);

// The message that opening `path` is refused with, after holding it against what every refusal owes: kind bad_input,
// one line, nothing unprintable.
std::string refusal(const std::string& path);

// Runs write_FORMAT.py, which writes a format's files into the folder, and returns what it printed, a line for each
// tensor. Nullopt, with the reason printed as "skipped: ...", where a Python module or Python itself is missing; any
// other failure of the script fails the test.
std::optional<std::string> written_by(std::string_view format, const TemporaryFolder& folder);

// Under a sanitizer memory means nothing: its bookkeeping is larger than what it watches.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

// Runs `work` in a forked child and returns by how many bytes its resident set grew at the most. Fails the test where
// the child does not end with status 0.
uint64_t peak_growth(const std::function<void()>& work);

// Bytes that this process has read so far, as its read and pread calls returned them.
uint64_t bytes_read();

}  // namespace weighbridge::testing
