#include "harness/run/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "harness/run/interrupt.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

[[noreturn]] void cannot_start(SharedPage& page) {
  page.exec_errno = errno;
  _exit(127);
}

// In the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_worker(const WorkerSettings& settings, char* const* environment, pid_t parent,
                                SharedPage& page, const int (&from)[5]) {
  constexpr int kFirst = kControlDescriptor;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it died before the line above
  // Its cage first: nothing that it is or becomes is charged elsewhere.
  if (settings.cage_entry >= 0 && write(settings.cage_entry, "0", 1) != 1) {
    page.could_not_enter = 1;
    cannot_start(page);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGINT, SIG_IGN);  // Ctrl-C goes to the whole foreground group; the parent decides what becomes of the worker
  for (const int number : {SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) signal(number, SIG_DFL);
  if (settings.thp_off) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);

  // Above the fixed places first, or one of them could be overwritten before it is moved.
  int moved[5];
  for (int i = 0; i < 5; ++i) {
    moved[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD, kReferenceDescriptor + 1);
    if (from[i] >= 0 && moved[i] < 0) cannot_start(page);
  }
  for (int i = 0; i < 5; ++i) {
    if (moved[i] >= 0 && dup2(moved[i], kFirst + i) < 0) cannot_start(page);
  }
  close_range(static_cast<unsigned>(kFirst + (from[4] < 0 ? 4 : 5)), ~0u, 0);
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (null > kReferenceDescriptor) close(null);

  // The kernel's first choice when memory runs out, not the program that measures.
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score >= 0) {
    [[maybe_unused]] const ssize_t written = write(score, "1000", 4);
    close(score);
  }
  const char* const arguments[] = {settings.program.c_str(), nullptr};
  execve(settings.program.c_str(), const_cast<char* const*>(arguments), environment);
  cannot_start(page);
}

// The environment of a worker: this process's, without what would change its allocator and with it every figure.
class WorkerEnvironment {
 public:
  WorkerEnvironment() {
    for (char** variable = environ; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      const std::string_view name = text.substr(0, text.find('='));
      if (name != "MALLOC_CONF" && name != "LD_PRELOAD" && name != "GLIBC_TUNABLES") kept_.push_back(*variable);
    }
    kept_.push_back(nullptr);
  }
  char* const* get() const { return kept_.data(); }

 private:
  std::vector<char*> kept_;
};

}  // namespace

Descriptor make_memfd(const char* name) {
  Descriptor memfd(memfd_create(name, MFD_CLOEXEC));
  if (memfd.get() < 0) throw system_error("memfd_create", name, errno);
  return memfd;
}

WorkerProcess::WorkerProcess(const Job& job, const WorkerSettings& settings)
    : page_(SharedPageMapping::create()), reply_(make_memfd("weighbridge-reply")) {
  const std::string text = encode(job);
  const Descriptor job_file = make_memfd("weighbridge-job");
  if (pwrite(job_file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw system_error("pwrite", "memfd:weighbridge-job", errno);
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) throw system_error("socketpair", "", errno);
  control_ = Descriptor(pair[0]);
  const Descriptor theirs(pair[1]);

  const int descriptors[5] = {theirs.get(), page_.descriptor(), job_file.get(), reply_.get(), settings.reference};
  const WorkerEnvironment environment;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw system_error("fork", "", errno);
  if (pid_ == 0) become_worker(settings, environment.get(), parent, *page_, descriptors);
  process_ = Descriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0) {
    kill();
    reap();
  }
}

std::optional<Message> WorkerProcess::receive() {
  Message message{};
  ssize_t bytes;
  // A process that the worker forked (a plug-in's) may hold the socket open after the worker's end.
  const int flags = has_ended() ? MSG_DONTWAIT : 0;
  do {
    bytes = recv(control_.get(), &message, sizeof(message), flags);
  } while (bytes < 0 && errno == EINTR);
  if (bytes != sizeof(message)) return std::nullopt;
  return message;
}

void WorkerProcess::go() {
  const Message message{Message::Kind::go, 0};
  send(control_.get(), &message, sizeof(message), MSG_NOSIGNAL);  // a worker that is gone shows in the next receive
}

