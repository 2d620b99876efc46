#include "strategies/checkpoint/numpy/npy_header.h"

#include <fmt/format.h>

#include <array>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/storage/gather.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

struct StoredName {
  std::string_view name;  // without its byte order
  Dtype dtype;
};
constexpr std::array<StoredName, 15> kDtypes{{
    {"b1", Dtype::boolean},
    {"?", Dtype::boolean},
    {"i1", Dtype::i8},
    {"u1", Dtype::u8},
    {"i2", Dtype::i16},
    {"u2", Dtype::u16},
    {"i4", Dtype::i32},
    {"u4", Dtype::u32},
    {"i8", Dtype::i64},
    {"u8", Dtype::u64},
    {"f2", Dtype::f16},
    {"f4", Dtype::f32},
    {"f8", Dtype::f64},
    {"c8", Dtype::c64},
    {"c16", Dtype::c128},
}};

// What the elements are where they are no numbers that can be loaded; nullopt for a type that NumPy does not have.
std::optional<std::string> foreign_type(std::string_view name) {
  if (name.starts_with('O')) return "Python objects (a pickle)";
  if (name.starts_with('S') || name.starts_with('U') || name.starts_with('a')) return "text";
  if (name.starts_with('M') || name.starts_with('m')) return "dates or durations";
  if (name.starts_with('V')) {
    return fmt::format("raw bytes {} (which is how NumPy writes types that it does not know, as bfloat16)",
                       in_quotes(name));
  }
  if (name == "f12" || name == "f16" || name == "g") return "long doubles";
  if (name == "c24" || name == "c32" || name == "G") return "complex long doubles";
  return std::nullopt;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const NpyError& error) : text_(text), error_(error) {}

  NpyHeader read() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{', "a Python dict");
    while (!take('}')) {
      const size_t key_at = at_;
      const std::string key = string();
      bool* const seen = key == "descr"           ? &has_descr
                         : key == "fortran_order" ? &has_order
                         : key == "shape"         ? &has_shape
                                                  : nullptr;
      if (seen == nullptr || *seen) {
        fail(key_at, fmt::format("the key {}{}", in_quotes(key), seen != nullptr ? " a second time" : ""),
             "descr, fortran_order and shape, each once");
      }
      *seen = true;
      expect(':', "a colon");
      if (seen == &has_descr) {
        read_descr(header);
      } else if (seen == &has_order) {
        header.fortran = read_bool();
      } else {
        read_shape(header);
      }
      if (take('}')) break;
      expect(',', "a comma or the end of the dict");
    }
    if (!has_descr || !has_order || !has_shape) fail(at_, "the end of the dict", "descr, fortran_order and shape");
    skip_space();
    if (at_ != text_.size()) fail(at_, shown(), "nothing but spaces after the dict");
    return header;
  }

 private:
  void read_descr(NpyHeader& header) {
    skip_space();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      header.foreign = "records (a structured dtype)";
      skip_nested();
      return;
    }
    const size_t descr_at = at_;
    const std::string descr = string();
    std::string_view name = descr;
    const bool ordered = !name.empty() && std::string_view("<>|=").find(name[0]) != std::string_view::npos;
    if (ordered) name.remove_prefix(1);
    for (const StoredName& known : kDtypes) {
      if (known.name == name) header.dtype = known.dtype;
    }
    header.big_endian = descr.starts_with('>');
    if (header.dtype) return;
    const std::optional<std::string> foreign = foreign_type(name);
    if (!foreign) fail(descr_at, fmt::format("the dtype {}", in_quotes(descr)), "one that NumPy has");
    header.foreign = *foreign;
  }

  // Passes a list or tuple, and the ones and texts in it.
  void skip_nested() {
    size_t depth = 0;
    do {
      skip_space();
      if (at_ == text_.size()) fail(at_, shown(), "the end of the dtype");
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        string();
        continue;
      }
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      ++at_;
    } while (depth > 0);
  }

  bool read_bool() {
    skip_space();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail(at_, shown(), "True or False");
  }

  void read_shape(NpyHeader& header) {
    expect('(', "a tuple of dimensions");
    while (!take(')')) {
      if (header.shape.size() == kMaximumAxes) {
        fail(at_, fmt::format("more than {} dimensions", kMaximumAxes), "as many at the most");
      }
      header.shape.push_back(number());
      if (take(')')) {
        if (header.shape.size() == 1) fail(at_, "a dimension alone in parentheses", "a comma after it");
        break;
      }
      expect(',', "a comma or the end of the tuple");
    }
  }

  uint64_t number() {
    skip_space();
    const size_t begin = at_;
    uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, static_cast<uint64_t>(text_[at_] - '0'), &value)) {
        fail(begin, "a dimension of 2^64 or more", "a smaller one");
      }
    }
    if (at_ == begin) fail(at_, shown(), "a dimension: a whole number, 0 or more");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2's long
    return value;
  }

  // A text in quotes; none that NumPy writes here holds an escape or a quote, and a field's name is only passed over.
  std::string string() {
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) fail(at_, shown(), "a text in quotes");
    const char quote = text_[at_];
    std::string value;
    for (size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == quote) {
        at_ = i + 1;
        return value;
      }
      if (text_[i] == '\\' && ++i == text_.size()) break;
      value += text_[i];
    }
    fail(at_, "a text without an end", "a closing quote");
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted, std::string_view what) {
    if (!take(wanted)) fail(at_, shown(), fmt::format("{} in the header", what));
  }

  std::string shown() const { return at_ < text_.size() ? in_quotes(text_.substr(at_, 16)) : "the end of the header"; }
  [[noreturn]] void fail(size_t at, const std::string& found, const std::string& expected) const {
    throw error_(at, found, expected);
  }

  const std::string_view text_;
  const NpyError& error_;
  size_t at_ = 0;
};

}  // namespace

NpyHeader read_npy_header(std::string_view text, const NpyError& error) {
  return HeaderParser(text, error).read();
}

}  // namespace weighbridge
