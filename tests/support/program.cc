#include "tests/support/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "harness/probe/status.h"

extern char** environ;

namespace weighbridge::test {

Scratch::Scratch() {
  const char* folder = std::getenv("TMPDIR");
  path_ = std::string(folder != nullptr ? folder : "/tmp") + "/weighbridge-test-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(std::vector<std::string> words, const Environment& environment) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    bool replaced = false;
    for (const auto& [name, value] : environment) replaced |= text.rfind(name + "=", 0) == 0;
    if (!replaced) variables.push_back(text);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> arguments, variable_pointers;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& variable : variables) variable_pointers.push_back(variable.data());
  arguments.push_back(nullptr);
  variable_pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (scratch_ / "out").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (scratch_ / "err").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  const int error = posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), variable_pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + words[0]);
}

Program::~Program() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Program::signal(int number) const {
  kill(pid_, number);
}

std::optional<pid_t> Program::child(double seconds) const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children";
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    pid_t child = 0;
    if (std::ifstream(path) >> child) return child;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return std::nullopt;
}

Outcome Program::wait() {
  int status = 0;
  Outcome outcome;
  const StatusFile memory(pid_);
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (const auto now = memory.read()) outcome.peak_bytes = now->high_water;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  pid_ = -1;
  outcome.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  outcome.out = read_file(scratch_ / "out");
  outcome.err = read_file(scratch_ / "err");
  return outcome;
}

Outcome run(std::vector<std::string> words, const Environment& environment) {
  return Program(std::move(words), environment).wait();
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string weighbridge() {
  return std::string(WEIGHBRIDGE_BIN_DIR) + "/weighbridge";
}
std::string test_worker() {
  return std::string(WEIGHBRIDGE_BIN_DIR) + "/weighbridge-test-worker";
}

const std::string& small_gpt2() {
  static const Scratch scratch;
  static const std::string path = [] {
    std::string file = scratch / "gpt2-two-layers.safetensors";
    const Outcome made = run({weighbridge(), "synth", "gpt2", "--layers", "2", "-o", file});
    if (made.status != 0) throw std::runtime_error("synth: " + made.err);
    return file;
  }();
  return path;
}

}  // namespace weighbridge::test
