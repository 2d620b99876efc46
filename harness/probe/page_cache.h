// The checkpoint's files in the page cache: how much of them is there, put them in, take them out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge {

// Bytes of the files that are resident in the page cache: cachestat(2), or mincore(2) where the kernel has none (before
// 6.5) or the file system is a stacked one. Null with the reason where neither answers.
reports::Figure cached_bytes(const std::vector<std::string>& paths, std::string& reason);

// Reads every file once through a small buffer, until `stop` says so. What does not fit is pushed out again: ask
// cached_bytes.
void warm(const std::vector<std::string>& paths, bool (*stop)() = nullptr);

// Writes dirty pages back, then asks the kernel to forget the files' pages. Pages that anyone maps stay: ask
// cached_bytes.
void evict(const std::vector<std::string>& paths);

// "ext4", "tmpfs", "overlay", ... of the file system a path lies on, from /proc/self/mountinfo by device number.
std::string filesystem_of(const std::string& path);

}  // namespace weighbridge
