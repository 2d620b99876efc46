// weighbridge: the command line. Finds the verb, and turns what a verb throws into one line and an exit status.
#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "harness/cli/console.h"
#include "harness/cli/verb.h"
#include "harness/run/interrupt.h"
#include "harness/version.h"
#include "reports/json.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge::cli {
namespace {

constexpr const char* kShortHelp =
    "weighbridge weighs how model weights are loaded: which way fits in memory, which does not, and why.\n"
    "\n"
    "  weighbridge run model.safetensors       measure every strategy and dtype, write a report\n"
    "  weighbridge plan model.safetensors      predict the same without loading anything\n"
    "\n"
    "`weighbridge --help` lists all verbs, `weighbridge VERB --help` explains one.\n";

// The misspelt word of an argument error and what it is nearest to.
void explain_extras(const CLI::App& app, const std::vector<std::string>& extras) {
  for (const std::string& extra : extras) {
    const std::string word = extra.substr(0, extra.find('='));
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto near = word.rfind("--", 0) == 0 ? nearest(word, known) : std::string_view();
    if (!near.empty()) {
      complain("no option " + printable(word) + ": did you mean " + std::string(near) + "?");
    } else {
      complain("did not expect '" + printable(extra) + "': see weighbridge " + app.get_name() + " --help");
    }
    return;
  }
}

int run_verb(Verb& verb) {
  try {
    return verb.run();
  } catch (const Error& error) {
    complain(error.what());
    switch (error.kind()) {
      case ErrorKind::usage:
        return kUsage;
      case ErrorKind::bad_input:
        return kBadInput;
      default:
        return kEnvironment;
    }
  } catch (const reports::BadRecord& error) {
    complain(error.what());
    return kBadInput;
  } catch (const BrokenPipe&) {
    return 128 + SIGPIPE;
  } catch (const Interrupted&) {
    complain("interrupted before anything was measured");
    return kInterrupted;
  } catch (const std::system_error& error) {
    if (error.code().value() == EPIPE) return 128 + SIGPIPE;  // a reader that went away
    complain(error.what());
    return kEnvironment;
  } catch (const std::exception& error) {
    complain(error.what());
    return kEnvironment;
  }
}

// Standard input, output and error must be open: a file or memory that took the number of a closed one would be written
// over by whatever is printed.
void open_standard_descriptors() {
  int descriptor;
  do {
    descriptor = open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) close(descriptor);
}

// A word that begins with a dash in the verb's place: a top-level option, or a misspelt one.
bool known_top_option(std::string_view word) {
  constexpr std::string_view kKnown[] = {"--help", "-h", "--version"};
  if (std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown)) return true;
  const auto near = nearest(word, kKnown);
  complain("no option " + printable(word) +
           (near.size() < 3 ? ": see weighbridge --help" : ": did you mean " + std::string(near) + "?"));
  return false;
}

int main(int argc, char** argv) {
  open_standard_descriptors();
  if (argc == 1) {
    std::fputs(kShortHelp, stderr);
    return kUsage;
  }
  CLI::App app("weighbridge weighs how model weights are loaded: which way fits in memory, which does not, and why.",
               "weighbridge");
  app.set_version_flag("--version", std::string("weighbridge ") + kVersion + " (" + kCommit + ")");
  app.require_subcommand(1);
  app.footer("Examples:\n  weighbridge run model.safetensors\n  weighbridge plan model.safetensors --limit 8GiB");
  const auto verbs = make_verbs();
  std::vector<std::string_view> names;
  for (const auto& verb : verbs) {
    CLI::App* sub = app.add_subcommand(verb->name(), verb->summary());
    sub->footer(std::string("Examples:\n") + verb->examples());
    verb->define(*sub);
    names.emplace_back(verb->name());
  }
  if (argv[1][0] == '-' && !known_top_option(argv[1])) return kUsage;
  if (argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    const auto near = nearest(argv[1], names);
    complain("no verb '" + printable(argv[1]) + "'" +
             (near.empty() ? ": see weighbridge --help" : ": did you mean " + std::string(near) + "?"));
    return kUsage;
  }
  const auto chosen =
      std::find_if(verbs.begin(), verbs.end(), [&](const auto& verb) { return !std::strcmp(verb->name(), argv[1]); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ExtrasError&) {
    CLI::App* sub = chosen == verbs.end() ? &app : app.get_subcommand((*chosen)->name());
    auto extras = sub->remaining();
    if (extras.empty()) extras = app.remaining(true);
    explain_extras(*sub, extras);
    return kUsage;
  } catch (const CLI::ParseError& error) {
    complain(std::string(error.what()) + ": see weighbridge " +
             (chosen == verbs.end() ? "" : std::string((*chosen)->name()) + " ") + "--help");
    return kUsage;
  }
  if (chosen == verbs.end()) {
    std::fputs(kShortHelp, stderr);
    return kUsage;
  }
  return run_verb(**chosen);
}

}  // namespace
}  // namespace weighbridge::cli

int main(int argc, char** argv) {
  return weighbridge::cli::main(argc, argv);
}
