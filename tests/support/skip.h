// Tests that this machine does not allow: said, and counted by CTest.
//
// A program whose every test needs the same thing prints one such line and checks nothing; CTest then lists it as
// skipped (SKIP_REGULAR_EXPRESSION), and scripts/test prints the reasons.
#pragma once

#include <cstdio>
#include <string>

namespace weighbridge::test {

// True where `reason` is not empty.
inline bool skip(const std::string& reason) {
  if (!reason.empty()) std::printf("skipped: %s\n", reason.c_str());
  return !reason.empty();
}

}  // namespace weighbridge::test
