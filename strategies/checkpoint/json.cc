#include "strategies/checkpoint/json.h"

#include <fmt/format.h>

#include <limits>

#include "strategies/error.h"

namespace weighbridge {
namespace {

bool is_digit(int byte) {
  return byte >= '0' && byte <= '9';
}

void append(std::string* value, size_t keep, int byte) {
  if (value != nullptr && value->size() < keep) value->push_back(static_cast<char>(byte));
}

// What a value that begins with `byte` is, for a person.
std::string describe(int byte) {
  switch (byte) {
    case -1:
      return "the end of the JSON text";
    case '"':
      return "a string";
    case '{':
      return "an object";
    case '[':
      return "an array";
    case 't':
    case 'f':
      return "a boolean";
    case 'n':
      return "null";
    case '-':
      return "a negative number";
    default:
      if (is_digit(byte)) return "a number";
      if (byte > 0x20 && byte < 0x7f) return fmt::format("'{}'", static_cast<char>(byte));
      return fmt::format("byte 0x{:02x}", byte);
  }
}

}  // namespace

JsonReader::JsonReader(const File& file, uint64_t offset, uint64_t bytes) : file_(file), stream_(file, offset, bytes) {}

void JsonReader::fail(uint64_t at, std::string_view found, std::string_view expected) const {
  throw format_error(file_.path(), at, found, expected);
}

void JsonReader::unexpected(int byte, std::string_view expected) {
  fail(stream_.position(), describe(byte), expected);
}

// The next byte that is no whitespace, not yet passed.
int JsonReader::skip_space() {
  for (;;) {
    const int byte = stream_.peek();
    if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r') return byte;
    stream_.next();
  }
}

void JsonReader::begin(char bracket, std::string_view expected) {
  const int byte = skip_space();
  if (byte != bracket) unexpected(byte, expected);
  at_ = stream_.position();
  stream_.next();
  first_ = true;
}

void JsonReader::begin_object(std::string_view expected) {
  begin('{', expected);
}
void JsonReader::begin_array(std::string_view expected) {
  begin('[', expected);
}

// Passes the comma before the next member, or the bracket after the last.
bool JsonReader::next_in(char end, std::string_view expected) {
  const int byte = skip_space();
  if (byte == end) {
    stream_.next();
    first_ = false;  // for whatever this object or array is a member of
    return false;
  }
  if (first_) {
    first_ = false;
    return true;
  }
  if (byte != ',') unexpected(byte, expected);
  stream_.next();
  return true;
}

bool JsonReader::next_member(std::string& key, size_t keep) {
  if (!next_in('}', "',' or '}'")) return false;
  key = read_string("a name in double quotes", keep);
  const uint64_t key_at = at_;
  if (const int byte = skip_space(); byte != ':') unexpected(byte, "':'");
  stream_.next();
  at_ = key_at;
  return true;
}

bool JsonReader::next_element() {
  return next_in(']', "',' or ']'");
}

std::string JsonReader::read_string(std::string_view expected, size_t keep) {
  const int byte = skip_space();
  if (byte != '"') unexpected(byte, expected);
  std::string value;
  pass_string(&value, keep);
  return value;
}

void JsonReader::pass_string(std::string* value, size_t keep) {
  at_ = stream_.position();
  stream_.next();  // the quote
  for (;;) {
    const int byte = stream_.peek();
    if (byte == -1)
      fail(stream_.position(), describe(byte), fmt::format("the end of the string that began at byte {}", at_));
    if (byte < 0x20) fail(stream_.position(), fmt::format("byte 0x{:02x}", byte), "no control character in a string");
    stream_.next();
    if (byte == '"') break;
    if (byte == '\\') {
      pass_escape(value, keep);
    } else if (byte < 0x80) {
      append(value, keep, byte);
    } else {
      pass_utf8(byte, value, keep);
    }
  }
  first_ = false;
}

// The well-formed sequences of the Unicode standard, table 3-7. `lead` has been passed.
void JsonReader::pass_utf8(int lead, std::string* value, size_t keep) {
  const uint64_t lead_at = stream_.position() - 1;
  int more = 0, low = 0x80, high = 0xbf;  // the bounds of the second byte
  if (lead >= 0xc2 && lead <= 0xdf) {
    more = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    more = 2;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    more = 3;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    fail(lead_at, fmt::format("byte 0x{:02x}", lead), "UTF-8");
  }
  append(value, keep, lead);
  for (; more > 0; --more) {
    const int byte = stream_.peek();
    if (byte < low || byte > high) fail(lead_at, fmt::format("a broken sequence after byte 0x{:02x}", lead), "UTF-8");
    append(value, keep, byte);
    stream_.next();
    low = 0x80;
    high = 0xbf;
  }
}

uint32_t JsonReader::pass_hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int byte = stream_.peek();
    uint32_t digit = 0;
    if (is_digit(byte)) {
      digit = static_cast<uint32_t>(byte - '0');
    } else if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f') {
      digit = static_cast<uint32_t>((byte | 0x20) - 'a' + 10);
    } else {
      unexpected(byte, "four hexadecimal digits after \\u");
    }
    value = value << 4 | digit;
    stream_.next();
  }
  return value;
}

