// What a tensor is for, told from its name and its number of dimensions alone.
//
// Formats do not say it; the names of the frameworks do. role_table.cc holds what is known of them, a row a name, and
// the first row that fits decides. A name that no row knows is `other`: nothing is guessed.
//
// A row's pattern is a path, held against consecutive parts of the name (which stand between '.', '/' and ':'),
// anywhere in it; upper and lower case are the same. '^' before it: from the first part on; '$' behind it: up to the
// last. In a part '*' stands for any text, and for none, '#' for a number. What Keras puts behind a variable's name
// (":0") and its numbers of variables ("/vars/0") do not count as parts.
//
// Cost: 0.1 us a tensor where names differ in their layers' numbers alone, as they do in large models, 1 us where each
// is another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weighbridge {

enum class Role : uint8_t {
  token_embedding,
  position_embedding,
  attention,
  feed_forward,
  experts,
  router,
  normalisation,
  output_head,
  convolution,
  recurrent,
  state_space,
  linear,
  bias,
  adapter,
  scales,  // of quantised weights: scales, zero points, orders of columns
  buffer,  // computed, not learnt: rotary frequencies, masks, caches of keys and values
  averaged,
  optimizer_state,
  other
};
constexpr size_t kRoles = static_cast<size_t>(Role::other) + 1;

std::string_view name(Role role);  // "token-embedding"

struct RoleRow {
  std::string_view pattern;
  Role role;
  std::string_view part = "";  // "query"; empty where the role has no parts
  uint8_t least_rank = 0, most_rank = UINT8_MAX;
};

// In the order in which they are tried. The last one fits everything: Role::other.
std::span<const RoleRow> role_rows();

// Finds rows, and remembers what it found for names that differ only in parts that are numbers.
class RoleFinder {
 public:
  RoleFinder();
  ~RoleFinder();
  // Index into role_rows().
  uint16_t row_of(std::string_view name, size_t rank);
  const RoleRow& of(std::string_view name, size_t rank) { return role_rows()[row_of(name, rank)]; }

 private:
  struct Pattern;
  uint16_t search(std::string_view name, size_t rank) const;

  std::vector<Pattern> patterns_;                    // one a row
  std::unordered_map<std::string, uint16_t> known_;  // of at most kMostKnown names
  std::string key_;
};

}  // namespace weighbridge
