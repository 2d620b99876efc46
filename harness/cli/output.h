// The folder that run and fit write into.
#pragma once

#include <cstdint>
#include <string>

#include "reports/record.h"

namespace weighbridge::cli {

// Makes the folder and proves that a file can be written there, before hours are spent. Throws Error(environment).
void prepare_folder(const std::string& folder);

// FOLDER/record.json first: it is what cannot be made again. What cannot be written is said, and the rest goes on;
// false then.
bool write_record_and_report(const std::string& folder, const reports::Record& record);

// The value of --timeout. Throws Error(usage).
uint64_t timeout_ns(double seconds);

}  // namespace weighbridge::cli
