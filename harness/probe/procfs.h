// Small files of procfs, sysfs and cgroupfs as text, with the reason where there is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weighbridge {

struct ProcText {
  std::optional<std::string> text;
  std::string reason;  // "open /proc/1/smaps_rollup: Permission denied"; empty where there is a text
};

// Reads at most 256 KiB.
ProcText read_proc(const std::string& path);

// The unsigned number that follows `key` and blanks, at the beginning of a line: ("pswpin 12\n...", "pswpin") -> 12,
// ("Pss:   96 kB\n", "Pss:") -> 96.
std::optional<uint64_t> number_after(std::string_view text, std::string_view key);

// Total stall time of a pressure file's line "some" or "full", in nanoseconds.
std::optional<uint64_t> stall_ns(const ProcText& pressure, std::string_view which);

// Writes a short text; returns the reason where that failed, else an empty text.
std::string write_proc(const std::string& path, std::string_view text);

}  // namespace weighbridge
