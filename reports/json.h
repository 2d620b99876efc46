// The record as JSON (schema/record.schema.json), written as a stream and read back whole.
//
// Writing holds one number or text at a time, never a tree: the parent process that measured must stay small even with
// 90 trials of 2,000 samples. Reading is for `report`, `compare` and `merge`, which have no such bound.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "reports/record.h"

namespace weighbridge::reports {

// A file that is not a record, or not one that this version reads. The message is one line for a person:
//   "FILE: byte OFFSET: found FOUND, expected EXPECTED"              where it is not JSON
//   "FILE: cells[0].trials[2].checksum: found FOUND, expected EXPECTED"   where a field is not what it must be
struct BadRecord : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Text that is not UTF-8 is written with U+FFFD, a number that is not finite as null. Throws std::system_error when
// the stream fails; flushes, does not close.
void write_record(std::FILE* file, const Record& record);

// Whole or not at all, as atomic_file.h has it. Throws std::system_error that names the call and the path.
void write_record_file(const std::string& path, const Record& record);

// Throws BadRecord. Fields that this version does not know are skipped, so that a later weighbridge/1 can add some;
// another major version is refused by its name.
Record read_record(const std::string& path);
Record parse_record(std::string_view text, const std::string& name);

// One trial, or a whole record, on one line, for a journal: without the newline. Not flushed.
void write_trial(std::FILE* file, const Trial& trial);
void write_record_line(std::FILE* file, const Record& record);
Trial parse_trial(std::string_view text, const std::string& name);

}  // namespace weighbridge::reports
