#include "harness/run/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include "harness/probe/descriptor.h"
#include "reports/json.h"
#include "reports/units.h"
#include "reports/verdict.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// A line is one of these, followed by what it holds; all end with the closing brace.
constexpr std::string_view kHeader = R"({"record":)", kResumed = R"({"resumed":true)", kBegins = R"({"begins":)",
                           kEnded = R"({"ended":)", kTrial = R"(,"trial":)";

bool starts(std::string_view line, std::string_view with) {
  return line.substr(0, with.size()) == with;
}

// Line by line, each whole: what follows the last newline was being written when everything ended, and is left out.
class LineReader {
 public:
  LineReader(int file, const std::string& path) : file_(file), path_(path) {}
  size_t number() const { return number_; }  // of the last line, from 1
  off_t bytes() const { return bytes_; }     // up to its end
  bool next(std::string& line) {
    for (;;) {
      const size_t end = ahead_.find('\n', searched_);
      if (end != std::string::npos) {
        line = ahead_.substr(0, end);
        ahead_.erase(0, end + 1);
        searched_ = 0;
        bytes_ += static_cast<off_t>(end) + 1;
        ++number_;
        return true;
      }
      searched_ = ahead_.size();
      if (ahead_.size() > kLongestLine) {
        throw reports::BadRecord(
            fmt::format("{}: line {}: found more than {} bytes without an end, expected a line of a "
                        "journal",
                        path_, number_ + 1, kLongestLine));
      }
      std::array<char, 64 << 10> block;
      const ssize_t got = read(file_, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw system_error("read", path_, errno, ErrorKind::environment);
      if (got == 0) return false;
      ahead_.append(block.data(), static_cast<size_t>(got));
    }
  }

 private:
  static constexpr size_t kLongestLine = 16 << 20;  // a trial's timeline is below 1 MiB
  const int file_;
  const std::string& path_;
  std::string ahead_;
  size_t searched_ = 0, number_ = 0;
  off_t bytes_ = 0;
};

uint64_t number_at(std::string_view text) {
  return std::strtoull(std::string(text.substr(0, 20)).c_str(), nullptr, 10);
}

}  // namespace

std::optional<JournalText> read_journal(const std::string& path) {
  // Anything but a regular file counts as not there: a FIFO in its place would block for ever.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file || fstat(file.get(), &info) != 0) throw system_error("open", path, errno, ErrorKind::environment);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorKind::environment, path + " is not a regular file");
  LineReader lines(file.get(), path);
  JournalText journal;
  for (std::string line; lines.next(line);) {
    const std::string name = fmt::format("{}: line {}", path, lines.number());
    const auto expect = [&](bool holds) {
      if (!holds) throw reports::BadRecord(name + ": found no line of a journal, expected one");
    };
    expect(!line.empty() && line.back() == '}');
    const std::string_view body(line.data(), line.size() - 1);
    if (lines.number() == 1) {
      expect(starts(body, kHeader));
      journal.record = reports::parse_record(body.substr(kHeader.size()), name);
    } else if (starts(body, kResumed)) {
      ++journal.resumed;
    } else if (starts(body, kBegins)) {
      ++journal.torn[number_at(body.substr(kBegins.size()))];
    } else {
      const size_t trial = body.find(kTrial);
      expect(starts(body, kEnded) && trial != std::string_view::npos);
      const uint64_t order = number_at(body.substr(kEnded.size()));
      if (const auto begun = journal.torn.find(order); begun != journal.torn.end() && --begun->second == 0) {
        journal.torn.erase(begun);
      }
      reports::Trial ended = reports::parse_trial(body.substr(trial + kTrial.size()), name);
      expect(reports::is_verdict(ended.verdict));
      journal.finished.insert_or_assign(order, std::move(ended));
    }
    journal.whole_bytes = lines.bytes();
  }
  if (journal.record.cells.empty()) return std::nullopt;  // not even the header was whole
  return journal;
}

