// A record as the program wrote it, for the end-to-end tests.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {

using nlohmann::json;

constexpr int64_t kMiB = 1 << 20;

inline const Environment& with_test_worker() {
  static const Environment environment = {{"WEIGHBRIDGE_WORKER", test_worker()}};
  return environment;
}

inline const json& cell_of(const json& record, const char* strategy) {
  for (const json& cell : record["cells"]) {
    if (cell["strategy"] == strategy) return cell;
  }
  throw std::runtime_error(std::string("no cell ") + strategy);
}

// After a real validator has held it against the schema.
inline json valid_record(const std::string& path) {
  const std::string source = WEIGHBRIDGE_SOURCE_DIR;
  const Outcome outcome = run({"/usr/bin/python3", source + "/tests/reports/validate_record.py",
                               source + "/reports/schema/record.schema.json", path});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  return json::parse(read_file(path));
}

// Of one source, of a trial; null when it is not there.
inline json evidence_of(const json& trial, const std::string& source) {
  for (const json& evidence : trial["evidence"]) {
    if (evidence["source"].get<std::string>().find(source) != std::string::npos) return evidence;
  }
  return nullptr;
}

}  // namespace weighbridge::test
