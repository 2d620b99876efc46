#include "reports/html/assets.h"

#include "asset_hashes.h"

#define WEIGHBRIDGE_ASSET(name)               \
  extern "C" const char weighbridge_##name[]; \
  extern "C" const char weighbridge_##name##_end[];

WEIGHBRIDGE_ASSET(report_css)
WEIGHBRIDGE_ASSET(report_js)
WEIGHBRIDGE_ASSET(symbols_svg)
WEIGHBRIDGE_ASSET(method_html)
WEIGHBRIDGE_ASSET(chart_js)
WEIGHBRIDGE_ASSET(chart_css)

namespace weighbridge::reports::html {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

unsigned nibble(char hex) {
  return static_cast<unsigned>(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

// CSP wants the base64 of the raw digest, CMake gives it in hex.
std::string base64_of_hex(std::string_view hex) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, have = 0;
  for (const char c : hex) {
    bits = bits << 4 | nibble(c);
    have += 4;
    if (have >= 6) {
      have -= 6;
      out += digits[bits >> have & 63];
    }
  }
  if (have > 0) out += digits[bits << (6 - have) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace

std::string Asset::csp_source() const {
  return "'sha256-" + base64_of_hex(sha256_hex) + "'";
}

#define WEIGHBRIDGE_DEFINE(name) \
  const Asset name{between(weighbridge_##name, weighbridge_##name##_end), asset_hashes::name};
WEIGHBRIDGE_DEFINE(report_css)
WEIGHBRIDGE_DEFINE(report_js)
WEIGHBRIDGE_DEFINE(symbols_svg)
WEIGHBRIDGE_DEFINE(method_html)
WEIGHBRIDGE_DEFINE(chart_js)
WEIGHBRIDGE_DEFINE(chart_css)

}  // namespace weighbridge::reports::html
