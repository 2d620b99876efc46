#include "tests/plugin/built_plugin.h"

#include <map>
#include <stdexcept>

#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

void succeed(const std::vector<std::string>& words) {
  const Outcome outcome = run(words);
  if (outcome.status == 0) return;
  std::string text = "failed:";
  for (const std::string& word : words) text += " " + word;
  throw std::runtime_error(text + "\n" + outcome.out + outcome.err);
}

const Scratch& prefix() {
  static const Scratch folder;
  static const bool installed = [] {
    succeed(
        {WEIGHBRIDGE_CMAKE, "--install", WEIGHBRIDGE_BUILD_DIR, "--component", "plugin", "--prefix", folder.path()});
    return true;
  }();
  (void)installed;
  return folder;
}

}  // namespace

std::string built_plugin(const std::string& source, const std::vector<std::string>& flags) {
  static std::map<std::string, std::string> built;
  std::string key = source;
  for (const std::string& flag : flags) key += " " + flag;
  std::string& library = built[key];
  if (!library.empty()) return library;
  const std::string path = prefix() / ("lib" + std::to_string(built.size()) + ".so");
  const bool plain_c = source.ends_with(".c");
  std::vector<std::string> words = {plain_c ? WEIGHBRIDGE_CC : WEIGHBRIDGE_CXX, plain_c ? "-std=c99" : "-std=c++11"};
  words.insert(words.end(),
               {"-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-O2", "-pthread", "-shared", "-fPIC",
                "-I" + prefix() / "include", "-o", path, std::string(WEIGHBRIDGE_SOURCE_DIR) + "/" + source});
  words.insert(words.end(), flags.begin(), flags.end());
  succeed(words);
  return library = path;
}

}  // namespace weighbridge::test
