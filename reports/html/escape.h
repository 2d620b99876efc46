// Text from a record is not ours: a tensor may be named `</script>`. These make it harmless where it is put.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports::html {

// For element content and for attributes in double or single quotes. What is no valid UTF-8, and control characters
// that HTML does not allow, become U+FFFD; characters that reorder text (bidi overrides) are shown as their code.
std::string escape(std::string_view text);

// A JSON string with its quotes that is also safe inside <script>: no <, >, &, U+2028, U+2029 remains as such.
std::string json_string(std::string_view text);

}  // namespace weighbridge::reports::html
