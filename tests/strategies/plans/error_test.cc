#include "strategies/error.h"

#include <cerrno>

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

TEST_CASE("what a checkpoint names is shown, and cannot act on a terminal") {
  CHECK(printable("h.0.attn.weight") == "h.0.attn.weight");
  CHECK(printable("größe 権重") == "größe 権重");
  CHECK(printable("\x1b[31m\x07\n\x7f") == "\\x1b[31m\\x07\\x0a\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u{9b}31m");  // C1: an escape sequence of one character
  CHECK(printable("a\xe2\x80\xae"
                  "b\xe2\x81\xa6") == "a\\u{202e}b\\u{2066}");     // right-to-left override, isolate
  CHECK(printable("a\xe2\x80\xa8") == "a\\u{2028}");               // line separator
  CHECK(printable("\x9b\xff\xc0\x80") == "\\x9b\\xff\\xc0\\x80");  // no UTF-8, an overlong zero among it
  CHECK(printable("\xed\xa0\x80\xf4\x90\x80\x80") ==
        "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");  // a surrogate, beyond U+10FFFF
  CHECK(printable("\xe6\x9d") == "\\xe6\\x9d");  // cut off
}

TEST_CASE("a long text is cut between characters") {
  CHECK(printable(std::string(1000, 'n'), 10) == "nnnnnnnnnn...");
  CHECK(printable("権重権重", 4) == "権重...");
}

TEST_CASE("a system error says call, path and reason; what is wrong with a user's path is bad input") {
  const Error missing = system_error("open", "model\n.bin", ENOENT);
  CHECK(std::string(missing.what()) == "open model\\x0a.bin: No such file or directory");
  CHECK(missing.kind() == ErrorKind::bad_input);
  CHECK(system_error("open", "x", ENOENT, ErrorKind::environment).kind() == ErrorKind::environment);
  CHECK(system_error("read", "x", EIO).kind() == ErrorKind::environment);
  CHECK(std::string(format_error("f", 8, "an array", "an object").what()) ==
        "f: byte 8: found an array, expected an object");
}

}  // namespace
}  // namespace weighbridge::test
