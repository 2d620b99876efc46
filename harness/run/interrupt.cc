#include "harness/run/interrupt.h"

#include <signal.h>

namespace weighbridge {
namespace {

volatile sig_atomic_t flag = 0;

void note(int signal_number) {
  if (flag != 0) {  // asked twice
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  }
  flag = 1;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;  // without SA_RESTART: a poll that waits returns with EINTR
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return flag != 0; }

void clear_interrupt() { flag = 0; }

}  // namespace weighbridge
