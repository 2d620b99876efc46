// Text for a terminal of a style: its colours, and its letters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reports/terminal.h"

namespace weighbridge::reports {

enum class Tone : uint8_t { none, good, bad, faint, strong };

std::string toned(const TerminalStyle& style, Tone tone, const std::string& text);

// printable() for this terminal.
std::string safe(const TerminalStyle& style, std::string_view text);

}  // namespace weighbridge::reports
