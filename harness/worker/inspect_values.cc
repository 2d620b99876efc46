// What the values say: in words first, then a line a tensor.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

#include "harness/worker/inspect.h"
#include "harness/worker/savings.h"
#include "reports/paragraph.h"
#include "reports/printable.h"
#include "reports/units.h"

namespace weighbridge {
namespace {

using reports::human;
using reports::human_count;

constexpr size_t kRowsShown = 40;
constexpr uint64_t kWorthSaying = 1000;  // a saving is said from this part of all bytes on; JSON has all

struct Totals {
  uint64_t values = 0;  // of numbers and integers
  Numbers numbers;
  uint64_t unknown_bytes = 0;
};

Totals totals_of(const Checkpoint& checkpoint, const Survey& survey) {
  Totals totals;
  for (uint32_t i = 0; i < checkpoint.tensors.size(); ++i) {
    const Tensor& tensor = checkpoint.tensors[i];
    if (tensor.same_as != Tensor::kItself) continue;
    if (value_kind(tensor.dtype) == ValueKind::unknown) {
      totals.unknown_bytes += tensor.bytes();
      continue;
    }
    totals.values += element_count(tensor.shape).value();
    totals.numbers.add(survey.tensors[i].numbers);
  }
  return totals;
}

std::string zeros_text(uint64_t zeros, uint64_t elements) {
  if (elements == 0) return "-";
  if (zeros == 0) return "0";
  const double percent = 100 * static_cast<double>(zeros) / static_cast<double>(elements);
  return percent < 0.05 ? "<0.1 %" : fmt::format("{:.1f} %", percent);
}

std::string number_text(const Numbers& numbers, double value) {
  return numbers.any_finite() ? fmt::format("{:.3g}", value) : "-";
}

std::string fits_text(const TensorValues& values) {
  std::string text;
  for (const Dtype dtype : values.fits) text += fmt::format("{}{}", text.empty() ? "" : " ", name(dtype));
  return text;
}

std::string note_text(const Checkpoint& checkpoint, uint32_t index, const TensorValues& values, size_t room) {
  std::vector<std::string> notes;
  if (values.numbers.nans > 0) notes.push_back(fmt::format("{} NaN", human_count(values.numbers.nans)));
  if (values.numbers.infinities > 0)
    notes.push_back(fmt::format("{} infinite", human_count(values.numbers.infinities)));
  if (values.constant) notes.emplace_back("constant");
  if (values.duplicate_of != Tensor::kItself)
    notes.push_back("= " + short_name(checkpoint.tensors[values.duplicate_of].name, 16));
  if (checkpoint.tensors[index].same_as != Tensor::kItself)
    notes.push_back("is " + short_name(checkpoint.tensors[checkpoint.tensors[index].same_as].name, 16));
  if (!values.fits.empty()) notes.push_back("fits " + fits_text(values));
  if (values.zero_rows > 0 && !values.constant)
    notes.push_back(reports::counted(values.zero_rows, "row of zeros", "rows of zeros"));
  if (const auto sparse = worth_sparse(checkpoint.tensors[index], values); sparse && !values.constant)
    notes.push_back(fmt::format("{} as {}", human(sparse->smaller()), sparse->is_csr() ? "CSR" : "bitmap"));
  std::string text;
  for (const std::string& note : notes) {
    const size_t columns = reports::columns_of(text) + reports::columns_of(note) + 2;
    if (!text.empty() && columns > room) break;  // the first are the weightiest
    text += (text.empty() ? "" : ", ") + note;
  }
  return text;
}

// How much there is to say of a tensor, for a table that has not room for all.
uint64_t weight_of(const Checkpoint& checkpoint, uint32_t index, const TensorValues& values) {
  const Tensor& tensor = checkpoint.tensors[index];
  if (values.numbers.nans + values.numbers.infinities > 0) return UINT64_MAX;
  if (tensor.same_as != Tensor::kItself) return 0;
  if (values.constant || values.duplicate_of != Tensor::kItself) return tensor.bytes();
  uint64_t least = tensor.bytes();
  for (const Dtype dtype : values.fits)
    least = std::min(least, element_count(tensor.shape).value() * block(dtype).bytes);
  if (const auto sparse = worth_sparse(tensor, values)) least = std::min(least, sparse->smaller());
  return tensor.bytes() - least;
}

std::string sentence(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text + ".";
}

std::string json_number(const Numbers& numbers, double value) {
  return numbers.any_finite() ? fmt::format("{}", value) : "null";
}

}  // namespace

void print_verdict(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey, unsigned columns) {
  const uint64_t all = checkpoint.stored_bytes();
  size_t said = 0, small = 0;
  for (const ValueFinding& finding : value_findings(checkpoint, roles, survey)) {
    const bool danger = finding.saves_bytes == 0;
    if (!danger && finding.saves_bytes < all / kWorthSaying) {
      ++small;
      continue;
    }
    ++said;
    const std::string saves = danger ? "" : fmt::format(" Saves {}.", human(finding.saves_bytes));
    fmt::print("{}", reports::paragraph(sentence(finding.text) + saves, columns, " - ", "   "));
    if (!finding.remedy.empty()) fmt::print("{}", reports::paragraph(sentence(finding.remedy), columns, "   ", "   "));
    if (!finding.command.empty()) fmt::print("   try   {}\n", finding.command);
  }
  if (said > 1)
    fmt::print("{}", reports::paragraph("Each saving is taken alone; they do not add up.", columns, "", ""));
  if (said == 0) {
    fmt::print("{}", reports::paragraph(
                         "The values leave nothing to save: no narrower dtype holds them, no zeros are worth leaving "
                         "away, no tensor is stored twice.",
                         columns, "", ""));
  }
  if (small > 0) fmt::print("{}", reports::paragraph("Savings below 0.1 % are in the table.", columns, "", ""));
  const Totals totals = totals_of(checkpoint, survey);
  std::string read =
      fmt::format("{} read: {}, of which {} exactly zero, {} NaN, {} infinite.", human(survey.bytes_read),
                  reports::counted(totals.values, "value", "values"), human_count(totals.numbers.zeros),
                  human_count(totals.numbers.nans), human_count(totals.numbers.infinities));
  if (totals.unknown_bytes > 0) {
    read += fmt::format(" {} are of dtypes whose values mean nothing by themselves; these were compared alone.",
                        human(totals.unknown_bytes));
  }
  fmt::print("{}\n", reports::paragraph(read, columns, "", ""));
}

void print_values(const Checkpoint& checkpoint, const Survey& survey, bool all, unsigned columns) {
  std::vector<uint32_t> shown(checkpoint.tensors.size());
  std::iota(shown.begin(), shown.end(), 0);
  if (!all && shown.size() > kRowsShown) {
    std::vector<uint64_t> weights(shown.size());
    for (const uint32_t i : shown) weights[i] = weight_of(checkpoint, i, survey.tensors[i]);
    const auto end = std::remove_if(shown.begin(), shown.end(), [&](uint32_t i) { return weights[i] == 0; });
    shown.erase(end, shown.end());
    std::stable_sort(shown.begin(), shown.end(), [&](uint32_t a, uint32_t b) { return weights[a] > weights[b]; });
    shown.resize(std::min(shown.size(), kRowsShown));
    std::sort(shown.begin(), shown.end());
  }
  // DTYPE, SIZE, ZEROS and the gaps take 29 columns. Of the rest the notes have what they need, the names what is left;
  // MIN and MAX stand where there is still room.
  constexpr size_t kFixed = 29;
  const size_t room = columns > kFixed + 40 ? columns - kFixed : 40;
  std::vector<std::string> notes;
  size_t widest = 4;
  for (const uint32_t i : shown) {
    notes.push_back(note_text(checkpoint, i, survey.tensors[i], std::max<size_t>(18, room * 2 / 5)));
    widest = std::max(widest, reports::columns_of(notes.back()));
  }
  const size_t name_room = room > widest + 20 ? std::min<size_t>(room - widest, 60) : 20;
  std::vector<std::vector<std::string>> rows;
  for (size_t row = 0; row < shown.size(); ++row) {
    const Tensor& tensor = checkpoint.tensors[shown[row]];
    const TensorValues& values = survey.tensors[shown[row]];
    const ValueKind kind = value_kind(tensor.dtype);
    const bool numbers = kind == ValueKind::numbers;
    rows.push_back(
        {short_name(tensor.name, name_room), std::string(name(tensor.dtype)), human(tensor.bytes()),
         kind == ValueKind::unknown ? "-" : zeros_text(values.numbers.zeros, element_count(tensor.shape).value()),
         numbers ? number_text(values.numbers, values.numbers.min) : "-",
         numbers ? number_text(values.numbers, values.numbers.max) : "-", notes[row]});
  }
  if (!rows.empty()) {
    print_columns({{"TENSOR"},
                   {"DTYPE"},
                   {"SIZE", true, 0, 2},
                   {"ZEROS", true},
                   {"MIN", true, 0, 1},
                   {"MAX", true, 0, 1},
                   {"NOTE"}},
                  rows, columns);
  }
  if (const size_t rest = checkpoint.tensors.size() - shown.size(); rest > 0) {
    fmt::print("{}", reports::paragraph(fmt::format("{} with less to say are left out; --tensors lists them all.",
                                                    reports::counted(rest, "tensor", "tensors")),
                                        columns, "", ""));
  }
}

void print_values_json(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey) {
  const Totals totals = totals_of(checkpoint, survey);
  fmt::print(
      " \"values\": {{\"bytes_read\": {}, \"values\": {}, \"zeros\": {}, \"negative_zeros\": {}, \"nan\": {}, "
      "\"infinite\": {}, \"unknown_bytes\": {},\n  \"findings\": [",
      survey.bytes_read, totals.values, totals.numbers.zeros, totals.numbers.negative_zeros, totals.numbers.nans,
      totals.numbers.infinities, totals.unknown_bytes);
  const char* separator = "\n";
  for (const ValueFinding& finding : value_findings(checkpoint, roles, survey)) {
    fmt::print(
        "{}   {{\"id\": \"{}\", \"text\": {}, \"remedy\": {}, \"command\": {}, \"tensors\": {}, "
        "\"saves_bytes\": {}}}",
        separator, finding.id, json_text(finding.text), finding.remedy.empty() ? "null" : json_text(finding.remedy),
        finding.command.empty() ? "null" : json_text(finding.command), finding.tensors,
        finding.saves_bytes == 0 ? "null" : fmt::format("{}", finding.saves_bytes));
    separator = ",\n";
  }
  fmt::print("]}},\n");
}

void print_values_json(const Checkpoint& checkpoint, const Survey& survey, uint32_t index) {
  const Tensor& tensor = checkpoint.tensors[index];
  const TensorValues& values = survey.tensors[index];
  const ValueKind kind = value_kind(tensor.dtype);
  const auto count = [](bool known, uint64_t figure) { return known ? fmt::format("{}", figure) : "null"; };
  const bool numbers = kind == ValueKind::numbers;
  fmt::print(
      ", \"values\": {{\"zeros\": {}, \"negative_zeros\": {}, \"nan\": {}, \"infinite\": {}, \"min\": {}, "
      "\"max\": {}, \"zero_rows\": {}, \"constant\": {}, \"fits\": [",
      count(kind != ValueKind::unknown, values.numbers.zeros), count(numbers, values.numbers.negative_zeros),
      count(numbers, values.numbers.nans), count(numbers, values.numbers.infinities),
      numbers ? json_number(values.numbers, values.numbers.min) : "null",
      numbers ? json_number(values.numbers, values.numbers.max) : "null", count(numbers, values.zero_rows),
      values.constant);
  const char* comma = "";
  for (const Dtype dtype : values.fits) {
    fmt::print("{}\"{}\"", comma, name(dtype));
    comma = ", ";
  }
  const auto sparse = sparse_bytes_of(tensor, values);
  fmt::print("], \"csr_bytes\": {}, \"bitmap_bytes\": {}",
             count(sparse && sparse->csr, sparse ? sparse->csr.value_or(0) : 0),
             count(sparse.has_value(), sparse ? sparse->bitmap : 0));
  if (values.duplicate_of != Tensor::kItself)
    fmt::print(", \"duplicate_of\": {}", json_text(checkpoint.tensors[values.duplicate_of].name));
  fmt::print("}}");
}

}  // namespace weighbridge
