#include "strategies/checkpoint/pytorch/pickle_operands.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/pytorch/pickle_values.h"
#include "strategies/error.h"

namespace weighbridge {

int PickleOperands::begin() {
  at_ = stream_.position();
  return stream_.next();
}

void PickleOperands::require(uint64_t bytes) const {
  if (bytes > stream_.left()) {
    fail(fmt::format("an opcode with {} bytes", bytes), fmt::format("at most the {} that follow", stream_.left()));
  }
}

uint64_t PickleOperands::read_unsigned(unsigned bytes) {
  require(bytes);
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(stream_.next()) << (8 * i);
  return value;
}

std::string PickleOperands::read_kept(uint64_t bytes) {
  require(bytes);
  std::string kept(static_cast<size_t>(std::min<uint64_t>(bytes, PickleValues::kMostText)), '\0');
  stream_.read(kept.data(), kept.size());
  stream_.skip(bytes - kept.size());
  return kept;
}

std::string PickleOperands::read_line() {
  std::string line;
  for (int byte; (byte = stream_.next()) != '\n';) {
    if (byte < 0) fail("the end of the bytes", "the newline that ends an opcode's text");
    if (line.size() < PickleValues::kMostText) line.push_back(static_cast<char>(byte));
  }
  return line;
}

uint64_t PickleOperands::read_line_index() {
  const std::string line = read_line();
  uint64_t index = 0;
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), index);
  if (failed != std::errc() || end != line.data() + line.size()) {
    fail(fmt::format("the memo index {}", in_quotes(line)), "a whole number");
  }
  return index;
}

double PickleOperands::read_line_real() {
  const std::string line = read_line();
  double value = 0;
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (failed == std::errc::invalid_argument || end != line.data() + line.size()) {
    fail(fmt::format("the number {}", in_quotes(line)), "one");
  }
  return value;
}

PickleOperands::Integer PickleOperands::read_integer(uint64_t bytes) {
  std::string kept = read_kept(bytes);
  if (bytes > sizeof(int64_t)) return kept;
  uint64_t value = !kept.empty() && (kept.back() & 0x80) != 0 ? UINT64_MAX : 0;
  for (size_t i = kept.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(kept[i]);
  return static_cast<int64_t>(value);
}

PickleOperands::Integer PickleOperands::read_line_integer() {
  std::string line = read_line();
  if (line.ends_with('L')) line.pop_back();
  int64_t value = 0;
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (failed == std::errc::invalid_argument || end != line.data() + line.size()) {
    fail(fmt::format("the number {}", in_quotes(line)), "a whole number");
  }
  if (failed == std::errc::result_out_of_range) return line;
  return value;
}

}  // namespace weighbridge
