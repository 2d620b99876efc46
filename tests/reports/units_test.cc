#include "reports/units.h"

#include "reports/printable.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;

TEST_CASE("bytes have three significant digits and at most eight columns") {
  CHECK(human(Bytes{0}) == "0 B");
  CHECK(human(Bytes{999}) == "999 B");
  CHECK(human(Bytes{1000}) == "0.98 KiB");
  CHECK(human(Bytes{1024}) == "1.00 KiB");
  CHECK(human(Bytes{512 << 10}) == "512 KiB");
  CHECK(human(Bytes{1000 << 10}) == "0.98 MiB");
  CHECK(human(Bytes{1023 << 10}) == "1.00 MiB");
  CHECK(human(Bytes{7204810000}) == "6.71 GiB");
  CHECK(human(Bytes{13475000000}) == "12.5 GiB");
  CHECK(human(Bytes{107320000000}) == "99.9 GiB");
  CHECK(human(~Bytes{0}) == "16.0 EiB");
  CHECK(human(Figure()) == "-");
  for (Bytes bytes = 1; bytes < Bytes{1} << 62; bytes += bytes / 7 + 1) CHECK(human(bytes).size() <= 8);
}

TEST_CASE("differences carry their sign") {
  CHECK(human_difference(3 << 20, 1 << 20) == "+2.00 MiB");
  CHECK(human_difference(0, 512 << 10) == "-512 KiB");
  CHECK(human_difference(5, 5) == "0 B");
  CHECK(human_percent(103, 100) == "+3.0 %");
  CHECK(human_percent(50, 100) == "-50 %");
  CHECK(human_percent(100, 100) == "0 %");
  CHECK(human_percent(1, 0) == "-");
}

TEST_CASE("durations use the unit that a person would") {
  CHECK(human_duration(uint64_t{0}) == "0 ns");
  CHECK(human_duration(uint64_t{2'500}) == "2.5 us");
  CHECK(human_duration(uint64_t{310'000'000}) == "310 ms");
  CHECK(human_duration(uint64_t{999'600'000}) == "1.0 s");
  CHECK(human_duration(uint64_t{9'400'000'000}) == "9.4 s");
  CHECK(human_duration(uint64_t{59'960'000'000}) == "1 min 0 s");
  CHECK(human_duration(uint64_t{130'000'000'000}) == "2 min 10 s");
  CHECK(human_duration(uint64_t{11'100'000'000'000}) == "3 h 5 min");
  CHECK(human_duration(Figure()) == "-");
}

TEST_CASE("counts have separators, limits are exact") {
  CHECK(human_count(0) == "0");
  CHECK(human_count(999) == "999");
  CHECK(human_count(1000) == "1,000");
  CHECK(human_count(6738415616) == "6,738,415,616");
  CHECK(exact_bytes(Bytes{8} << 30) == "8GiB");
  CHECK(exact_bytes(Bytes{1536} << 20) == "1536MiB");
  CHECK(exact_bytes(1000) == "1000");
  CHECK(exact_bytes(0) == "0");
}

TEST_CASE("text from outside cannot steer a terminal") {
  CHECK(printable("a\nb\tc\rd") == "a\\nb\\tc\\rd");
  CHECK(printable("\x1b[31mred\x7f") == "\\x1b[31mred\\x7f");
  CHECK(printable("caf\xC3\xA9") == "caf\xC3\xA9");
  CHECK(printable("caf\xC3\xA9", false) == "caf\\u{e9}");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\u{9b}31m");                                           // C1: the 8-bit CSI
  CHECK(printable("gpj\xE2\x80\xAE.exe") == "gpj\\u{202e}.exe");                     // right-to-left override
  CHECK(printable("\xFF\xC0\xAF\xED\xA0\x80") == "\\xff\\xc0\\xaf\\xed\\xa0\\x80");  // not UTF-8 in three ways
  CHECK(columns_of("caf\xC3\xA9") == 4);
}

TEST_CASE("one is singular") {
  CHECK(counted(1, "way", "ways") == "1 way");
  CHECK(counted(0, "way", "ways") == "0 ways");
  CHECK(counted(1234, "tensor", "tensors") == "1,234 tensors");
}
