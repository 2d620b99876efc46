#include "harness/cage/scope.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "harness/probe/procfs.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr const char* kDone = "WEIGHBRIDGE_IN_SCOPE";

std::vector<std::string> scope_command() {
  std::vector<std::string> words{"systemd-run", "--scope", "--quiet", "--collect"};
  if (geteuid() != 0) words.emplace_back("--user");
  for (const char* property : {"Delegate=yes", "OOMPolicy=continue"}) {
    words.emplace_back("-p");
    words.emplace_back(property);
  }
  words.emplace_back("--");
  return words;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return argv;
}

// This program's own arguments, as the kernel has them.
std::vector<std::string> own_command() {
  const ProcText text = read_proc("/proc/self/cmdline");
  std::vector<std::string> words;
  if (!text.text) return words;
  for (size_t at = 0; at < text.text->size();) {
    const size_t end = text.text->find('\0', at);
    words.push_back(text.text->substr(at, end - at));
    at = end == std::string::npos ? text.text->size() : end + 1;
  }
  return words;
}

}  // namespace

std::string restart_in_scope() {
  if (std::getenv(kDone) != nullptr) return "a systemd scope gave no cgroup to make others in";
  if (access("/run/systemd/system", F_OK) != 0) return "systemd does not run here";
  std::vector<std::string> words = scope_command();
  // With something harmless first: once this program has become systemd-run there is nobody left to say what failed.
  words.emplace_back("true");
  std::vector<char*> argv = pointers(words);
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDWR);
    for (const int standard : {0, 1, 2}) dup2(null, standard);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "there is no systemd-run"
                                                           : "systemd-run could not make a scope with Delegate=yes";
  }
  words.pop_back();
  const std::vector<std::string> own = own_command();
  if (own.empty()) return "this program's own arguments cannot be read";
  words.emplace_back("/proc/self/exe");
  char program[4096];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
  if (length <= 0) return "readlink /proc/self/exe failed";
  words.back().assign(program, static_cast<size_t>(length));
  words.insert(words.end(), own.begin() + 1, own.end());
  setenv(kDone, "1", 1);
  argv = pointers(words);
  execvp(argv[0], argv.data());
  const int failed = errno;
  unsetenv(kDone);
  return system_error("execvp", "systemd-run", failed).what();
}

}  // namespace weighbridge
