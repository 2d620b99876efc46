#include "reports/bar.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace weighbridge::reports {
namespace {

struct Glyphs {
  std::string_view need, cache, room, limit, beyond;
};
constexpr Glyphs kAscii = {"#", "+", "-", "|", " "};
constexpr Glyphs kBlocks = {"█", "▒", "·", "┃", " "};
// The last column of a need, in eighths.
constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

void repeat(std::string& line, std::string_view glyph, unsigned times) {
  while (times-- > 0) line += glyph;
}

}  // namespace

std::string draw(const Bar& bar) {
  const Glyphs& glyphs = bar.utf8 ? kBlocks : kAscii;
  const unsigned inner = std::max(bar.columns, 8u) - 2;
  const unsigned end = bar.limit ? inner * 5 / 6 : inner;  // columns below the limit
  const double full = static_cast<double>(std::max<Bytes>(bar.limit ? *bar.limit : bar.largest, 1));
  const double scale = end / full;

  std::string line = "[";
  const bool over = bar.limit && bar.need > *bar.limit;
  const double exact = over ? end : std::min<double>(end, static_cast<double>(bar.need) * scale);
  // A need is never drawn as nothing, and only a need that passes the limit reaches it.
  unsigned need = static_cast<unsigned>(bar.utf8 ? std::floor(exact) : std::round(exact));
  if (!over && bar.limit && need == end && bar.need < *bar.limit) need = end - 1;
  repeat(line, glyphs.need, need);
  const auto eighth = static_cast<size_t>((exact - std::floor(exact)) * 8);
  if (bar.utf8 && need < end && exact < end && (eighth > 0 || (need == 0 && bar.need > 0))) {
    line += kEighths[std::max<size_t>(eighth, 1)];
    ++need;
  } else if (need == 0 && bar.need > 0) {
    line += glyphs.need;
    ++need;
  }
  const double both = static_cast<double>(bar.need) + static_cast<double>(bar.cache);
  const unsigned cache = bar.cache == 0 ? 0 : static_cast<unsigned>(std::lround(std::min<double>(end, both * scale)));
  if (cache > need) repeat(line, glyphs.cache, cache - need);
  repeat(line, glyphs.room, end - std::max(need, std::min(cache, end)));
  if (bar.limit) {
    line += glyphs.limit;
    const unsigned rest = inner - end - 1;
    unsigned beyond = 0;
    if (over) {
      const double excess = static_cast<double>(bar.need - *bar.limit) * scale;
      beyond = static_cast<unsigned>(std::clamp<double>(std::ceil(excess), 1, rest));
    }
    repeat(line, glyphs.need, beyond);
    repeat(line, glyphs.beyond, rest - beyond);
  }
  return line + "]";
}

}  // namespace weighbridge::reports
