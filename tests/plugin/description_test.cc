// Libraries that are no plug-in, or describe themselves in a way that cannot be: one line, and nothing is run.
#include <algorithm>
#include <chrono>

#include "tests/plugin/built_plugin.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

enum Case {
  kOtherVersion = 1,
  kManyStrategies,
  kManyOptions,
  kNoName,
  kBadName,
  kBuiltInName,
  kNoLoad,
  kBadText,
  kNoTable,
  kNoEntry,
  kNull,
  kExits,
  kHangs,
  kMissesFunction,
  kForks
};

std::string broken(Case which) {
  return built_plugin("tests/plugin/broken.c", {"-DCASE=" + std::to_string(which)});
}

void expect_refused(const std::string& path, const std::string& expected) {
  const Outcome outcome = run({weighbridge(), "list", "--plugin", path});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 3);
  CHECK(outcome.out.empty());
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.err.find('\033') == std::string::npos);
  CHECK_THAT(outcome.err, ContainsSubstring(path + ": "));
  CHECK_THAT(outcome.err, ContainsSubstring(expected));
}

TEST_CASE("a library of another version of the interface is told both versions") {
  expect_refused(broken(kOtherVersion), "was built for version 2 of the plug-in interface, this program has version 1");
}

TEST_CASE("what is no plug-in is refused with one line") {
  expect_refused(broken(kNoEntry), "has no function weighbridge_plugin()");
  expect_refused(broken(kMissesFunction), "is_nowhere");
  expect_refused(small_gpt2(), "could not be loaded as a shared library");
  const Scratch scratch;
  const Outcome missing = run({weighbridge(), "list", "--plugin", scratch / "nothing.so"});
  CHECK(missing.status == 3);
  CHECK_THAT(missing.err, ContainsSubstring("nothing.so: No such file or directory"));
  CHECK(run({weighbridge(), "list", "--plugin", scratch.path()}).status == 3);
  CHECK(run({weighbridge(), "list", "--plugin", ""}).status == 2);
}

TEST_CASE("a description that makes no sense is refused with one line") {
  expect_refused(broken(kNull), "returned NULL");
  expect_refused(broken(kManyStrategies), "it says that it has 1000000000 strategies");
  expect_refused(broken(kManyOptions), "says that it has 1000000000 options");
  expect_refused(broken(kNoName), "found \"\" for a name of a strategy");
  expect_refused(broken(kBadName), "for a name of a strategy, expected at most 64 letters");
  expect_refused(broken(kBuiltInName), "its strategy eager has the name of one that is there already");
  expect_refused(broken(kNoLoad), "has no load");
  expect_refused(broken(kBadText), "expected one printable line");
}

TEST_CASE("a library that crashes, exits or hangs while it describes itself costs one line and a bounded time") {
#ifndef WEIGHBRIDGE_SANITIZE  // a sanitizer turns the signal into an exit status
  expect_refused(broken(kNoTable), "crashed with signal 11");
#endif
  expect_refused(broken(kExits), "ended the process");
  const Scratch scratch;
  const auto start = std::chrono::steady_clock::now();
  const Outcome hung =
      run({weighbridge(), "run", small_gpt2(), "--plugin", broken(kHangs), "--timeout", "1", "--out", scratch / "out"});
  CHECK(hung.status == 3);
  CHECK_THAT(hung.err, ContainsSubstring("did not describe itself within 1 s"));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("a process that a library leaves behind while it describes itself holds nobody up") {
  const auto start = std::chrono::steady_clock::now();
  CHECK(run({weighbridge(), "list", "--plugin", broken(kForks)}).status == 0);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
}

TEST_CASE("two libraries with a strategy of the same name are refused, one given twice counts once") {
  const std::string first = built_plugin("examples/plugin/whole_file.c"),
                    second = built_plugin("examples/plugin/whole_file.c", {"-O1"});
  const Outcome both = run({weighbridge(), "plan", small_gpt2(), "--plugin", first, "--plugin", second});
  CHECK(both.status == 3);
  CHECK_THAT(both.err, ContainsSubstring("its strategy whole-file has the name of one in"));
  CHECK(run({weighbridge(), "plan", small_gpt2(), "--plugin", first, "--plugin", first}).status == 0);
}

}  // namespace
}  // namespace weighbridge::test
