// The formats there are, and which of them a file is.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

// In the order in which a file is held against them, and a folder is searched. A new format is one line here.
constexpr std::array<const Format*, 6> kFormats{
    &kSafetensors, &kGguf, &kPytorch, &kNumpy, &kHdf5,
    &kOnnx,  // last: it has no magic
};

// What people have in place of a checkpoint and take for one.
struct Foreign {
  std::string_view magic;
  std::string_view name;
};
constexpr std::array<Foreign, 3> kForeign{{
    {"version https://git-lfs", "a Git LFS pointer in place of the file (`git lfs pull` fetches it)"},
    {"<!DOCTYPE html", "an HTML page in place of the file (download it again)"},
    {"<html", "an HTML page in place of the file (download it again)"},
}};

std::string known_formats() {
  std::string names;
  for (const Format* format : kFormats) names += fmt::format("{}{}", names.empty() ? "" : ", ", format->info.name);
  return names;
}

}  // namespace

std::span<const Format* const> all_formats() {
  return kFormats;
}

std::vector<FormatInfo> formats() {
  std::vector<FormatInfo> infos;
  for (const Format* format : kFormats) infos.push_back(format->info);
  return infos;
}

bool named_as(const Format& format, std::string_view path) {
  return std::any_of(format.suffixes.begin(), format.suffixes.end(),
                     [&](std::string_view suffix) { return path.ends_with(suffix); });
}

const Format& format_of(const File& file) {
  for (const Format* format : kFormats) {
    if (format->recognises(file)) return *format;
  }
  const std::string start = file.peek(0, 32);
  for (const Foreign& foreign : kForeign) {
    if (start.starts_with(foreign.magic)) throw format_error(file.path(), 0, foreign.name, known_formats());
  }
  for (const Format* format : kFormats) {
    if (named_as(*format, file.path())) return *format;
  }
  throw format_error(file.path(), 0,
                     file.bytes() == 0
                         ? "an empty file"
                         : fmt::format("content that no known format begins with ({} bytes)", file.bytes()),
                     fmt::format("a checkpoint ({}), its index, or its folder", known_formats()));
}

}  // namespace weighbridge
