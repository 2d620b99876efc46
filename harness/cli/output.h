// The folder that run and fit write into.
#pragma once

#include <cstdint>
#include <string>

#include "reports/record.h"

namespace weighbridge::cli {

// Makes the folder and proves that a file can be written there, before hours are spent. Throws Error(environment).
void prepare_folder(const std::string& folder);

// FOLDER/record.json and FOLDER/report.html; the folder is made again where it went away during the run. The record
// first: it is what cannot be made again. What cannot be written is said, and false.
bool write_record_into(const std::string& folder, const reports::Record& record);
bool write_report_into(const std::string& folder, const reports::Record& record);

// The value of --timeout. Throws Error(usage).
uint64_t timeout_ns(double seconds);

}  // namespace weighbridge::cli
