#include "reports/json.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "reports/aggregate.h"
#include "reports/atomic_file.h"
#include "tests/reports/sample.h"
#include "tests/support/catch.h"

using namespace weighbridge::reports;

namespace {

std::string written(const std::function<void(std::FILE*)>& write) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* stream = open_memstream(&text, &size);
  write(stream);
  std::fclose(stream);
  std::string all(text, size);
  std::free(text);
  return all;
}

std::string as_json(const Record& record) {
  return written([&](std::FILE* stream) { write_record(stream, record); });
}

std::string complaint(const std::string& text) {
  try {
    parse_record(text, "r.json");
  } catch (const BadRecord& error) {
    return error.what();
  }
  return "no complaint";
}

// The sample as JSON with one text replaced by another.
std::string with(const std::string& from, const std::string& to) {
  std::string json = as_json(sample::record());
  const size_t at = json.find(from);
  REQUIRE(at != std::string::npos);
  return json.replace(at, from.size(), to);
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/weighbridge-json-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  size_t entries() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("a record reads back as it was written") {
  const Record record = sample::record();
  CHECK(parse_record(as_json(record), "r.json") == record);
  CHECK(parse_record(as_json(Record{}), "r.json") == Record{});
}

TEST_CASE("every number survives: 64 bits, doubles, odd texts") {
  Record record = sample::record();
  record.settings.seed = std::numeric_limits<uint64_t>::max();
  record.cells[0].accuracy->rmse = 0.1 + 0.2;
  record.cells[0].accuracy->max_abs_error = 1e-45;
  record.checkpoint.path = "quote \" back \\ line \n bell \a é \xF0\x9F\x98\x80";
  record.cells[0].trials[0].exit_status = -1;
  record.findings.push_back({"x", "low", "t", "r", {{"z_bytes", 1}, {"a_bytes", 2}}, {"b", "a"}, 3});
  CHECK(parse_record(as_json(record), "r.json") == record);
}

TEST_CASE("a record from before cages, evidence and fits reads as one that has none of them") {
  Record record = sample::record();
  record.fits.clear();
  record.settings.resumed = 0;
  record.settings.plugins.clear();
  record.settings.reserve_bytes = std::nullopt;
  for (Limit& limit : record.machine.limits) limit.bounds = Limit::kBoundsMemory;
  for (Cell& cell : record.cells) {
    cell.cage.clear();
    cell.swap_limit_bytes = std::nullopt;
    for (Trial& trial : cell.trials) {
      trial.evidence.clear();
      trial.cgroup_peak_bytes = trial.cgroup_swap_peak_bytes = std::nullopt;
      for (Phase& phase : trial.phases) {
        phase.refault_anon_pages = phase.limit_hits = phase.cgroup_usage_bytes = phase.cgroup_anon_bytes =
            phase.cgroup_file_bytes = phase.cgroup_shmem_bytes = phase.cgroup_kernel_bytes = std::nullopt;
        phase.cgroup_psi_some_ns = phase.cgroup_psi_full_ns = std::nullopt;
      }
    }
  }
  auto json = nlohmann::ordered_json::parse(as_json(record));
  json.erase("fits");
  for (const char* field : {"resumed", "reserve_bytes", "plugins", "cage_reason"})
    CHECK(json["settings"].erase(field) == 1);
  for (auto& limit : json["machine"]["limits"]) CHECK(limit.erase("bounds") == 1);
  for (auto& cell : json["cells"]) {
    CHECK(cell.erase("cage") + cell.erase("swap_limit_bytes") + cell.erase("plugin") == 3);
    for (auto& trial : cell["trials"]) {
      for (const char* field : {"evidence", "cgroup_peak_bytes", "cgroup_swap_peak_bytes"}) {
        CHECK(trial.erase(field) == 1);
      }
      for (auto& phase : trial["phases"]) {
        for (const char* field :
             {"refault_anon_pages", "limit_hits", "cgroup_usage_bytes", "cgroup_anon_bytes", "cgroup_file_bytes",
              "cgroup_shmem_bytes", "cgroup_kernel_bytes", "cgroup_psi_some_ns", "cgroup_psi_full_ns"}) {
          CHECK(phase.erase(field) == 1);
        }
      }
    }
  }
  CHECK(parse_record(json.dump(), "old.json") == record);
}

TEST_CASE("NaN and infinity are written as null") {
  Record record = sample::record();
  record.cells[0].accuracy->max_abs_error = std::numeric_limits<double>::infinity();
  record.cells[0].accuracy->rmse = std::nan("");
  const std::string json = as_json(record);
  CHECK_THAT(json, ContainsSubstring("\"max_abs_error\": null") && ContainsSubstring("\"rmse\": null"));
  CHECK(std::isinf(parse_record(json, "r.json").cells[0].accuracy->max_abs_error));
}

TEST_CASE("text that is not UTF-8 does not break the file") {
  Record record;
  record.checkpoint.path = "caf\xE9";
  CHECK(parse_record(as_json(record), "r.json").checkpoint.path == "caf\xEF\xBF\xBD");
}

TEST_CASE("a figure that is not known is null, and timelines are in bytes") {
  const std::string json = as_json(sample::record());
  CHECK_THAT(json, ContainsSubstring("\"wall_ns\": null") && ContainsSubstring("\"no trial ended by itself\""));
  CHECK_THAT(json, ContainsSubstring("\"anon_bytes\": [0,262144,524288,786432,1048576]"));
  CHECK_THAT(json, ContainsSubstring("\"tool\": {\n  \"version\": \"0.1.0\""));
}

TEST_CASE("what is not JSON is refused with its offset") {
  CHECK_THAT(complaint(""), ContainsSubstring("r.json: byte 0: found an empty file"));
  CHECK_THAT(complaint("{\"schema\": }"), ContainsSubstring("r.json: byte 11: "));
  const std::string cut = as_json(sample::record()).substr(0, 1000);
  CHECK_THAT(complaint(cut), ContainsSubstring("r.json: byte 1000: "));
  CHECK(complaint("PK\x03\x04\n\n").find('\n') == std::string::npos);
  CHECK_THAT(complaint(std::string(100000, '[')), ContainsSubstring("64 deep"));
  CHECK_THAT(complaint("{\"schema\": \"weighbridge/1\", \"schema\": 1}"), ContainsSubstring("schema: found twice"));
}

TEST_CASE("a wrong field is named with its path, what was found and what was expected") {
  CHECK(complaint(with("\"largest_tensor_bytes\": 262144000", "\"largest_tensor_bytes\": \"250 MiB\"")) ==
        "r.json: checkpoint.largest_tensor_bytes: found \"250 MiB\", expected a whole number of at least 0");
  CHECK(complaint(with("\"seed\": 42", "\"seed\": -42")) ==
        "r.json: settings.seed: found -42, expected a whole number of at least 0");
  CHECK(complaint(with("\"seed\": 42", "\"sead\": 42")) == "r.json: settings.seed: found nothing, expected this field");
  CHECK(complaint(with("\"number\": 2", "\"number\": null")) ==
        "r.json: cells[0].trials[1].number: found null, expected a whole number");
  CHECK(complaint(with("\"number\": 2", "\"number\": 4294967297")) ==
        "r.json: cells[0].trials[1].number: found 4294967297, expected a whole number of 32 bits");
  CHECK(complaint(with("[0,262144,524288,786432,1048576]", "[0,262144,524288,786432]")) ==
        "r.json: cells[1].trials[0].timeline: found columns of 5 and 4 rows, expected the same number in each");
  CHECK(complaint(with("[0,262144,", "[0,262145,")) ==
        "r.json: cells[1].trials[0].timeline.anon_bytes[1]: found 262145, expected a multiple of 1024 below 4 TiB");
  CHECK(complaint(with("\"interrupted\": true", "\"interrupted\": 1")) ==
        "r.json: settings.interrupted: found 1, expected true or false");
  CHECK(complaint("[1]") == "r.json: the whole: found a list, expected a record");
}

TEST_CASE("another version is refused by its name, an unknown field is not") {
  CHECK(complaint(with("weighbridge/1", "weighbridge/2")) ==
        "r.json: schema: found \"weighbridge/2\", expected \"weighbridge/1\"");
  CHECK(complaint(with("weighbridge/1", "weighbridge/10")) ==
        "r.json: schema: found \"weighbridge/10\", expected \"weighbridge/1\"");
  CHECK(complaint("{}") == "r.json: schema: found nothing, expected \"weighbridge/1\"");
  CHECK(parse_record(with("\"seed\": 42", "\"seed\": 42, \"weather\": [{\"fair\": true}]"), "r.json") ==
        sample::record());
  CHECK(parse_record(with("\"seed\": 42", "\"seed\": 42.0"), "r.json") == sample::record());
}

TEST_CASE("a trial, or a record, stands on one line, for a journal that ends it") {
  const Record record = sample::record();
  const Trial& trial = record.cells[3].trials[0];
  const std::string line = written([&](std::FILE* stream) { write_trial(stream, trial); });
  CHECK(line.find('\n') == std::string::npos);
  CHECK(parse_trial(line, "journal") == trial);
  CHECK_THROWS_AS(parse_trial(line.substr(0, line.size() / 2), "journal"), BadRecord);

  const std::string whole = written([&](std::FILE* stream) { write_record_line(stream, record); });
  CHECK(whole.find('\n') == std::string::npos);
  CHECK(parse_record(whole, "journal") == record);
}

TEST_CASE("a record file appears whole, replaces the old one and leaves no temporary") {
  const Folder folder;
  const std::string path = folder / "record.json";
  write_record_file(path, Record{});
  const Record record = sample::record();
  write_record_file(path, record);
  CHECK(read_record(path) == record);
  CHECK(folder.entries() == 1);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE("a record that cannot be written or read says which call on which path") {
  const Folder folder;
  try {
    write_record_file(folder / "none/record.json", Record{});
    FAIL("written into a folder that is not there");
  } catch (const std::system_error& error) {
    CHECK_THAT(error.what(), ContainsSubstring("open ") && ContainsSubstring("No such file or directory"));
  }
  std::FILE* full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  CHECK_THROWS_AS(write_record(full, sample::record()), std::system_error);
  std::fclose(full);
  CHECK_THROWS_WITH(read_record(folder / "none.json"), ContainsSubstring("none.json: open: No such file or directory"));
  CHECK_THROWS_WITH(read_record(folder / ""), ContainsSubstring("Is a directory"));
}

TEST_CASE("a folder, a device and a link beside the target are left alone") {
  const Folder folder;
  std::filesystem::create_directory(folder / "record.json");
  CHECK_THROWS_WITH(write_record_file(folder / "record.json", Record{}),
                    ContainsSubstring("record.json") && ContainsSubstring("Is a directory"));
  std::filesystem::create_symlink("/dev/null", folder / "null.json");
  CHECK_THROWS_WITH(write_record_file(folder / "null.json", Record{}), ContainsSubstring("no regular file"));
  CHECK(folder.entries() == 2);

  std::ofstream(folder / "other") << "mine";
  const std::string planted = folder / fmt::format("new.json.{}.tmp", ::getpid());
  std::filesystem::create_symlink(folder / "other", planted);
  write_record_file(folder / "new.json", Record{});
  CHECK(read_record(folder / "new.json") == Record{});
  CHECK(std::filesystem::is_symlink(planted));
  CHECK(std::filesystem::file_size(folder / "other") == 4);
}

TEST_CASE("a writer that fails leaves nothing, a rename that fails leaves what was written and says where") {
  const Folder folder;
  const std::string path = folder / "a.txt";
  CHECK_THROWS_WITH(write_atomically(path, [](std::FILE*) { throw std::runtime_error("no"); }),
                    ContainsSubstring("no"));
  CHECK(folder.entries() == 0);
  const auto turn_into_folder = [&](std::FILE* file) {
    std::fputs("all of it", file);
    std::filesystem::create_directory(path);
  };
  const std::string temporary = path + fmt::format(".{}.tmp", ::getpid());
  CHECK_THROWS_WITH(write_atomically(path, turn_into_folder), ContainsSubstring("kept as " + temporary));
  CHECK(std::filesystem::file_size(temporary) == 9);
}

TEST_CASE("writing a large record keeps nothing but a buffer") {
#ifdef __SANITIZE_ADDRESS__
  WARN("not tried: the address sanitizer keeps what was freed, so that memory grows whatever the writer does");
  return;
#endif
  Record record;
  Cell cell = sample::record().cells[0];
  Timeline& timeline = cell.trials[0].timeline;
  timeline = {};
  for (uint32_t i = 0; i < 2000; ++i) {
    timeline.t_ns.push_back(i * 1'000'000ull);
    for (auto* column : {&timeline.anon_kib, &timeline.file_kib, &timeline.shmem_kib, &timeline.swap_kib,
                         &timeline.weights_kib, &timeline.staging_kib}) {
      column->push_back(i * 1000);
    }
  }
  cell.trials.assign(3, cell.trials[0]);
  record.cells.assign(30, cell);

  const auto peak_kib = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word) {
      if (word == "VmHWM:") break;
    }
    size_t kib = 0;
    status >> kib;
    return kib;
  };
  std::ofstream("/proc/self/clear_refs") << "5";
  const size_t before = peak_kib();
  std::FILE* nowhere = std::fopen("/dev/null", "w");
  write_record(nowhere, record);
  std::fclose(nowhere);
  CHECK(peak_kib() < before + 1024);
}
