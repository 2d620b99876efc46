#include "harness/run/interrupt.h"

#include <signal.h>

namespace weighbridge {
namespace {

volatile sig_atomic_t flag = 0;

void note(int signal_number) {
  if (flag == 2) {  // asked three times: writing what was measured must have got stuck
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  }
  flag = flag + 1;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;  // without SA_RESTART: a poll that waits returns with EINTR
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // ulimit -f: a write that fails says so
}

bool interrupted() {
  return flag != 0;
}

}  // namespace weighbridge
