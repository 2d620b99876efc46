#include "harness/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <langinfo.h>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/run/interrupt.h"
#include "strategies/error.h"

namespace weighbridge::cli {
namespace {

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool is(const char* variable, const char* expected) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::strcmp(value, expected) == 0;
}

unsigned columns(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const char* value = std::getenv("COLUMNS")) {
    if (const int number = std::atoi(value); number > 0) return static_cast<unsigned>(number);
  }
  return 80;
}

}  // namespace

reports::TerminalStyle stdout_style(int verbosity) {
  std::setlocale(LC_CTYPE, "");
  reports::TerminalStyle style;
  style.columns = columns(STDOUT_FILENO);
  style.utf8 = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  style.colour = set("FORCE_COLOR") || (isatty(STDOUT_FILENO) != 0 && !is("TERM", "dumb") && !is("CLICOLOR", "0"));
  if (set("NO_COLOR")) style.colour = false;
  style.verbosity = verbosity;
  return style;
}

bool can_redraw() {
  return isatty(STDERR_FILENO) != 0 && !is("TERM", "dumb") && !set("CI");
}

unsigned stderr_columns() {
  return columns(STDERR_FILENO);
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    if (errno == EPIPE) throw BrokenPipe();
    throw Error(ErrorKind::environment, "standard output could not be written");
  }
}

void complain(const std::string& text) {
  std::fprintf(stderr, "weighbridge: %s\n", text.c_str());
}

}  // namespace weighbridge::cli
