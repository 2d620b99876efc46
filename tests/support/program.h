// A program under test as a real process: its output, its status, its children.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weighbridge::test {

// A folder of its own for a test, removed with everything in it.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  ~Scratch();
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Outcome {
  int status = -1;  // exit status, or 128 + signal
  std::string out, err;
  // VmHWM as it stood at most a millisecond before the program's end. Not ru_maxrss, which also counts whoever started
  // the program and every child that it reaped.
  uint64_t peak_bytes = 0;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

class Program {
 public:
  // `words[0]` is a path. The environment is this process's, with what is given set or replaced.
  explicit Program(std::vector<std::string> words, const Environment& environment = {});
  ~Program();  // kills what still runs
  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The first child process, waited for at most `seconds`.
  std::optional<pid_t> child(double seconds = 20) const;
  Outcome wait();

 private:
  pid_t pid_ = -1;
  Scratch scratch_;
};

Outcome run(std::vector<std::string> words, const Environment& environment = {});

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);

// The programs of this build.
std::string weighbridge();
std::string test_worker();

// A gpt2 with so many layers, made once for the test program's life.
const std::string& small_gpt2();

}  // namespace weighbridge::test
