// The one error type of the project.
//
// An Error crosses module borders and is caught in two places: at the top of a verb, where its kind becomes the exit
// status, and at the border of a cell, where it becomes a verdict. Its message is one line for a person: what happened,
// where (file and byte offset for a format error, call and path for a system error), what was expected.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weighbridge {

enum class ErrorKind : uint8_t {
  usage,        // the words of the command line: exit status 2
  bad_input,    // a checkpoint or record that does not hold what it must: 3
  environment,  // this machine cannot do or measure what was asked: 4
  refused,      // an allocation was refused: verdict `refused`
  wrong_bytes,  // a strategy delivered other bytes than the reference: verdict `failed`
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// "CALL PATH: errno's text". `error_number` is errno right after the call. Kind: bad_input for what is wrong with the
// path itself (missing, a directory, no permission), environment for everything else. `of_path` is for paths that are
// not the user's input: a worker program, an output folder.
Error system_error(std::string_view call, std::string_view path, int error_number,
                   ErrorKind of_path = ErrorKind::bad_input);

// "PATH: byte OFFSET: found FOUND, expected EXPECTED".
Error format_error(std::string_view path, uint64_t offset, std::string_view found, std::string_view expected);

// One line of about `limit` bytes that is safe to print: control characters (C0, C1), bytes that are no UTF-8 and marks
// that reorder text are escaped, a long text is cut between characters with "...". For every text that a checkpoint or
// a path supplies.
std::string printable(std::string_view untrusted, size_t limit = 200);

}  // namespace weighbridge