namespace {

// A library that was built anew is another one: what it measures may be something else.
std::string plugins(const reports::Record& record) {
  std::string text;
  for (const reports::Plugin& plugin : record.settings.plugins) {
    text += fmt::format("{}{} (SHA-256 {})", text.empty() ? "" : ", ", printable(plugin.path), plugin.sha256);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string differs(const reports::Record& then, const reports::Record& now) {
  const auto was = [](std::string_view what, const auto& before, const auto& after) {
    return before == after ? std::string() : fmt::format("{} was {}, and is {} now", what, before, after);
  };
  const auto limit = [](const reports::Figure& bytes) { return bytes ? reports::human(*bytes) : std::string("none"); };
  const auto &a = then.checkpoint, &b = now.checkpoint;
  std::vector<std::string> found{
      was("the checkpoint's path", a.path, b.path),
      was("the checkpoint's size", a.file_bytes, b.file_bytes),
      was("the number of its tensors", a.tensors, b.tensors),
      was("weighbridge's version", then.version + " " + then.commit, now.version + " " + now.commit),
      was("the kernel", then.machine.kernel, now.machine.kernel),
      was("the machine's memory", then.machine.memory_bytes, now.machine.memory_bytes),
      was("--repeat", then.settings.repeat, now.settings.repeat),
      was("--passes", then.settings.passes, now.settings.passes),
      was("--plugin", plugins(then), plugins(now)),
      was("--thp", then.settings.thp, now.settings.thp),
      was("the sampling interval", then.settings.sample_interval_ns, now.settings.sample_interval_ns),
      was("--reserve", limit(then.settings.reserve_bytes), limit(now.settings.reserve_bytes)),
      was("the number of cells", then.cells.size(), now.cells.size()),
  };
  for (size_t index = 0; index < std::min(then.cells.size(), now.cells.size()); ++index) {
    const reports::Cell &c = then.cells[index], &d = now.cells[index];
    const std::string cell = fmt::format("cell {}", index + 1);
    found.push_back(was(cell, reports::cell_name(c), reports::cell_name(d)));
    found.push_back(was(cell + "'s limit", limit(c.limit_bytes), limit(d.limit_bytes)));
    found.push_back(was(cell + "'s swap limit", limit(c.swap_limit_bytes), limit(d.swap_limit_bytes)));
    found.push_back(was(cell + "'s cache", c.cache, d.cache));
    found.push_back(was(cell + "'s cage", c.cage, d.cage));
  }
  const auto first = std::find_if(found.begin(), found.end(), [](const std::string& text) { return !text.empty(); });
  return first == found.end() ? std::string() : *first;
}

// Locked as long as the program lives: two runs in one folder would write over each other's results.
Journal::Journal(const std::string& path) : path_(path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) throw system_error("open", path, errno, ErrorKind::environment);
  file_.reset(fdopen(file, "a"));
  if (!file_) {
    close(file);
    throw system_error("fdopen", path, errno, ErrorKind::environment);
  }
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw Error(ErrorKind::environment, path + " belongs to a run that is still going: take another --out");
  }
}

void Journal::cut(off_t bytes) {
  if (ftruncate(fileno(file_.get()), bytes) != 0) {
    throw system_error("ftruncate", path_, errno, ErrorKind::environment);
  }
}

void Journal::put_aside(const std::string& path, const std::string& aside) {
  const Journal held(path);
  if (std::rename(path.c_str(), aside.c_str()) != 0) {
    throw system_error("rename", path, errno, ErrorKind::environment);
  }
}

Journal Journal::begin(const std::string& path, const reports::Record& record) {
  Journal journal(path);
  journal.cut(0);
  std::fputs(kHeader.data(), journal.file_.get());
  reports::Record header = record;
  for (reports::Cell& cell : header.cells) cell.trials.clear();
  reports::write_record_line(journal.file_.get(), header);
  journal.sync();
  return journal;
}

Journal Journal::resume(const std::string& path, off_t whole_bytes) {
  Journal journal(path);
  struct stat info {};
  if (fstat(fileno(journal.file_.get()), &info) != 0 || info.st_size < whole_bytes) {
    throw Error(ErrorKind::environment, path + " was changed by another program while it was read");
  }
  journal.cut(whole_bytes);
  std::fputs(kResumed.data(), journal.file_.get());
  journal.sync();
  return journal;
}

void Journal::begins(uint64_t order, size_t cell) {
  fmt::print(file_.get(), "{}{},\"cell\":{}", kBegins, order, cell);
  sync();
}

void Journal::ended(uint64_t order, size_t cell, const reports::Trial& trial) {
  fmt::print(file_.get(), "{}{},\"cell\":{}{}", kEnded, order, cell, kTrial);
  reports::write_trial(file_.get(), trial);
  sync();
}

void Journal::sync() {
  std::fputs("}\n", file_.get());
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0) {
    throw system_error("write", path_, errno, ErrorKind::environment);
  }
  if (fdatasync(fileno(file_.get())) != 0 && errno != EINVAL && errno != EROFS) {
    throw system_error("fdatasync", path_, errno, ErrorKind::environment);
  }
}

}  // namespace weighbridge
