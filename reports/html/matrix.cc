// Strategy x dtype as a heat table: how much of the limit each way needs; what did not end by itself is hatched and
// says so.
#include <algorithm>

#include "reports/html/sections.h"
#include "reports/units.h"

namespace weighbridge::reports::html {
namespace {

constexpr int levels = 6;

// A row is a strategy with all that varies but the dtype.
struct Grid {
  std::vector<std::string> rows, dtypes;
  std::vector<std::vector<size_t>> cells;  // SIZE_MAX where there is none
};

size_t index_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

Grid grid_of(const View& view) {
  Grid grid;
  for (size_t i = 0; i < view.labels.size(); ++i) {
    const Cell& cell = view.cell(i);
    std::string row = view.labels[i];  // "stream:chunk=8MiB/f16 @ 4GiB" without its dtype
    row.erase(strategy_name(cell).size(), cell.dtype.size() + 1);
    const size_t y = index_of(grid.rows, row), x = index_of(grid.dtypes, cell.dtype);
    grid.cells.resize(grid.rows.size());
    grid.cells[y].resize(std::max(grid.cells[y].size(), x + 1), SIZE_MAX);
    grid.cells[y][x] = i;
  }
  for (auto& row : grid.cells) row.resize(grid.dtypes.size(), SIZE_MAX);
  return grid;
}

int heat_of(Bytes need, Bytes whole) {
  return std::min(static_cast<int>(static_cast<double>(need) / static_cast<double>(std::max<Bytes>(whole, 1)) * levels),
                  levels - 1);
}

void write_cell(Out& out, const View& view, size_t index, Bytes heaviest) {
  const Cell& cell = view.cell(index);
  const Outcome what = outcome(cell.verdict);
  const Figure need = cell.need_bytes;
  const Bytes whole = view.limit_of(cell).value_or(heaviest);
  const int heat = what == Outcome::missing || !need ? 0 : heat_of(*need, whole);
  const char* hatch = what == Outcome::fails ? " no" : "";
  out.print("<td class=\"h{}{}\"><a href=\"#cell-{}\"><b>{}{}</b>", heat, hatch, index,
            what == Outcome::fails && need ? "\u2265 " : "", bytes_or_dash(need));
  out.print("<span>{}</span></a></td>", verdict_word(cell.verdict));
}

}  // namespace

void write_matrix(Out& out, const View& view) {
  if (view.record.cells.empty()) return;
  const Grid grid = grid_of(view);
  Bytes heaviest = 0;
  for (const Cell& cell : view.record.cells) heaviest = std::max(heaviest, cell.need_bytes.value_or(0));
  out.print(
      "<section id=\"matrix\" aria-labelledby=\"h-matrix\">\n<h2 id=\"h-matrix\">All ways at a glance</h2>\n"
      "<p class=\"lead\">The need of each strategy and dtype; the stronger the colour, the {}. Follow a cell to its "
      "timeline.</p>\n<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-matrix\" tabindex=\"0\">\n"
      "<table class=\"matrix\"><thead><tr><th scope=\"col\">strategy</th>",
      view.limit ? "more of the limit it takes" : "closer to the heaviest");
  for (const std::string& dtype : grid.dtypes) out.print("<th scope=\"col\">{}</th>", dtype);
  out.raw("</tr></thead>\n<tbody>\n");
  for (size_t y = 0; y < grid.rows.size(); ++y) {
    out.print("<tr><th scope=\"row\">{}</th>", grid.rows[y]);
    for (const size_t index : grid.cells[y]) {
      if (index == SIZE_MAX) {
        out.raw("<td class=\"none\"><span class=\"nil\">not run</span></td>");
      } else {
        write_cell(out, view, index, heaviest);
      }
    }
    out.raw("</tr>\n");
  }
  out.print("</tbody></table>\n</div>\n<p class=\"key\" aria-hidden=\"true\"><span>0</span>");
  for (int level = 0; level < levels; ++level) out.print("<i class=\"h{}\"></i>", level);
  out.print("<span>{}</span><span><i class=\"h5 no\"></i>did not fit, or did not finish</span></p>\n</section>\n",
            human(view.limit.value_or(heaviest)));
}

}  // namespace weighbridge::reports::html
