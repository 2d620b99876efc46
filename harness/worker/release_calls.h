// The calls by which a plug-in gives memory back to the kernel without a Memory.
#pragma once

#include "harness/alloc/release_watch.h"

namespace weighbridge {

// From now on munmap, madvise and mremap of every library in this process tell `watch` before they take anything away.
// It must outlive the process's last call. Under a sanitizer they do not.
void watch_release_calls(ReleaseWatch& watch);

}  // namespace weighbridge
