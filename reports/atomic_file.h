// A file that appears under its name whole or not at all, and outlasts a crash once it is there.
//
// It is written as a new file beside its target ("NAME.PID.tmp"), which no link that somebody put there can lead
// elsewhere, then flushed to the disk, renamed, and its folder flushed: a rename is on the disk only after the folder
// is.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

namespace weighbridge::reports {

// Calls `write` with the stream to write to; what it throws leaves nothing behind, and a std::system_error gets the
// path. Throws std::system_error that names the call and the path. A target that is there and is no regular file
// (a folder, a device) is refused before anything is written. When all was written and only the rename fails, the
// temporary is kept and named in the error: it holds what was measured.
void write_atomically(const std::string& path, const std::function<void(std::FILE*)>& write);

}  // namespace weighbridge::reports
