// Text from outside (names in a checkpoint, paths, messages of a library) made safe to show on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports {

// One line without control characters: C0, DEL, C1 and the marks that reorder text (bidirectional overrides) become
// \n, \t, \x1b or \u{202e}; a byte that is not UTF-8 becomes \xff. With utf8 false everything beyond ASCII is escaped.
std::string printable(std::string_view text, bool utf8 = true);

// The word as a shell reads it back, on one line: as it is where that is safe, else in '...', and in $'...' where it
// holds what printable() would escape (line ends, control characters, bytes that are not UTF-8). An option stays an
// option: a leading '-' is not changed, as no quoting changes what the program makes of it.
std::string shell_quoted(std::string_view word);

// The same of a file's path, which is "./-x" for "-x", so that no program takes it for an option.
std::string shell_quoted_path(std::string_view path);

// How many terminal columns printable text takes: one for each code point.
size_t columns_of(std::string_view text);

}  // namespace weighbridge::reports
