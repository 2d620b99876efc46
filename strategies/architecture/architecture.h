// What a checkpoint's bytes are: by role, by layer, tied, and perhaps tied. From names and shapes alone, without
// reading a value. Tensors that share their elements count once, with the first of them; so every sum below is the
// checkpoint's: stored_bytes(), and as many parameters as there are elements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strategies/architecture/role.h"
#include "strategies/checkpoint/checkpoint.h"
#include "strategies/layers.h"

namespace weighbridge {

struct Holding {
  uint64_t tensors = 0;  // those too that share the elements of another one
  uint64_t parameters = 0, bytes = 0;

  void add(const Tensor& tensor);
  void add(const Holding& other);
  friend bool operator==(const Holding&, const Holding&) = default;
};

struct PartHolding {
  std::string_view part;  // "" for what the role has no name for
  Holding all;
};

struct RoleHolding {
  Role role = Role::other;
  Holding all;
  std::vector<PartHolding> parts;  // most bytes first; empty where no part has a name
};

// The token embedding and the output head of one model, stored apart and in the same dtype and shape: most models tie
// them, and a loader that does keeps one. Whether they are equal only their values tell.
struct PerhapsTied {
  uint32_t embedding = 0, head = 0;  // tensors
  uint64_t bytes = 0;                // of one
};

struct Roles {
  std::vector<uint16_t> rows;         // of each tensor: index into role_rows()
  std::vector<RoleHolding> holdings;  // most bytes first; those alone that there are
  Holding all;
  Holding tied;  // tensors that share another's elements, and what loading these once saves
  std::optional<PerhapsTied> perhaps_tied;

  const RoleRow& of(uint32_t tensor) const { return role_rows()[rows[tensor]]; }
  Holding of(Role role) const;
};
Roles find_roles(const Checkpoint& checkpoint);

// Layers that differ in their number alone: the same name before it, and as many tensors, parameters and bytes.
struct LayerKind {
  std::string name;                                    // "model.layers"; the whole name where it has no number
  std::vector<std::pair<uint32_t, uint32_t>> numbers;  // ranges, ascending, both ends in it; empty: no number
  uint64_t count = 1;
  Holding each;
};
// In the order of their first layers.
std::vector<LayerKind> fold_layers(const Checkpoint& checkpoint, const Layers& layers);

}  // namespace weighbridge
