// SHA-256 after FIPS 180-4, in a second, independent way: the program takes its hashes from CMake.
#pragma once

#include <string>
#include <string_view>

namespace weighbridge::reports {

std::string sha256_base64(std::string_view text);

}  // namespace weighbridge::reports
