// What a model is made of: a line a role, a line a kind of layer.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/worker/inspect.h"
#include "reports/paragraph.h"
#include "reports/printable.h"
#include "reports/units.h"

namespace weighbridge {
namespace {

using reports::counted;
using reports::human;
using reports::human_count;

constexpr size_t kKindsShown = 20;  // of layers
constexpr size_t kRangesShown = 4;
constexpr size_t kNameColumns = 30;

std::string share(uint64_t bytes, const Holding& all) {
  return all.bytes == 0 ? "-"
                        : fmt::format("{:.1f} %", 100 * static_cast<double>(bytes) / static_cast<double>(all.bytes));
}

std::string title(Role role) {
  std::string text(name(role));
  std::replace(text.begin(), text.end(), '-', ' ');
  return text;
}

// "0-31", "0-2,4,6-9"
std::string ranges_text(const LayerKind& kind) {
  std::string text;
  for (size_t i = 0; i < std::min(kRangesShown, kind.numbers.size()); ++i) {
    const auto [first, last] = kind.numbers[i];
    text += fmt::format("{}{}", i > 0 ? "," : "", first);
    if (last > first) text += fmt::format("-{}", last);
  }
  return kind.numbers.size() > kRangesShown ? text + ",..." : text;
}

std::string layer_text(const LayerKind& kind) {
  if (kind.numbers.empty()) return short_name(kind.name, kNameColumns);
  const std::string ranges = ranges_text(kind);
  if (kind.name.empty()) return ranges;
  const size_t room = kNameColumns > ranges.size() + 9 ? kNameColumns - ranges.size() - 1 : 8;
  return short_name(kind.name, room) + "." + ranges;
}

// "32 layers of 436 MiB each", of the kind of numbered layers that holds most.
void print_in_one_line(const std::vector<LayerKind>& layers, const Holding& all, unsigned columns) {
  uint64_t count = 0;
  const LayerKind* most = nullptr;
  for (const LayerKind& kind : layers) {
    count += kind.count;
    if (kind.count > 1 && (most == nullptr || kind.count * kind.each.bytes > most->count * most->each.bytes)) {
      most = &kind;
    }
  }
  std::string line = fmt::format("{} in {}, {}", counted(all.parameters, "parameter", "parameters"),
                                 counted(count, "layer", "layers"), human(all.bytes));
  if (most != nullptr) {
    line += fmt::format("; {} of {} each", counted(most->count, "layer", "layers"), human(most->each.bytes));
  }
  fmt::print("{}\n", reports::paragraph(line, columns, "", ""));
}

void print_roles(const Roles& roles, unsigned room) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& text, const Holding& holding) {
    rows.push_back({text, human_count(holding.tensors), human_count(holding.parameters), human(holding.bytes),
                    share(holding.bytes, roles.all)});
  };
  for (const RoleHolding& role : roles.holdings) {
    add(title(role.role), role.all);
    for (const PartHolding& part : role.parts)
      add("  " + std::string(part.part.empty() ? "rest" : part.part), part.all);
  }
  print_columns({{"ROLE"}, {"TENSORS", true, 0, 2}, {"PARAMETERS", true, 0, 1}, {"SIZE", true}, {"SHARE", true}}, rows,
                room);
}

void print_layers(const std::vector<LayerKind>& layers, const Holding& all, unsigned room) {
  std::vector<const LayerKind*> shown;
  for (const LayerKind& kind : layers) shown.push_back(&kind);
  const auto together = [](const LayerKind* kind) { return kind->count * kind->each.bytes; };
  uint64_t rest = 0, rest_bytes = 0;
  if (shown.size() > kKindsShown) {  // the largest, in the order of the file
    std::vector<const LayerKind*> largest = shown;
    std::stable_sort(largest.begin(), largest.end(),
                     [&](const auto* left, const auto* right) { return together(left) > together(right); });
    for (size_t i = kKindsShown; i < largest.size(); ++i) {
      rest += largest[i]->count;
      rest_bytes += together(largest[i]);
    }
    largest.resize(kKindsShown);
    std::sort(largest.begin(), largest.end());  // pointers into one vector
    shown = std::move(largest);
  }
  std::vector<std::vector<std::string>> rows;
  for (const LayerKind* kind : shown) {
    rows.push_back({layer_text(*kind), human_count(kind->count), human_count(kind->each.parameters),
                    human(kind->each.bytes), human(together(kind)), share(together(kind), all)});
  }
  if (rest > 0) {
    rows.push_back({fmt::format("({} more)", human_count(rest)), human_count(rest), "", "", human(rest_bytes),
                    share(rest_bytes, all)});
  }
  print_columns({{"LAYER"},
                 {"COUNT", true},
                 {"PARAMETERS", true, 0, 1},
                 {"EACH", true},
                 {"TOGETHER", true},
                 {"SHARE", true, 0, 2}},
                rows, room);
}

