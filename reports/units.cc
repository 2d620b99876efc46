#include "reports/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>

namespace weighbridge::reports {
namespace {

constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

// Three significant digits, trailing zeros kept: 0.98, 6.71, 67.1, 671. Each border lies where rounding crosses it.
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

}  // namespace

std::string human(Bytes bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  size_t unit = 0;
  double value = static_cast<double>(bytes);
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(value), kUnits[unit]);
}

std::string human(const Figure& bytes) {
  return bytes ? human(*bytes) : "-";
}

std::string human_difference(Bytes value, Bytes base) {
  if (value == base) return human(Bytes{0});
  return value > base ? "+" + human(value - base) : "-" + human(base - value);
}

std::string human_percent(Bytes value, Bytes base) {
  if (value == base) return "0 %";
  if (base == 0) return "-";
  const double percent = (static_cast<double>(value) - static_cast<double>(base)) / static_cast<double>(base) * 100;
  return std::abs(percent) < 9.95 ? fmt::format("{:+.1f} %", percent) : fmt::format("{:+.0f} %", percent);
}

std::string human_duration(uint64_t nanoseconds) {
  const double ns = static_cast<double>(nanoseconds);
  if (nanoseconds < 1'000) return fmt::format("{} ns", nanoseconds);
  if (ns < 9.95e3) return fmt::format("{:.1f} us", ns / 1e3);
  if (ns < 999.5e3) return fmt::format("{:.0f} us", ns / 1e3);
  if (ns < 9.95e6) return fmt::format("{:.1f} ms", ns / 1e6);
  if (ns < 999.5e6) return fmt::format("{:.0f} ms", ns / 1e6);
  if (ns < 59.95e9) return fmt::format("{:.1f} s", ns / 1e9);
  const uint64_t seconds = nanoseconds / 1'000'000'000 + (nanoseconds % 1'000'000'000 >= 500'000'000 ? 1 : 0);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string human_duration(const Figure& nanoseconds) {
  return nanoseconds ? human_duration(*nanoseconds) : "-";
}

std::string human_count(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string counted(uint64_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", human_count(count), count == 1 ? singular : plural);
}

std::string exact_bytes(Bytes bytes) {
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? std::to_string(bytes) : std::to_string(bytes) + kUnits[unit];
}

}  // namespace weighbridge::reports
