#include "harness/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>

#include "harness/cli/console.h"
#include "harness/probe/descriptor.h"
#include "reports/html/html.h"
#include "reports/json.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

bool attempt(void (*write)(const std::string&, const reports::Record&), const std::string& path,
             const reports::Record& record) {
  try {
    write(path, record);
    return true;
  } catch (const std::exception& error) {
    const std::string said = error.what();
    complain(said.find(path) == std::string::npos ? path + ": " + said : said);
    return false;
  }
}

}  // namespace

void prepare_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(ErrorKind::environment, "cannot make the folder " + folder + ": " + error.message());
  const std::string probe = folder + "/.weighbridge-write-test";
  if (!Descriptor(open(probe.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644))) {
    throw system_error("open", probe, errno, ErrorKind::environment);
  }
  unlink(probe.c_str());
  for (const char* name : {"/record.json", "/report.html"}) {
    if (std::filesystem::is_directory(folder + name, error)) {
      throw Error(ErrorKind::environment, folder + name + " is a folder, and this run wants to write a file there");
    }
  }
}

bool write_record_into(const std::string& folder, const reports::Record& record) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  return attempt(reports::write_record_file, folder + "/record.json", record);
}

bool write_report_into(const std::string& folder, const reports::Record& record) {
  return attempt(reports::write_html_file, folder + "/report.html", record);
}

uint64_t timeout_ns(double seconds) {
  if (!(seconds >= 0.001 && seconds <= 1e9)) {
    throw Error(ErrorKind::usage, "--timeout takes seconds from 0.001 to 1e9, such as 30 or 0.5");
  }
  return static_cast<uint64_t>(seconds * 1e9);
}

}  // namespace weighbridge::cli
