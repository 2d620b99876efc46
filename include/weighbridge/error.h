// The one error type of the project, for those who use the library as for those who wrote it.
//
// Its message is one line for a person: what happened, where (file and byte offset for a format error, call and path
// for a system error), what was expected. What a checkpoint supplied to it is safe to print.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weighbridge {

enum class ErrorKind : uint8_t {
  usage,        // what was asked makes no sense: a misspelt dtype, a layer that is not there. Exit status 2
  bad_input,    // a checkpoint or record that does not hold what it must: 3
  environment,  // this machine cannot do or measure what was asked: 4
  refused,      // an allocation or mapping was refused: out of memory, or at a limit. Verdict `refused`
  wrong_bytes,  // a strategy delivered other bytes than the reference: verdict `failed`. The loaders never throw it
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// One line of about `limit` bytes that is safe to print: control characters (C0, C1), bytes that are no UTF-8 and marks
// that reorder text are escaped, a long text is cut between characters with "...". For every text that a checkpoint or
// a path supplies.
std::string printable(std::string_view untrusted, size_t limit = 200);

}  // namespace weighbridge
