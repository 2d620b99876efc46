#include "reports/paragraph.h"

#include <algorithm>
#include <iterator>

#include "reports/printable.h"

namespace weighbridge::reports {
namespace {

bool is_unit(std::string_view word) {
  while (!word.empty() && std::string_view(".,:;)").find(word.back()) != std::string_view::npos) word.remove_suffix(1);
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "ns", "us", "ms", "s", "min", "h", "%"};
  return std::find(std::begin(kUnits), std::end(kUnits), word) != std::end(kUnits);
}

// Where the word at `from` ends. A figure and its unit are one word.
size_t end_of_word(std::string_view text, size_t from) {
  const size_t end = std::min(text.find(' ', from), text.size());
  if (end == text.size() || text[from] < '0' || text[from] > '9') return end;
  const size_t next = std::min(text.find(' ', end + 1), text.size());
  return is_unit(text.substr(end + 1, next - end - 1)) ? next : end;
}

}  // namespace

std::string paragraph(std::string_view text, unsigned columns, std::string_view first, std::string_view rest) {
  std::string out(first);
  size_t at = columns_of(first);
  bool begun = false;
  while (!text.empty()) {
    const size_t gap = text.find_first_not_of(' ');
    if (gap == std::string_view::npos) break;
    const size_t end = end_of_word(text, gap);
    const std::string_view word = text.substr(gap, end - gap);
    const size_t wide = columns_of(word), space = begun ? std::max<size_t>(gap, 1) : 0;
    if (begun && at + space + wide > columns) {
      out += '\n';
      out += rest;
      at = columns_of(rest);
    } else {
      out.append(space, ' ');
      at += space;
    }
    out += word;
    at += wide;
    begun = true;
    text.remove_prefix(end);
  }
  return out + "\n";
}

}  // namespace weighbridge::reports
