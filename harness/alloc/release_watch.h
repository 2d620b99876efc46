// Somebody who wants to look at the process right before memory is given back.
#pragma once

#include <cstddef>

namespace weighbridge {

class ReleaseWatch {
 public:
  virtual ~ReleaseWatch() = default;
  // Called on the releasing thread, possibly from inside the allocator: must not allocate, must not throw.
  virtual void before_release(size_t bytes) = 0;
};

}  // namespace weighbridge
