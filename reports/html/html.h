// The report as one HTML file: works offline, without scripts, on paper and read aloud; scripts add zoom and sorting.
#pragma once

#include <cstdio>
#include <string>

#include "reports/record.h"

namespace weighbridge::reports {

// Streams the page section by section; holds one chart at a time, never the page. Throws std::system_error when the
// stream cannot be written.
void write_html(std::FILE* file, const Record& record);

// Whole or not at all, as atomic_file.h has it. Throws std::system_error that names the path.
void write_html_file(const std::string& path, const Record& record);

}  // namespace weighbridge::reports
