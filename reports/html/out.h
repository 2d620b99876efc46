// Where the page goes: a buffered stream whose strings are escaped unless they are said to be markup.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "reports/html/escape.h"

namespace weighbridge::reports::html {

// A string that is HTML already, made from our own text and from escaped parts.
struct Markup {
  std::string html;
};

namespace detail {
template <class T>
auto safe(const T& value) {
  if constexpr (std::is_same_v<T, Markup>) {
    return std::string(value.html);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return escape(std::string_view(value));
  } else {
    static_assert(std::is_arithmetic_v<T>, "text, Markup or a number");
    return value;
  }
}
template <class T>
using Safe = decltype(safe(std::declval<const T&>()));
}  // namespace detail

// Markup from a format; every argument that is text is escaped, so that forgetting it is not possible.
template <class... Args>
Markup markup(fmt::format_string<detail::Safe<Args>...> format, const Args&... args) {
  return {fmt::format(format, detail::safe(args)...)};
}

class Out {
 public:
  explicit Out(std::FILE* file) : file_(file) {}
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  void raw(std::string_view html) {
    buffer_.append(html.data(), html.data() + html.size());
    if (buffer_.size() > 64 * 1024) flush();
  }
  void raw(const Markup& markup) { raw(markup.html); }
  template <class... Args>
  void print(fmt::format_string<detail::Safe<Args>...> format, const Args&... args) {
    raw(fmt::format(format, detail::safe(args)...));
  }
  // Throws std::system_error when the stream does not take it.
  void flush();

 private:
  std::FILE* file_;
  fmt::memory_buffer buffer_;
};

}  // namespace weighbridge::reports::html
