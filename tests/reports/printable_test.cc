#include "reports/printable.h"

#include <stdio.h>
#include <cstdio>
#include <string>

#include "tests/support/catch.h"

using namespace weighbridge::reports;

TEST_CASE("a word is quoted so that a shell reads it back, on one line") {
  CHECK(shell_quoted("mmap:chunk=1MiB,x=2") == "mmap:chunk=1MiB,x=2");
  CHECK(shell_quoted("--dtype") == "--dtype");
  CHECK(shell_quoted("") == "''");
  CHECK(shell_quoted("two words") == "'two words'");
  CHECK(shell_quoted("it's $HOME") == "'it'\\''s $HOME'");
  CHECK(shell_quoted("a\n'b\\\x1b"
                     "1\xff") == R"($'a\n\'b\\\0331\377')");
  CHECK(shell_quoted_path("-x y") == "'./-x y'");
  CHECK(shell_quoted_path("a/-x") == "a/-x");
  for (const std::string word : {"a b", "it's", "a\nb'c\\d",
                                 "\t\x01"
                                 "7",
                                 "-n", "*", "~", "caf\xc3\xa9", "\xe2\x80\xae"}) {
    const std::string command = "printf %s " + shell_quoted(word);
    std::FILE* shell = ::popen(("bash -c " + shell_quoted(command)).c_str(), "r");
    REQUIRE(shell != nullptr);
    char read[64] = {};
    const size_t size = std::fread(read, 1, sizeof read, shell);
    ::pclose(shell);
    INFO(command);
    CHECK(std::string(read, size) == word);
  }
}
