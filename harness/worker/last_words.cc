#include "harness/worker/last_words.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace weighbridge {
namespace {

SharedPage* words = nullptr;

// The sender may be gone a moment later: its name is read here. open and read are async-signal-safe, snprintf of an
// integer is in practice (it takes no lock and allocates nothing), the path is short.
void name_sender(pid_t pid) {
  std::array<char, 32> path;
  std::snprintf(path.data(), path.size(), "/proc/%d/comm", pid);
  const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  const ssize_t bytes = read(file, words->signal_sender.data(), words->signal_sender.size() - 1);
  if (bytes > 0 && words->signal_sender[static_cast<size_t>(bytes) - 1] == '\n')
    words->signal_sender[static_cast<size_t>(bytes) - 1] = '\0';
  close(file);
}

void speak(int number, siginfo_t* info, void*) {
  if (words->signal_number == 0) {
    words->signal_code = info->si_code;
    if (info->si_code <= 0) {  // SI_USER, SI_QUEUE, SI_TKILL: sent, not caused
      words->signal_pid = info->si_pid;
      words->signal_uid = info->si_uid;
      name_sender(info->si_pid);
    } else {
      words->signal_address = reinterpret_cast<uint64_t>(info->si_addr);
    }
    words->signal_number.store(number, std::memory_order_release);
  }
  signal(number, SIG_DFL);
  raise(number);  // blocked until this handler returns, then fatal
}

}  // namespace

void leave_last_words(SharedPage& page) {
  words = &page;
  // A stack of its own, as the first word may be that the other one has overflowed.
  static std::array<char, 64 << 10> stack;
  const stack_t alternate{stack.data(), 0, stack.size()};
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = speak;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  constexpr int kHarmless[] = {SIGKILL, SIGSTOP, SIGINT,  SIGCHLD, SIGCONT,
                               SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH};  // or not to be caught
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (std::find(std::begin(kHarmless), std::end(kHarmless), number) == std::end(kHarmless)) {
      sigaction(number, &action, nullptr);
    }
  }
}

}  // namespace weighbridge
