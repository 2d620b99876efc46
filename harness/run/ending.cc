#include "harness/run/ending.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "harness/probe/procfs.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

std::string signal_name(int number) {
  return fmt::format("signal {} ({})", number, strsignal(number));
}

// A refused allocation is the work of a limit on address space or data, or of a kernel that promises no more than it
// has. All three are still to be seen.
void explain_refusal(reports::Trial& trial, const SharedPage& page) {
  const auto limit_of = [&](decltype(RLIMIT_AS) resource, const char* name, const char* figure) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    reports::Evidence evidence{name, fmt::format("is {}", reports::human(limit.rlim_cur)), {{figure, limit.rlim_cur}}};
    if (resource == RLIMIT_AS && page.failed_vm_bytes != 0) {
      evidence.said += fmt::format("; {} were taken when it failed", reports::human(page.failed_vm_bytes.load()));
      evidence.figures.emplace_back("vm_size_bytes", page.failed_vm_bytes.load());
    }
    trial.evidence.push_back(std::move(evidence));
  };
  limit_of(RLIMIT_AS, "ulimit -v", "address_space_limit_bytes");
  limit_of(RLIMIT_DATA, "ulimit -d", "data_limit_bytes");
  const ProcText mode = read_proc("/proc/sys/vm/overcommit_memory"), meminfo = read_proc("/proc/meminfo");
  if (!mode.text || !meminfo.text) return;
  const auto most = number_after(*meminfo.text, "CommitLimit:"),
             promised = number_after(*meminfo.text, "Committed_AS:");
  reports::Evidence evidence{"overcommit", fmt::format("vm.overcommit_memory is {}", mode.text->substr(0, 1)), {}};
  if (mode.text->rfind('2', 0) == 0 && most && promised) {
    evidence.said += fmt::format(": CommitLimit {}, of which {} were promised without this worker",
                                 reports::human(*most * 1024), reports::human(*promised * 1024));
    evidence.figures = {{"commit_limit_bytes", *most * 1024}, {"committed_bytes", *promised * 1024}};
  }
  trial.evidence.push_back(std::move(evidence));
}

// "SIGTERM from process 4711 (bash), user 1000"
std::string sender_of(const SharedPage& page) {
  std::string sender = fmt::format("process {}", page.signal_pid.load());
  if (page.signal_sender[0] != '\0') sender += fmt::format(" ({})", printable(page.signal_sender.data(), 32));
  return sender + fmt::format(", user {}", page.signal_uid.load());
}

// SIGKILL tells nothing of itself: whether memory was the reason is for the witnesses.
std::optional<OomLines> judge_kill(reports::Trial& trial, OomWitness::Account account) {
  for (reports::Evidence& evidence : account.evidence) trial.evidence.push_back(std::move(evidence));
  if (account.killed) {
    trial.verdict = reports::verdict::oom_killed;
    trial.reason = fmt::format(
        "killed by the kernel's out-of-memory killer in phase {}{}", trial.reached,
        account.whose.empty() ? "; nothing here tells whose limit it was" : ": " + account.whose + " was used up");
    return std::move(account.log);
  }
  trial.verdict = reports::verdict::killed;
  trial.reason = fmt::format(
      "killed from outside by {} in phase {}, not by the out-of-memory killer; the kernel tells nobody who sends a "
      "SIGKILL",
      signal_name(SIGKILL), trial.reached);
  return std::nullopt;
}

void judge_signal(reports::Trial& trial, int number, const SharedPage& page, pid_t pid) {
  const bool noted = page.signal_number.load(std::memory_order_acquire) == number;
  const bool sent = noted && page.signal_code <= 0;
  const bool is_a_crash = number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
                          number == SIGABRT || number == SIGTRAP || number == SIGSYS;
  if (noted) {
    trial.evidence.push_back(
        {"siginfo of the worker",
         sent ? "sent by " + sender_of(page)
              : fmt::format("si_code {}, at address {:#x}", page.signal_code.load(), page.signal_address.load()),
         {}});
  }
  const bool by_itself = sent && page.signal_pid == pid;  // abort() sends SIGABRT to itself
  if ((is_a_crash && !sent) || by_itself) {
    trial.verdict = reports::verdict::failed;
    trial.reason = fmt::format("crashed with {} in phase {}{}{}", signal_name(number), trial.reached, at_what(page),
                               !noted             ? ", or was sent it before it could say so"
                               : number == SIGBUS ? ": a mapped file was cut short, or could not be read"
                                                  : "");
  } else {
    trial.verdict = reports::verdict::killed;
    trial.reason = fmt::format("killed from outside by {} in phase {}{}", signal_name(number), trial.reached,
                               sent ? ", sent by " + sender_of(page) : std::string());
  }
}

}  // namespace

std::string at_what(const SharedPage& page) {
  const std::string_view doing(page.doing.data(), strnlen(page.doing.data(), page.doing.size()));
  return doing.empty() ? std::string() : ", " + printable(doing);
}

std::optional<OomLines> judge_ending(reports::Trial& trial, const Ending& ending, const SharedPage& page, pid_t pid,
                                     OomWitness& witness, bool finished) {
  if (const uint32_t failed = page.failed.load(std::memory_order_acquire); failed != 0) {
    const bool refused = failed == 1 + static_cast<uint32_t>(ErrorKind::refused);
    trial.verdict = refused ? reports::verdict::refused : reports::verdict::failed;
    trial.reason = page.message.data();
    trial.evidence.push_back({"message of the worker", trial.reason, {}});
    if (refused) explain_refusal(trial, page);
  } else if (ending.signal) {
    const int number = *ending.signal;
    trial.evidence.push_back(
        {"wait status", fmt::format("ended by {}", signal_name(number)), {{"signal", static_cast<uint64_t>(number)}}});
    if (number == SIGKILL) return judge_kill(trial, witness.account(pid));
    judge_signal(trial, number, page, pid);
  } else if (ending.exit_status != 0 || !finished) {
    const int status = ending.exit_status.value_or(-1);
    trial.verdict = reports::verdict::failed;
    trial.reason = fmt::format("the worker ended with status {} in phase {}{}, without a message", status,
                               trial.reached, at_what(page));
    trial.evidence.push_back({"wait status", fmt::format("exited with status {}", status), {}});
  }
  return std::nullopt;
}

}  // namespace weighbridge
