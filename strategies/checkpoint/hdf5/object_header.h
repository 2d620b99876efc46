// Object headers: the messages that describe a group or a dataset. Format specification 3.0, IV.A.
#pragma once

#include <cstdint>
#include <functional>

#include "strategies/checkpoint/hdf5/source.h"

namespace weighbridge::hdf5 {

enum class MessageType : uint16_t {
  dataspace = 0x01,
  link_info = 0x02,
  datatype = 0x03,
  old_fill_value = 0x04,
  fill_value = 0x05,
  link = 0x06,
  external_files = 0x07,
  layout = 0x08,
  unassigned = 0x09,
  filters = 0x0b,
  attribute = 0x0c,
  shared_message_table = 0x0f,
  continuation = 0x10,
  symbol_table = 0x11,
  cache_image = 0x18,  // the last one that there is
};

struct Message {
  MessageType type;
  uint8_t flags;
  Cursor body;  // valid while the visitor runs

  // The body lies elsewhere: see resolve_shared.
  bool shared() const { return (flags & 0x02) != 0; }
  // Its writer asks that a reader who does not know the type keeps off the object.
  bool needs_to_be_known() const { return (flags & 0x80) != 0; }
};

// Every message of the header at `address`, continuations included, in the order in which they stand; one of its blocks
// is held at a time. Throws Error (bad_input).
void for_each_message(Source& source, uint64_t address, const std::function<void(const Message&)>& visit);

// What a message stands for whose body is shared, visited in its place: the message of its type in the header of a
// committed datatype, or in the heap of messages of its kind. Throws Error (bad_input) where it cannot be found.
void resolve_shared(Source& source, const Message& message, const std::function<void(const Message&)>& visit);

}  // namespace weighbridge::hdf5
