// Text broken into lines for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports {

// `first` begins the first line, `rest` the others; ends with a line break. Lines are broken at spaces alone: a word
// longer than a line stands on one of its own, whole, and a figure stays with its unit.
std::string paragraph(std::string_view text, unsigned columns, std::string_view first, std::string_view rest);

}  // namespace weighbridge::reports