bool WorkerProcess::has_ended() const {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

bool WorkerProcess::wait(uint64_t ns, bool stream_ended) {
  constexpr uint64_t kWithoutPidfd = 5'000'000;
  if (stream_ended && !process_) ns = std::min(ns, kWithoutPidfd);
  // The end without the stream's: the worker has left a process behind that holds the socket open.
  const timespec timeout{static_cast<time_t>(ns / 1'000'000'000u), static_cast<long>(ns % 1'000'000'000u)};
  pollfd ends[2] = {{stream_ended ? -1 : control_.get(), POLLIN, 0}, {process_.get(), POLLIN, 0}};
  return ppoll(ends, 2, &timeout, nullptr) > 0 || (!process_ && has_ended());
}

void WorkerProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Ending WorkerProcess::reap() {
  int status = 0;
  rusage usage{};  // ru_maxrss is never looked at: it inherits this process's resident set
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  const auto ns = [](const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_usec) * 1000u;
  };
  Ending ending{std::nullopt, std::nullopt, ns(usage.ru_utime) + ns(usage.ru_stime)};
  if (WIFSIGNALED(status)) {
    ending.signal = WTERMSIG(status);
  } else {
    ending.exit_status = WEXITSTATUS(status);
  }
  return ending;
}

std::string WorkerProcess::reply() const {
  constexpr off_t kMostBytes = off_t{1} << 20;
  struct stat info {};
  if (fstat(reply_.get(), &info) != 0) throw system_error("fstat", "memfd:weighbridge-reply", errno);
  if (info.st_size > kMostBytes) {
    throw Error(ErrorKind::environment, fmt::format("the worker's answer has {} bytes, more than this program takes: a "
                                                    "checkpoint of very many files",
                                                    info.st_size));
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  if (pread(reply_.get(), text.data(), text.size(), 0) != info.st_size) {
    throw Error(ErrorKind::environment, "the worker's answer could not be read");
  }
  return text;
}

std::string run_job(const Job& job, const WorkerSettings& settings,
                    const std::function<void(const SharedPage&)>& tick) {
  WorkerProcess worker(job, settings);
  for (;;) {
    pollfd ends{worker.control(), POLLIN, 0};
    const int ready = poll(&ends, 1, 100);
    if (interrupted()) {
      worker.kill();
      worker.reap();
      throw Interrupted();
    }
    if (tick) tick(worker.page());
    if (ready > 0 || worker.has_ended()) {
      if (!worker.receive()) break;
      worker.go();  // it asked before it prints: what `tick` showed is gone by now
    }
  }
  const Ending ending = worker.reap();
  const SharedPage& page = worker.page();
  if (page.exec_errno != 0) throw system_error("execve", settings.program, page.exec_errno, ErrorKind::environment);
  if (const uint32_t failed = page.failed.load(std::memory_order_acquire); failed != 0) {
    const auto kind = failed == kCrashed ? ErrorKind::environment : static_cast<ErrorKind>(failed - 1);
    throw Error(kind == ErrorKind::refused ? ErrorKind::environment : kind, page.message.data());
  }
  if (ending.signal == SIGPIPE) throw BrokenPipe();
  if (ending.signal) {
    const int number = *ending.signal;
    const bool crashed =
        number == SIGSEGV || number == SIGBUS || number == SIGABRT || number == SIGILL || number == SIGFPE;
    throw Error(crashed ? ErrorKind::bad_input : ErrorKind::environment,
                fmt::format("{}: the process that was reading it {} signal {} ({}){}", printable(job.model),
                            crashed ? "crashed with" : "was killed by", number, strsignal(number),
                            number == SIGKILL ? ": was the machine out of memory?" : ""));
  }
  if (ending.exit_status != 0) {
    throw Error(ErrorKind::environment,
                fmt::format("{}: the process that was reading it ended with status {} and without a message",
                            printable(job.model), *ending.exit_status));
  }
  return worker.reply();
}

}  // namespace weighbridge
