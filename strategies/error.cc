#include "strategies/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace weighbridge {
namespace {

// Bytes of the well-formed UTF-8 character that `text` begins with; 0 where it begins with none (RFC 3629, table 3-7 of
// the Unicode standard).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const auto follows = [&](size_t at, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(at) >= low && byte(at) <= high;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

char32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  char32_t code = first & (0x7fu >> character.size());
  for (const char next : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(next) & 0x3fu);
  return code;
}

// C0, DEL, C1 (U+009B is an escape sequence by itself), and the marks that break lines or reorder text.
bool acts_on_a_terminal(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f ||
         code == 0x061c;
}

}  // namespace

Error system_error(std::string_view call, std::string_view path, int error_number, ErrorKind of_path) {
  ErrorKind kind = ErrorKind::environment;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:  // a socket
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
  for (size_t at = 0; at < untrusted.size();) {
    if (text.size() >= limit) return text + "...";
    const size_t length = utf8_length(untrusted.substr(at));
    if (length == 0) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(untrusted[at++]));
      continue;
    }
    const std::string_view character = untrusted.substr(at, length);
    at += length;
    if (const char32_t code = code_point(character); acts_on_a_terminal(code)) {
      text += code < 0x80 ? fmt::format("\\x{:02x}", static_cast<unsigned>(code))
                          : fmt::format("\\u{{{:x}}}", static_cast<unsigned>(code));
    } else {
      text += character;
    }
  }
  return text;
}

std::string in_quotes(std::string_view untrusted) {
  return fmt::format("\"{}\"", printable(untrusted, 80));
}

}  // namespace weighbridge
