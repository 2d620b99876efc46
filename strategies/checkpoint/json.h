// A JSON text out of an untrusted file, read front to back, for the little JSON that checkpoints hold: a safetensors
// header (up to 100 MB), a shard index.
//
// Why not a library. A tree costs 7 times the text (693 MiB for a 99 MB header) and hides duplicate names. nlohmann's
// event parser is better but keeps each token twice, and three times more for its error message; measured for 99 MB
// texts: 200 MB for one long name, 513 MB when that name has no end, 610 MB for one long number. All it can say about a
// place is a byte count.
//
// So the reader is driven by who knows the schema: it asks for a member, a string, a number, and what stands there
// instead is refused on the spot, with its offset in the file. Nothing recurses, hence no depth can overflow a stack;
// nothing is kept but what the caller asked to keep. It holds strictly to RFC 8259: UTF-8 without surrogates or
// overlong forms, no byte order mark, no comments, no trailing commas, and the tests hold it against nlohmann's parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "strategies/checkpoint/reader.h"

namespace weighbridge {

class JsonReader {
 public:
  // Reads `bytes` bytes at `offset`. Every function below throws Error (bad_input) where the text is not what was asked
  // for; `expected` is how the error's last part names that.
  JsonReader(const File& file, uint64_t offset, uint64_t bytes);

  void begin_object(std::string_view expected);
  // The key of the next member into `key` (its first `keep` bytes), the reader standing before its value; false once
  // the object has ended.
  bool next_member(std::string& key, size_t keep = SIZE_MAX);
  void begin_array(std::string_view expected);
  // Whether a further element follows, the reader standing before it; false once the array has ended.
  bool next_element();

  // The first `keep` bytes of a string's value; the rest is checked and dropped.
  std::string read_string(std::string_view expected, size_t keep = SIZE_MAX);
  // A number without sign, fraction or exponent, below 2^64.
  uint64_t read_unsigned(std::string_view expected);
  // Passes `null`, if that is what follows.
  bool skip_null();
  // Passes any value, checking it, up to kMaximumDepth levels deep.
  void skip_value();
  // Nothing but whitespace follows.
  void finish();

  // Offset in the file at which the last key or value began.
  uint64_t at() const { return at_; }
  [[noreturn]] void fail(uint64_t at, std::string_view found, std::string_view expected) const;

  static constexpr unsigned kMaximumDepth = 64;

 private:
  int skip_space();
  void begin(char bracket, std::string_view expected);
  bool next_in(char end, std::string_view expected);
  void pass_string(std::string* value, size_t keep);
  void pass_utf8(int lead, std::string* value, size_t keep);
  void pass_escape(std::string* value, size_t keep);
  uint32_t pass_hex4();
  void pass_word(std::string_view word);
  void pass_number();
  void pass_digits();
  [[noreturn]] void unexpected(int byte, std::string_view expected);

  const File& file_;
  ByteStream stream_;
  uint64_t at_ = 0;
  bool first_ = true;  // the innermost open object or array has had no member yet
};

}  // namespace weighbridge
