#include "strategies/architecture/role.h"

#include <algorithm>
#include <array>
#include <functional>

namespace weighbridge {
namespace {

constexpr size_t kLongestName = 4096;  // one that is longer is of no framework
constexpr size_t kMostKnown = 4096;

constexpr std::array<std::string_view, kRoles> kNames{"token-embedding",
                                                      "position-embedding",
                                                      "attention",
                                                      "feed-forward",
                                                      "experts",
                                                      "router",
                                                      "normalisation",
                                                      "output-head",
                                                      "convolution",
                                                      "recurrent",
                                                      "state-space",
                                                      "linear",
                                                      "bias",
                                                      "adapter",
                                                      "scales",
                                                      "buffer",
                                                      "averaged",
                                                      "optimizer-state",
                                                      "other"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_number(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), is_digit);
}

// Both in lower case. A pattern has few wildcards, and a part is short.
bool matches(std::string_view pattern, std::string_view part) {
  for (; !pattern.empty(); pattern.remove_prefix(1)) {
    if (pattern[0] == '*') {
      pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      for (size_t at = 0; at <= part.size(); ++at) {
        if (matches(pattern, part.substr(at))) return true;
      }
      return false;
    }
    if (pattern[0] == '#') {
      const size_t digits = static_cast<size_t>(std::find_if_not(part.begin(), part.end(), is_digit) - part.begin());
      if (digits == 0) return false;
      part.remove_prefix(digits);
    } else {
      if (part.empty() || part[0] != pattern[0]) return false;
      part.remove_prefix(1);
    }
  }
  return part.empty();
}

using Parts = std::vector<std::string_view>;

Parts split(std::string_view path) {
  Parts parts;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find_first_of("./:", begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// Keras: "kernel:0" is the kernel, "dense/vars/0" the first variable of dense.
void drop_variable_numbers(Parts& parts) {
  if (parts.size() < 2 || !is_number(parts.back())) return;
  const char before = *(parts.back().data() - 1);
  if (before == ':' || (before == '/' && parts[parts.size() - 2] == "vars")) parts.pop_back();
}

// One of 64 bits, so that a row whose words a name does not have is passed over at once.
uint64_t bit_of(std::string_view part) {
  return uint64_t{1} << (std::hash<std::string_view>()(part) & 63);
}

}  // namespace

std::string_view name(Role role) {
  return kNames[static_cast<size_t>(role)];
}

struct RoleFinder::Pattern {
  Parts parts;
  bool from_first = false, to_last = false;
  uint64_t bits = 0;  // of its parts without wildcards

  bool fits(const Parts& name) const {
    if (parts.size() > name.size()) return false;
    const size_t last = name.size() - parts.size();
    if (from_first && to_last && last != 0) return false;
    for (size_t begin = to_last ? last : 0; begin <= (from_first ? 0 : last); ++begin) {
      if (std::equal(parts.begin(), parts.end(), name.begin() + static_cast<std::ptrdiff_t>(begin), matches)) {
        return true;
      }
    }
    return false;
  }
};

RoleFinder::RoleFinder() {
  for (const RoleRow& row : role_rows()) {
    std::string_view text = row.pattern;
    Pattern pattern;
    pattern.from_first = text.starts_with('^');
    if (pattern.from_first) text.remove_prefix(1);
    pattern.to_last = text.ends_with('$');
    if (pattern.to_last) text.remove_suffix(1);
    pattern.parts = split(text);
    for (const std::string_view part : pattern.parts) {
      if (part.find_first_of("*#") == std::string_view::npos) pattern.bits |= bit_of(part);
    }
    patterns_.push_back(std::move(pattern));
  }
}
RoleFinder::~RoleFinder() = default;

uint16_t RoleFinder::search(std::string_view lower, size_t rank) const {
  Parts parts = split(lower);
  drop_variable_numbers(parts);
  uint64_t bits = 0;
  for (const std::string_view part : parts) bits |= bit_of(part);
  const auto rows = role_rows();
  for (uint16_t row = 0; row + 1u < rows.size(); ++row) {
    if ((patterns_[row].bits & ~bits) != 0 || rank < rows[row].least_rank || rank > rows[row].most_rank) continue;
    if (patterns_[row].fits(parts)) return row;
  }
  return static_cast<uint16_t>(rows.size() - 1);
}

uint16_t RoleFinder::row_of(std::string_view name, size_t rank) {
  if (name.size() > kLongestName) return static_cast<uint16_t>(role_rows().size() - 1);
  key_.assign(1, static_cast<char>('0' + std::min<size_t>(rank, 9)));
  // In lower case, and every part that is a number the same one: no pattern asks for a certain number.
  for (size_t at = 0; at < name.size(); ++at) {
    const char c = name[at];
    if (is_digit(c) && (at == 0 || name[at - 1] == '.' || name[at - 1] == '/' || name[at - 1] == ':')) {
      size_t end = at;
      while (end < name.size() && is_digit(name[end])) ++end;
      if (end == name.size() || name[end] == '.' || name[end] == '/' || name[end] == ':') {
        key_ += '0';
        at = end - 1;
        continue;
      }
    }
    key_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (const auto known = known_.find(key_); known != known_.end()) return known->second;
  const uint16_t row = search(std::string_view(key_).substr(1), rank);
  if (known_.size() == kMostKnown) known_.clear();
  known_.emplace(key_, row);
  return row;
}

}  // namespace weighbridge
