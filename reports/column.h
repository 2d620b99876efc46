// Columns of a text table: as wide as their widest text, two spaces apart, and left out where there is no room.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace weighbridge::reports {

struct Column {
  std::string heading;
  bool right = false;
  size_t width = 0;
  int dropped = 0;  // 1 is left out first; 0 never
  bool shown = true;
};

// Takes the widths from the headings and from rows of one printable text for each column.
void measure(std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows);

// Of what is shown, gaps included.
size_t width_of(const std::vector<Column>& columns);

void leave_out(std::vector<Column>& columns, int dropped);

// Appends the text, padded, behind a gap unless the line is empty.
void put(std::string& line, const Column& column, const std::string& text);

}  // namespace weighbridge::reports
