// What follows an opcode in a pickle: counts, lines, texts, numbers in their three forms. Each claimed length is held
// against what is left of the stream before anything is read or allocated for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "strategies/checkpoint/pytorch/pickle_stream.h"

namespace weighbridge {

class PickleOperands {
 public:
  explicit PickleOperands(PickleStream& stream) : stream_(stream) {}

  // The next opcode, which the functions below then belong to; -1 at the end of the stream.
  int begin();
  uint64_t at() const { return at_; }  // of that opcode, in the stream
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    stream_.fail(at_, found, expected);
  }

  void require(uint64_t bytes) const;      // that many follow
  uint64_t read_unsigned(unsigned bytes);  // little-endian
  std::string read_kept(uint64_t bytes);   // passes that many, and gives the first PickleValues::kMostText
  std::string read_line();                 // passes the newline too, and gives as much
  uint64_t read_line_index();              // a line that is a whole number
  double read_line_real();

  // An integer, or the bytes of one that does not fit: little-endian in the binary form, digits in a line.
  using Integer = std::variant<int64_t, std::string>;
  Integer read_integer(uint64_t bytes);  // two's complement, little-endian
  Integer read_line_integer();

 private:
  PickleStream& stream_;
  uint64_t at_ = 0;
};

}  // namespace weighbridge
