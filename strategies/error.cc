#include "strategies/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace weighbridge {

Error system_error(std::string_view call, std::string_view path, int error_number, ErrorKind of_path) {
  ErrorKind kind = ErrorKind::environment;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case ELOOP:
    case ENAMETOOLONG:
      kind = of_path;
      break;
    default:
      break;
  }
  return {kind, fmt::format("{} {}: {}", call, printable(path), std::generic_category().message(error_number))};
}

Error format_error(std::string_view path, uint64_t offset, std::string_view found, std::string_view expected) {
  return {ErrorKind::bad_input,
          fmt::format("{}: byte {}: found {}, expected {}", printable(path), offset, found, expected)};
}

std::string printable(std::string_view untrusted, size_t limit) {
  std::string text;
  for (const char character : untrusted) {
    if (text.size() >= limit) return text + "...";
    const auto byte = static_cast<unsigned char>(character);
    // C1 controls reach a terminal as UTF-8 (C2 80..9F); their first byte is let through, their second is not a control
    // by itself, so only C0 and DEL need escaping here, and ESC is one of them.
    if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += character;
    }
  }
  return text;
}

}  // namespace weighbridge
