#include "tests/strategies/checkpoint/fixture.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>

namespace weighbridge::testing {
namespace {

uint64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

}  // namespace

TemporaryFolder::TemporaryFolder(const std::filesystem::path& parent) {
  std::string pattern = (parent / "weighbridge-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  path_ = std::filesystem::canonical(pattern).string();
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(std::string_view name, std::string_view content) const {
  const std::string path = *this / name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::string safetensors(std::string_view header, size_t data_bytes) {
  std::string file;
  for (unsigned byte = 0; byte < 8; ++byte) file += static_cast<char>(header.size() >> (8 * byte) & 0xff);
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

std::string refusal(const std::string& path) {
  try {
    open_checkpoint(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(error.kind() == ErrorKind::bad_input);
    CHECK(message.size() < 1000);
    for (const char character : message) {
      if (static_cast<unsigned char>(character) < 0x20) FAIL("a control character in: " << message);
    }
    return message;
  }
  FAIL("accepted: " << path);
  return {};
}

uint64_t peak_growth(const std::function<void()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  ::malloc_trim(0);  // what was freed and kept the child would use first, unseen
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    const uint64_t before = status_bytes("VmRSS");
    int status = 0;
    try {
      work();
    } catch (...) {
      status = 1;
    }
    const uint64_t peak = status_bytes("VmHWM");
    const uint64_t growth = peak > before ? peak - before : 0;
    if (::write(ends[1], &growth, sizeof growth) != sizeof growth) status = 2;
    ::_exit(status);
  }
  ::close(ends[1]);
  uint64_t growth = 0;
  const bool told = ::read(ends[0], &growth, sizeof growth) == sizeof growth;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(told);
  REQUIRE(status == 0);
  return growth;
}

uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string field;
  uint64_t bytes = 0;
  io >> field >> bytes;
  if (field != "rchar:") throw std::runtime_error("/proc/self/io does not begin with rchar");
  return bytes;
}

std::optional<std::string> written_by(std::string_view format, const TemporaryFolder& folder) {
  const TemporaryFolder said;
  const std::string command =
      fmt::format("/usr/bin/python3 '{}/tests/strategies/checkpoint/write_{}.py' '{}' > '{}' 2> '{}'",
                  WEIGHBRIDGE_SOURCE_DIR, format, folder.path(), said / "listing", said / "complaint");
  if (std::system(command.c_str()) == 0) return content_of(said / "listing");
  std::istringstream lines(content_of(said / "complaint"));
  std::string last;
  for (std::string line; std::getline(lines, line);) last = line.empty() ? last : line;
  CHECK_THAT(last, ContainsSubstring("No module named") || ContainsSubstring("not found"));
  std::cout << fmt::format("skipped: {} files of an independent writer: {}\n", format, last);
  return std::nullopt;
}

}  // namespace weighbridge::testing
