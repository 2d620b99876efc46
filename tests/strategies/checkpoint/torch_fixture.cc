#include "tests/strategies/checkpoint/torch_fixture.h"

#include "tests/strategies/checkpoint/zip_fixture.h"

namespace weighbridge::testing {

std::string text(std::string_view value) {
  return "X" + little_endian(value.size(), 4) + std::string(value);
}

std::string integer(int64_t value) {
  if (value >= INT32_MIN && value <= INT32_MAX) return "J" + little_endian(static_cast<uint64_t>(value), 4);
  return "\x8a\x08" + little_endian(static_cast<uint64_t>(value), 8);
}

std::string tuple(const std::vector<std::string>& items) {
  std::string opcodes = "(";
  for (const std::string& item : items) opcodes += item;
  return opcodes + "t";
}

std::string list(const std::vector<std::string>& items) {
  std::string opcodes = "](";
  for (const std::string& item : items) opcodes += item;
  return opcodes + "e";
}

std::string dict(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string opcodes = "}(";
  for (const auto& [key, value] : pairs) opcodes += key + value;
  return opcodes + "u";
}

std::string numbers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}

std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

std::string call(const std::string& callee, const std::vector<std::string>& arguments) {
  return callee + tuple(arguments) + "R";
}

std::string storage_id(std::string_view type, std::string_view key, int64_t elements, const std::string& part) {
  std::vector<std::string> id{text("storage"), global("torch", type), text(key), text("cpu"), integer(elements)};
  if (!part.empty()) id.push_back(part);
  return tuple(id) + "Q";
}

std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"), {storage, integer(offset), numbers(shape), numbers(strides),
                                                             "\x89", call(global("collections", "OrderedDict"), {})});
}

std::string floats(std::string_view key, int64_t elements) {
  return tensor(storage_id("FloatStorage", key, elements), 0, {elements}, {1});
}

std::string pickle(const std::string& value) {
  return "\x80\x02" + value + ".";
}

std::string torch_zip(const std::string& value, const std::vector<Stored>& storages,
                      const std::vector<std::pair<std::string, std::string>>& members, bool deflated) {
  std::vector<ZipPart> parts{{.name = "archive/data.pkl", .content = pickle(value), .deflated = deflated}};
  for (const Stored& stored : storages) {
    parts.push_back({.name = "archive/data/" + stored.key, .content = stored.content, .deflated = deflated});
  }
  for (const auto& [name, content] : members) {
    parts.push_back({.name = "archive/" + name, .content = content, .deflated = deflated});
  }
  return zip(parts);
}

std::string legacy_head() {
  return pickle(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12)) + pickle(integer(1001)) +
         pickle(dict({{text("little_endian"), "\x88"}}));
}

std::string torch_legacy(const std::string& value, const std::vector<Stored>& storages) {
  std::vector<std::string> keys;
  std::string data;
  for (const Stored& stored : storages) {
    keys.push_back(text(stored.key));
    const int64_t elements = stored.elements >= 0 ? stored.elements : static_cast<int64_t>(stored.content.size() / 4);
    data += little_endian(static_cast<uint64_t>(elements), 8) + stored.content;
  }
  return legacy_head() + pickle(value) + pickle(list(keys)) + data;
}

std::string counting(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(i);
  return bytes;
}

}  // namespace weighbridge::testing
