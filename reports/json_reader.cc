// Reads a record through a tree of JSON values: into fields() goes a cursor that knows its path, so that every
// complaint names the field.
#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "reports/fields.h"
#include "reports/json.h"
#include "reports/printable.h"

namespace weighbridge::reports {
namespace {

// Keeps the order of keys, which matters to a finding's evidence. Its objects are searched from end to end, hence
// kMostFields: no object of a record comes near it, and a hostile file cannot make reading quadratic.
using Json = nlohmann::ordered_json;
constexpr size_t kMostFields = 4096;
constexpr size_t kDeepest = 64;

constexpr std::string_view kMajor = "weighbridge/1";

[[noreturn]] void refuse(const std::string& name, std::string_view where, std::string_view what) {
  throw BadRecord(fmt::format("{}: {}: {}", printable(name), where, what));
}

std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// One value at one path. Called by fields() for each member.
class Reader {
 public:
  Reader(const std::string& name, std::string path, const Json& value)
      : name_(name), path_(std::move(path)), value_(value) {}

  template <typename T>
  void operator()(const char* field, T& member) const {
    at(field).get(member);
  }

  // A field that records of weighbridge/1 did not have from the start.
  template <typename T>
  void later(const char* field, T& member) const {
    expect(value_.is_object(), "an object");
    if (value_.contains(field)) at(field).get(member);
  }

  void bytes_of_kib(const char* field, std::vector<uint32_t>& column) const {
    const Reader list = at(field);
    list.expect(list.value_.is_array(), "a list of bytes");
    column.reserve(list.value_.size());
    for (size_t i = 0; i < list.value_.size(); ++i) {
      uint64_t bytes = 0;
      const Reader element = list.at(i);
      element.get(bytes);
      element.expect(bytes % 1024 == 0 && bytes / 1024 <= std::numeric_limits<uint32_t>::max(),
                     "a multiple of 1024 below 4 TiB");
      column.push_back(static_cast<uint32_t>(bytes / 1024));
    }
  }

  void object(const char* field, std::vector<std::pair<std::string, uint64_t>>& pairs) const {
    const Reader object = at(field);
    object.expect(object.value_.is_object(), "an object");
    for (const auto& [key, value] : object.value_.items()) {
      uint64_t number = 0;
      object.at(key, value).get(number);
      pairs.emplace_back(key, number);
    }
  }

  template <typename T>
  void get(T& member) const {
    expect(value_.is_object(), "an object");
    fields(*this, member);
  }
  void get(Timeline& timeline) const {
    expect(value_.is_object(), "an object");
    fields(*this, timeline);
    for (const auto* column : {&timeline.anon_kib, &timeline.file_kib, &timeline.shmem_kib, &timeline.swap_kib,
                               &timeline.weights_kib, &timeline.staging_kib}) {
      if (column->size() != timeline.size()) {
        refuse(name_, path_,
               fmt::format("found columns of {} and {} rows, expected the same number in each", timeline.size(),
                           column->size()));
      }
    }
  }
  void get(std::string& text) const {
    expect(value_.is_string(), "a text");
    text = value_.get<std::string>();
  }
  void get(bool& truth) const {
    expect(value_.is_boolean(), "true or false");
    truth = value_.get<bool>();
  }
  void get(uint64_t& number) const {
    // Other programs may have written a whole number as 4096.0 or 1e6; up to 2^53 that is exact.
    if (value_.is_number_float()) {
      const double real = value_.get<double>();
      expect(real >= 0 && real <= 9007199254740992.0 && std::floor(real) == real, "a whole number of at least 0");
      number = static_cast<uint64_t>(real);
      return;
    }
    expect(value_.is_number_unsigned(), "a whole number of at least 0");
    number = value_.get<uint64_t>();
  }
  void get(int& number) const {
    expect(value_.is_number_integer(), "a whole number");
    const bool fits = value_.is_number_unsigned()
                          ? value_.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int>::max())
                          : value_.get<int64_t>() >= std::numeric_limits<int>::min();
    expect(fits, "a whole number of 32 bits");
    number = static_cast<int>(value_.get<int64_t>());
  }
  void get(double& real) const {
    if (value_.is_null()) {  // JSON has no infinity; see max_abs_error in the schema
      real = std::numeric_limits<double>::infinity();
      return;
    }
    expect(value_.is_number(), "a number");
    real = value_.get<double>();
  }
  template <typename T>
  void get(std::optional<T>& value) const {
    if (value_.is_null()) {
      value.reset();
    } else {
      get(value.emplace());
    }
  }
  template <typename T>
  void get(std::map<std::string, T>& values) const {
    expect(value_.is_object(), "an object");
    for (const auto& [key, value] : value_.items()) at(key, value).get(values[key]);
  }
  template <typename T>
  void get(std::vector<T>& values) const {
    expect(value_.is_array(), "a list");
    values.reserve(value_.size());
    for (size_t i = 0; i < value_.size(); ++i) at(i).get(values.emplace_back());
  }

