// What a run has finished, on disk before the next trial starts: OUT/journal.jsonl.
//
// One JSON object a line, each written whole and synced: the record without its trials, then for each trial a line when
// it begins and one when it has ended. A crash can tear the last line only, and that one is not believed. A trial that
// began and has no end was running when this program died.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reports/record.h"

namespace weighbridge {

// A journal that was read back.
struct JournalText {
  reports::Record record;                       // cells without trials
  std::map<uint64_t, reports::Trial> finished;  // by order; the cell's figures still to be made
  std::map<uint64_t, int> torn;                 // order -> how often it began without an end, whatever came later
  int resumed = 0;
  off_t whole_bytes = 0;  // up to the last line that is whole
};

// Throws reports::BadRecord that names the line, Error(environment). nullopt where there is no such file, or not even
// its first line is whole.
std::optional<JournalText> read_journal(const std::string& path);

// Why a run of `now` cannot go on with what was begun as `then`: the first thing that differs; empty when it can.
// Figures of another checkpoint, tool, kernel or setting are not those of this run.
std::string differs(const reports::Record& then, const reports::Record& now);

class Journal {
 public:
  // A new one, its header written. All of these throw Error(environment), also where another run holds it.
  static Journal begin(const std::string& path, const reports::Record& record);
  // Goes on with the one that is there, less a torn last line.
  static Journal resume(const std::string& path, off_t whole_bytes);
  // Renames one that no run holds.
  static void put_aside(const std::string& path, const std::string& aside);
  void begins(uint64_t order, size_t cell);
  void ended(uint64_t order, size_t cell, const reports::Trial& trial);

 private:
  explicit Journal(const std::string& path);
  void cut(off_t bytes);
  void sync();

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace weighbridge
