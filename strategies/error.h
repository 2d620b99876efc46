// How errors are made: in one place each, so that each kind of message has one form. The type itself is public:
// weighbridge/error.h.
//
// An Error crosses module borders and is caught in two places: at the top of a verb, where its kind becomes the exit
// status, and at the border of a cell, where it becomes a verdict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "weighbridge/error.h"

namespace weighbridge {

// "CALL PATH: errno's text". `error_number` is errno right after the call. Kind: bad_input for what is wrong with the
// path itself (missing, a directory, no permission), environment for everything else. `of_path` is for paths that are
// not the user's input: a worker program, an output folder.
Error system_error(std::string_view call, std::string_view path, int error_number,
                   ErrorKind of_path = ErrorKind::bad_input);

// "PATH: byte OFFSET: found FOUND, expected EXPECTED".
Error format_error(std::string_view path, uint64_t offset, std::string_view found, std::string_view expected);

// A text that a checkpoint supplies, for a message: in double quotes, printable, cut after 80 bytes.
std::string in_quotes(std::string_view untrusted);

}  // namespace weighbridge