 private:
  Reader at(const char* field) const {
    const auto found = value_.find(field);
    const std::string path = path_.empty() ? field : path_ + "." + field;
    if (found == value_.end()) refuse(name_, path, "found nothing, expected this field");
    return {name_, path, *found};
  }
  Reader at(const std::string& key, const Json& value) const { return {name_, path_ + "." + printable(key), value}; }
  Reader at(size_t index) const { return {name_, fmt::format("{}[{}]", path_, index), value_[index]}; }

  void expect(bool holds, std::string_view expected) const {
    if (!holds)
      refuse(name_, path_.empty() ? "the whole" : path_,
             fmt::format("found {}, expected {}", describe(value_), expected));
  }

  const std::string& name_;
  std::string path_;
  const Json& value_;
};

// nlohmann's message: "[...] parse error at line 1, column 5: syntax error while parsing value - invalid literal; last
// read: 'x'; expected ..." -> "invalid literal; last read: 'x'; expected ...".
std::string syntax_complaint(std::string_view message) {
  const size_t dash = message.find(" - ");
  if (dash != std::string_view::npos) message.remove_prefix(dash + 3);
  return printable(message);
}

Json parse(std::string_view text, const std::string& name) {
  std::vector<std::set<std::string>> keys;  // of every object that is open
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > static_cast<int>(kDeepest)) refuse(name, "the whole", "found values nested more than 64 deep");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (keys.back().size() == kMostFields) refuse(name, "the whole", "found an object of more than 4096 fields");
      if (!keys.back().insert(key).second) {
        refuse(name, printable(key), "found twice in one object, expected once");
      }
    }
    return true;
  };
  if (text.empty()) refuse(name, "byte 0", "found an empty file, expected a record in JSON");
  try {
    return Json::parse(text, check);
  } catch (const Json::parse_error& error) {
    const size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    refuse(name, fmt::format("byte {}", offset), syntax_complaint(error.what()) + "; expected a record in JSON");
  } catch (const Json::exception& error) {  // a number out of range, for one
    refuse(name, "the whole", printable(error.what()));
  }
}

void check_version(const Json& root, const std::string& name) {
  const auto complain = [&](const std::string& found) {
    refuse(name, "schema", fmt::format("found {}, expected \"{}\"", found, kMajor));
  };
  if (!root.is_object()) refuse(name, "the whole", fmt::format("found {}, expected a record", describe(root)));
  const auto schema = root.find("schema");
  if (schema == root.end()) complain("nothing");
  if (!schema->is_string()) complain(describe(*schema));
  const auto version = schema->get<std::string>();
  // "weighbridge/1" or "weighbridge/1.N"
  if (version != kMajor && !version.starts_with(std::string(kMajor) + ".")) complain(describe(*schema));
}

constexpr size_t kMostBytes = size_t{1} << 30;  // 2,000 trials of 2,000 samples take a quarter of it

std::string read_file(const std::string& path) {
  const auto complain = [&](const char* call) {
    throw BadRecord(fmt::format("{}: {}: {}, expected a record", printable(path), call, std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) complain("open");
  std::string text;
  char buffer[64 << 10];
  while (const size_t got = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, got);
    if (text.size() > kMostBytes) {
      throw BadRecord(fmt::format("{}: found more than {} bytes, expected a record", printable(path), kMostBytes));
    }
  }
  if (std::ferror(file.get())) complain("read");
  return text;
}

}  // namespace

Record parse_record(std::string_view text, const std::string& name) {
  const Json root = parse(text, name);
  check_version(root, name);
  Record record;
  Reader(name, "", root).get(record);
  return record;
}

Record read_record(const std::string& path) {
  return parse_record(read_file(path), path);
}

Trial parse_trial(std::string_view text, const std::string& name) {
  const Json root = parse(text, name);
  Trial trial;
  Reader(name, "", root).get(trial);
  return trial;
}

}  // namespace weighbridge::reports
