// without_io_uring COMMAND...: runs it where io_uring is refused.
#include <unistd.h>

#include <cstdio>

#include "tests/support/forbid.h"

int main(int count, char** words) {
  if (count < 2 || !weighbridge::test::forbid_io_uring()) {
    std::fputs("without_io_uring: no command, or no seccomp filter can be set here\n", stderr);
    return 125;
  }
  execvp(words[1], words + 1);
  std::perror(words[1]);
  return 127;
}
