// The built-in strategies; registry.cc lists them, each file defines its own.
#pragma once

#include "strategies/strategy.h"

namespace weighbridge {

const Strategy* state_dict();
const Strategy* convert_after();
const Strategy* eager();
const Strategy* stream();
const Strategy* mmap_strategy();
const Strategy* mmap_drop();
const Strategy* lazy();
const Strategy* layerwise();
const Strategy* direct();
const Strategy* cached_mmap();

}  // namespace weighbridge