void print_holding(const Holding& holding) {
  fmt::print("\"tensors\": {}, \"parameters\": {}, \"bytes\": {}", holding.tensors, holding.parameters, holding.bytes);
}

}  // namespace

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string short_name(std::string_view name, size_t columns) {
  constexpr std::string_view kCut = "..";
  constexpr size_t kMostBytes = 4;  // of a character
  const auto inside = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  bool cut = name.size() > kMostBytes * columns;
  if (cut) name = name.substr(name.size() - kMostBytes * columns);
  while (cut && !name.empty() && inside(name[0])) name.remove_prefix(1);
  std::string text = reports::printable(name);
  const size_t wide = reports::columns_of(text);
  cut = cut || wide > columns;
  if (!cut) return text;
  size_t at = 0;
  for (size_t left = wide; at < text.size() && left > columns - kCut.size(); --left) {
    do ++at;
    while (at < text.size() && inside(text[at]));
  }
  return std::string(kCut) + text.substr(at);
}

void print_columns(std::vector<reports::Column> columns, const std::vector<std::vector<std::string>>& rows,
                   unsigned room) {
  reports::measure(columns, rows);
  for (int dropped = 1; dropped < 9 && reports::width_of(columns) > room; ++dropped) leave_out(columns, dropped);
  std::string line;
  const auto flush = [&] {
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
    line.clear();
  };
  for (const reports::Column& column : columns) {
    if (column.shown) reports::put(line, column, column.heading);
  }
  flush();
  for (const auto& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].shown) reports::put(line, columns[i], row[i]);
    }
    flush();
  }
}

void print_architecture(const Roles& roles, const std::vector<LayerKind>& layers, unsigned columns) {
  print_in_one_line(layers, roles.all, columns);
  print_roles(roles, columns);
  fmt::print("\n");
  print_layers(layers, roles.all, columns);
}

void print_architecture_json(const Roles& roles, const std::vector<LayerKind>& layers) {
  fmt::print(" \"parameters\": {},\n \"roles\": [", roles.all.parameters);
  const char* separator = "\n";
  for (const RoleHolding& role : roles.holdings) {
    fmt::print("{}  {{\"role\": \"{}\", ", separator, name(role.role));
    print_holding(role.all);
    fmt::print(", \"parts\": [");
    const char* comma = "";
    for (const PartHolding& part : role.parts) {
      fmt::print("{}{{\"part\": {}, ", comma, part.part.empty() ? "null" : fmt::format("\"{}\"", part.part));
      print_holding(part.all);
      fmt::print("}}");
      comma = ", ";
    }
    fmt::print("]}}");
    separator = ",\n";
  }
  fmt::print("],\n \"layers\": [");
  separator = "\n";
  for (const LayerKind& kind : layers) {
    fmt::print("{}  {{\"name\": {}, \"numbers\": [", separator, json_text(kind.name));
    const char* comma = "";
    for (const auto& [first, last] : kind.numbers) {
      fmt::print("{}[{}, {}]", comma, first, last);
      comma = ", ";
    }
    fmt::print("], \"count\": {}, \"each\": {{", kind.count);
    print_holding(kind.each);
    fmt::print("}}}}");
    separator = ",\n";
  }
  fmt::print("],\n \"tied\": {{");
  print_holding(roles.tied);
  fmt::print("}},\n");
}

}  // namespace weighbridge
