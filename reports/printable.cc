#include "reports/printable.h"

#include <fmt/format.h>

#include <cstdint>

namespace weighbridge::reports {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8
};

// The code point that `text` begins with; overlong forms, surrogates and values above 10FFFF are not UTF-8 (RFC 3629).
CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 && lead < 0xF8   ? 4
                       : lead >= 0xE0 && lead < 0xF0 ? 3
                       : lead >= 0xC2 && lead < 0xE0 ? 2
                                                     : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  uint32_t value = lead & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  const uint32_t smallest = bytes == 4 ? 0x10000 : bytes == 3 ? 0x800 : 0x80;
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {};
  return {value, bytes};
}

bool changes_the_line(uint32_t c) {
  return (c >= 0x80 && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

}  // namespace

std::string printable(std::string_view text, bool utf8) {
  std::string line;
  line.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.bytes == 0) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (point.value == '\n') {
      line += "\\n";
    } else if (point.value == '\t') {
      line += "\\t";
    } else if (point.value == '\r') {
      line += "\\r";
    } else if (point.value < 0x20 || point.value == 0x7F) {
      line += fmt::format("\\x{:02x}", point.value);
    } else if (point.value >= 0x80 && (!utf8 || changes_the_line(point.value))) {
      line += fmt::format("\\u{{{:x}}}", point.value);
    } else {
      line += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  return line;
}

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "_./:=@%+,-";
  bool plain = !word.empty();
  for (const char c : word) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    plain = plain && (letter || static_cast<unsigned char>(c) >= 0x80 || kPlain.find(c) != std::string_view::npos);
  }
  if (printable(word) != word) {
    std::string text = "$'";
    for (const char c : word) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '\n') {
        text += "\\n";
      } else if (c == '\'' || c == '\\') {
        text += {'\\', c};
      } else if (byte < 0x20 || byte >= 0x7F) {
        text +=
            fmt::format("\\{:03o}", byte);  // of three digits always, so that no digit after it is taken for its own
      } else {
        text += c;
      }
    }
    return text + "'";
  }
  if (plain) return std::string(word);
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

std::string shell_quoted_path(std::string_view path) {
  return shell_quoted(path.starts_with('-') ? "./" + std::string(path) : std::string(path));
}

size_t columns_of(std::string_view text) {
  size_t columns = 0;
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return columns;
}

}  // namespace weighbridge::reports
