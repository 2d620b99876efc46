// Bytes, durations and counts as people read them: binary units, three significant digits, and no text wider than a
// column that was made for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "reports/record.h"

namespace weighbridge::reports {

// "6.71 GiB", "512 KiB", "0 B". The number has at most four characters (1000 KiB is "0.98 MiB"), the text at most
// eight, so that columns of it stand still.
std::string human(Bytes bytes);
std::string human(const Figure& bytes);  // "-" when it is not known

// "+1.20 GiB", "-512 KiB", "0 B": how far `value` lies from `base`.
std::string human_difference(Bytes value, Bytes base);

// "+0.3 %", "-12 %", "0 %" of `base`; "-" when base is 0 and value is not.
std::string human_percent(Bytes value, Bytes base);

// "310 ms", "9.4 s", "2 min 10 s", "3 h 5 min".
std::string human_duration(uint64_t nanoseconds);
std::string human_duration(const Figure& nanoseconds);

// "1,234,567".
std::string human_count(uint64_t count);

// "1 way", "3 ways".
std::string counted(uint64_t count, std::string_view singular, std::string_view plural);

// "8GiB", "1536MiB", "1000": exact, and what --limit takes.
std::string exact_bytes(Bytes bytes);

}  // namespace weighbridge::reports