// The backslash has been passed.
void JsonReader::pass_escape(std::string* value, size_t keep) {
  const uint64_t escape_at = stream_.position() - 1;
  const int byte = stream_.peek();
  int plain = byte;
  switch (byte) {
    case '"':
    case '\\':
    case '/':
      break;
    case 'b':
      plain = '\b';
      break;
    case 'f':
      plain = '\f';
      break;
    case 'n':
      plain = '\n';
      break;
    case 'r':
      plain = '\r';
      break;
    case 't':
      plain = '\t';
      break;
    case 'u': {
      stream_.next();
      uint32_t code = pass_hex4();
      if (code >= 0xd800 && code <= 0xdfff) {
        uint32_t low = 0;
        if (code <= 0xdbff && stream_.peek() == '\\') {
          stream_.next();
          if (stream_.peek() == 'u') {
            stream_.next();
            low = pass_hex4();
          }
        }
        if (low < 0xdc00 || low > 0xdfff) fail(escape_at, "half of a surrogate pair", "both halves");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      }
      const auto tail = [&](unsigned shift) { append(value, keep, static_cast<int>(0x80 | (code >> shift & 0x3f))); };
      if (code < 0x80) {
        append(value, keep, static_cast<int>(code));
      } else if (code < 0x800) {
        append(value, keep, static_cast<int>(0xc0 | code >> 6));
        tail(0);
      } else if (code < 0x10000) {
        append(value, keep, static_cast<int>(0xe0 | code >> 12));
        tail(6);
        tail(0);
      } else {
        append(value, keep, static_cast<int>(0xf0 | code >> 18));
        tail(12);
        tail(6);
        tail(0);
      }
      return;
    }
    default:
      unexpected(byte, "one of \"\\/bfnrtu after a backslash");
  }
  append(value, keep, plain);
  stream_.next();
}

uint64_t JsonReader::read_unsigned(std::string_view expected) {
  const int lead = skip_space();
  if (!is_digit(lead)) unexpected(lead, expected);
  at_ = stream_.position();
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  uint64_t value = 0;
  do {
    const auto digit = static_cast<uint64_t>(stream_.next() - '0');
    if (value > (kMost - digit) / 10) fail(at_, "a number of 2^64 or more", expected);
    value = value * 10 + digit;
    if (lead == '0') break;
  } while (is_digit(stream_.peek()));
  const int after = stream_.peek();
  if (is_digit(after)) fail(at_, "a number with a leading zero", expected);
  if (after == '.' || after == 'e' || after == 'E') fail(at_, "a number with a fraction or exponent", expected);
  first_ = false;
  return value;
}

void JsonReader::pass_word(std::string_view word) {
  at_ = stream_.position();
  for (const char letter : word) {
    if (const int byte = stream_.peek(); byte != letter) unexpected(byte, fmt::format("the word {}", word));
    stream_.next();
  }
  first_ = false;
}

bool JsonReader::skip_null() {
  if (skip_space() != 'n') return false;
  pass_word("null");
  return true;
}

void JsonReader::pass_digits() {
  if (const int byte = stream_.peek(); !is_digit(byte)) unexpected(byte, "a digit");
  while (is_digit(stream_.peek())) stream_.next();
}

void JsonReader::pass_number() {
  at_ = stream_.position();
  if (stream_.peek() == '-') stream_.next();
  if (stream_.peek() == '0') {
    stream_.next();
  } else {
    pass_digits();
  }
  if (stream_.peek() == '.') {
    stream_.next();
    pass_digits();
  }
  if (const int byte = stream_.peek(); byte == 'e' || byte == 'E') {
    stream_.next();
    if (const int sign = stream_.peek(); sign == '+' || sign == '-') stream_.next();
    pass_digits();
  }
  first_ = false;
}

void JsonReader::skip_value() {
  uint64_t objects = 0;  // one bit for each open level: whether it is an object
  static_assert(kMaximumDepth <= 64);
  unsigned depth = 0;
  std::string dropped;
  for (;;) {
    const int byte = skip_space();
    switch (byte) {
      case '{':
      case '[':
        if (depth == kMaximumDepth) {
          fail(stream_.position(), fmt::format("JSON nested more than {} levels deep", kMaximumDepth),
               fmt::format("at most {} levels", kMaximumDepth));
        }
        begin(static_cast<char>(byte), "a value");
        objects = objects << 1 | (byte == '{' ? 1 : 0);
        ++depth;
        break;
      case '"':
        pass_string(nullptr, 0);
        break;
      case 't':
        pass_word("true");
        break;
      case 'f':
        pass_word("false");
        break;
      case 'n':
        pass_word("null");
        break;
      default:
        if (byte != '-' && !is_digit(byte)) unexpected(byte, "a JSON value");
        pass_number();
    }
    while (depth > 0 && !((objects & 1) != 0 ? next_member(dropped, 0) : next_element())) {
      objects >>= 1;
      --depth;
    }
    if (depth == 0) return;
  }
}

void JsonReader::finish() {
  if (const int byte = skip_space(); byte != -1) unexpected(byte, "nothing but whitespace after the JSON value");
}

}  // namespace weighbridge
