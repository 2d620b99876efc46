// The parts of what `inspect` prints, each in a file of its own. Text goes to standard output as it is made: however
// many tensors there are, they never pass through the parent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "reports/column.h"
#include "strategies/architecture/architecture.h"
#include "strategies/values/survey.h"

namespace weighbridge {

// A tensor's or layer's name in a table: printable, and cut at its front, as its end tells more.
std::string short_name(std::string_view name, size_t columns);

// Prints heading and rows; leaves out what has no room in `columns`, by Column::dropped.
void print_columns(std::vector<reports::Column> columns, const std::vector<std::vector<std::string>>& rows,
                   unsigned room);

std::string json_text(std::string_view text);

// By role and by layer (inspect_architecture.cc).
void print_architecture(const Roles& roles, const std::vector<LayerKind>& layers, unsigned columns);
void print_architecture_json(const Roles& roles, const std::vector<LayerKind>& layers);  // members, a comma behind each

// What the values say (inspect_values.cc).
void print_verdict(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey, unsigned columns);
void print_values(const Checkpoint& checkpoint, const Survey& survey, bool all, unsigned columns);
void print_values_json(const Checkpoint& checkpoint, const Roles& roles, const Survey& survey);  // of all together
void print_values_json(const Checkpoint& checkpoint, const Survey& survey, uint32_t tensor);

}  // namespace weighbridge
