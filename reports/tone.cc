#include "reports/tone.h"

#include <fmt/format.h>

#include "reports/printable.h"

namespace weighbridge::reports {

std::string toned(const TerminalStyle& style, Tone tone, const std::string& text) {
  if (!style.colour || tone == Tone::none || text.empty()) return text;
  const int code = tone == Tone::good ? 32 : tone == Tone::bad ? 31 : tone == Tone::faint ? 2 : 1;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string safe(const TerminalStyle& style, std::string_view text) {
  return printable(text, style.utf8);
}

}  // namespace weighbridge::reports
