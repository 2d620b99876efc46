#include "reports/html/columns.h"

#include <algorithm>

namespace weighbridge::reports::html {
namespace {

uint64_t total_kib(const Timeline& line, size_t row) {
  return need_kib(line, row) + line.file_kib[row];
}

bool same(const Timeline& line, size_t a, size_t b) {
  return line.anon_kib[a] == line.anon_kib[b] && line.file_kib[a] == line.file_kib[b] &&
         line.shmem_kib[a] == line.shmem_kib[b] && line.swap_kib[a] == line.swap_kib[b] &&
         line.weights_kib[a] == line.weights_kib[b] && line.staging_kib[a] == line.staging_kib[b];
}

std::vector<size_t> without_repeats(const Timeline& line) {
  std::vector<size_t> rows;
  for (size_t row = 0; row < line.size(); ++row) {
    const bool inner = row > 0 && row + 1 < line.size();
    if (!inner || !same(line, row, row - 1) || !same(line, row, row + 1)) rows.push_back(row);
  }
  return rows;
}

std::vector<size_t> picked(const Timeline& line, const std::vector<size_t>& rows, size_t buckets) {
  std::vector<size_t> out;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    const size_t begin = rows.size() * bucket / buckets, end = rows.size() * (bucket + 1) / buckets;
    if (begin == end) continue;
    size_t least = rows[begin], most = rows[begin], neediest = rows[begin];
    for (size_t i = begin; i < end; ++i) {
      if (total_kib(line, rows[i]) < total_kib(line, least)) least = rows[i];
      if (total_kib(line, rows[i]) > total_kib(line, most)) most = rows[i];
      if (need_kib(line, rows[i]) > need_kib(line, neediest)) neediest = rows[i];
    }
    out.insert(out.end(), {rows[begin], least, most, neediest});
  }
  out.push_back(rows.back());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

uint64_t need_kib(const Timeline& line, size_t row) {
  return uint64_t{line.anon_kib[row]} + line.shmem_kib[row] + line.swap_kib[row];
}

size_t peak_row(const Timeline& line) {
  size_t peak = 0;
  for (size_t row = 1; row < line.size(); ++row) {
    if (need_kib(line, row) > need_kib(line, peak)) peak = row;
  }
  return peak;
}

std::vector<size_t> rows_by_column(const Timeline& line, uint64_t end_ns, size_t columns) {
  std::vector<size_t> out(columns, SIZE_MAX);
  for (size_t row = 0; row < line.size(); ++row) {
    const double part = static_cast<double>(line.t_ns[row]) / static_cast<double>(std::max<uint64_t>(end_ns, 1));
    const size_t column = std::min(static_cast<size_t>(part * static_cast<double>(columns)), columns - 1);
    if (out[column] == SIZE_MAX || need_kib(line, row) > need_kib(line, out[column])) out[column] = row;
  }
  size_t held = SIZE_MAX;
  size_t last = SIZE_MAX;  // the last row seen so far, which holds where nothing was sampled
  size_t row = 0;
  for (size_t column = 0; column < columns; ++column) {
    while (row < line.size() && static_cast<double>(line.t_ns[row]) * static_cast<double>(columns) <
                                    static_cast<double>(end_ns) * static_cast<double>(column + 1)) {
      last = row++;
    }
    if (out[column] == SIZE_MAX) out[column] = held;
    held = last;
  }
  return out;
}

std::vector<size_t> rows_for_zoom(const Timeline& line, size_t most) {
  if (line.size() == 0) return {};
  const std::vector<size_t> rows = without_repeats(line);
  if (rows.size() <= most) return rows;
  // A stretch gives one to four rows, mostly two or three: as many stretches as keep within `most`.
  for (size_t buckets = most;; buckets = buckets * 4 / 5) {
    std::vector<size_t> out = picked(line, rows, std::max<size_t>(buckets, 1));
    if (out.size() <= most || buckets <= 1) return out;
  }
}

}  // namespace weighbridge::reports::html
