#include "reports/column.h"

#include <algorithm>

#include "reports/printable.h"

namespace weighbridge::reports {

void measure(std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i].width = columns_of(columns[i].heading);
    for (const auto& row : rows) columns[i].width = std::max(columns[i].width, columns_of(row[i]));
  }
}

size_t width_of(const std::vector<Column>& columns) {
  size_t width = 0;
  bool first = true;
  for (const Column& column : columns) {
    if (!column.shown) continue;
    width += column.width + (first ? 0 : 2);
    first = false;
  }
  return width;
}

void leave_out(std::vector<Column>& columns, int dropped) {
  for (Column& column : columns) {
    if (column.dropped == dropped) column.shown = false;
  }
}

void put(std::string& line, const Column& column, const std::string& text) {
  if (!line.empty()) line += "  ";
  const std::string pad(column.width - std::min(column.width, columns_of(text)), ' ');
  line += column.right ? pad + text : text + pad;
}

}  // namespace weighbridge::reports
