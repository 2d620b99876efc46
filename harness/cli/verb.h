// One verb of the command line: what `weighbridge NAME` takes and does. One file a verb; verbs.cc lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

namespace weighbridge::cli {

class Verb {
 public:
  virtual ~Verb() = default;
  virtual const char* name() const = 0;
  virtual const char* summary() const = 0;
  virtual const char* examples() const = 0;  // shown under --help
  virtual void define(CLI::App& app) = 0;    // options, bound to members
  virtual int run() = 0;                     // the exit status; throws Error, BadRecord, Interrupted
};

std::vector<std::unique_ptr<Verb>> make_verbs();

std::unique_ptr<Verb> make_run();
std::unique_ptr<Verb> make_plan();
std::unique_ptr<Verb> make_fit();
std::unique_ptr<Verb> make_inspect();
std::unique_ptr<Verb> make_report();
std::unique_ptr<Verb> make_synth();
std::unique_ptr<Verb> make_list();
std::unique_ptr<Verb> make_doctor();

// Exit statuses (the README's table).
enum Exit : int { kDone = 0, kNothingFits = 1, kUsage = 2, kBadInput = 3, kEnvironment = 4, kInterrupted = 130 };

}  // namespace weighbridge::cli
