// Reads pickles, protocols 0 to 5, into values (pickle_values.h) and runs nothing of what they ask for: a global is its
// two names, a call is a record of who is called with what. Python's pickletools.py documents the opcodes.
#pragma once

#include <cstdint>

#include "strategies/checkpoint/pytorch/pickle_stream.h"
#include "strategies/checkpoint/pytorch/pickle_values.h"

namespace weighbridge {

// Reads one pickle, up to and with its STOP, and returns its value. Throws Error (bad_input) where the bytes are no
// pickle, or where `values` comes to more than `limit_bytes`.
PickleRef read_pickle(PickleStream& stream, PickleValues& values, uint64_t limit_bytes);

// Whether bytes begin as a pickle of protocol 2 to 5 does: nothing else is certain enough to be told by its beginning.
bool begins_as_pickle(std::string_view start);

}  // namespace weighbridge
