#include "reports/html/escape.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace weighbridge::reports::html {
namespace {

constexpr uint32_t replacement = 0xFFFD;

// The code point at `at`, which moves behind it; U+FFFD and one byte further where the bytes are no UTF-8.
uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t first = byte(at);
  const size_t start = at++;
  if (first < 0x80) return first;
  const size_t extra = first >= 0xF0 && first < 0xF5 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 0;
  if (extra == 0 || first >= 0xF5 || start + extra >= text.size()) return replacement;
  uint32_t code = first & (0x3Fu >> extra);
  for (size_t i = 1; i <= extra; ++i) {
    if ((byte(start + i) & 0xC0) != 0x80) return replacement;
    code = code << 6 | (byte(start + i) & 0x3F);
  }
  const bool overlong = (extra == 2 && code < 0x800) || (extra == 3 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return replacement;
  at = start + extra + 1;
  return code;
}

bool reorders(uint32_t code) {
  return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) || code == 0x200E || code == 0x200F;
}

bool forbidden(uint32_t code) {
  return (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7F && code < 0xA0) || (code & 0xFFFE) == 0xFFFE;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const uint32_t code = next_code_point(text, at);
    switch (code) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (reorders(code)) {
          out += fmt::format("[U+{:04X}]", code);
        } else if (code == replacement || forbidden(code)) {
          out += "\xEF\xBF\xBD";
        } else {
          out += text.substr(start, at - start);
        }
    }
  }
  return out;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const uint32_t code = next_code_point(text, at);
    if (code == '"' || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == 0x7F || code == 0x2028 ||
               code == 0x2029) {
      out += fmt::format("\\u{:04x}", code);
    } else if (code == replacement) {
      out += "\\ufffd";
    } else {
      out += text.substr(start, at - start);
    }
  }
  return out += '"';
}

}  // namespace weighbridge::reports::html
