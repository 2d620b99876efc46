// The links of a group. Format specification 3.0, III.B to III.D and IV.A.2.c, g, i.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strategies/checkpoint/hdf5/dataset.h"
#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

struct Link {
  enum class Kind : uint8_t {
    hard,      // an object of this file
    soft,      // a path in this file
    external,  // a path in another file
    other,     // defined by an application
  };
  std::string name;
  Kind kind = Kind::hard;
  uint64_t address = 0;  // of the object header; hard links only
};

// A group's links by name. `object` was read from `address`. `room` is the memory that they may take; what they took is
// subtracted. Throws Error (bad_input) where they do not hold together, or their names need more than that.
std::vector<Link> read_links(Source& source, uint64_t address, const Object& object, uint64_t& room);

}  // namespace weighbridge::hdf5
