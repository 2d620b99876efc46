// Text from outside (names in a checkpoint, paths, messages of a library) made safe to show on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports {

// One line without control characters: C0, DEL, C1 and the marks that reorder text (bidirectional overrides) become
// \n, \t, \x1b or \u{202e}; a byte that is not UTF-8 becomes \xff. With utf8 false everything beyond ASCII is escaped.
std::string printable(std::string_view text, bool utf8 = true);

// How many terminal columns printable text takes: one for each code point.
size_t columns_of(std::string_view text);

}  // namespace weighbridge::reports
