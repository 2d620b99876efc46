// One way to load a checkpoint, and the registry of them all.
//
// Adding a strategy: one file that defines it, one line in registry.cc, one test.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/dtype/dtype.h"
#include "strategies/plan.h"

namespace weighbridge {

struct OptionInfo {
  std::string_view name;
  std::string_view fallback;  // the value when it is not given, as it would be written
  std::string_view summary;
};

// Options of one cell by name, every one present (defaults filled in), as written on the command line.
using Options = std::map<std::string, std::string, std::less<>>;
// "8MiB", "512k", "4096" (bytes; KiB, MiB, GiB, TiB and their first letters are binary). Throws Error(usage).
uint64_t parse_bytes(std::string_view text, std::string_view what);

struct Request {
  const Checkpoint& checkpoint;
  Target target;
  std::vector<Layout> layouts;  // one a tensor
  int passes = 1;               // over the weights in `use`
  const Options& options;

  Request(const Checkpoint& checkpoint_, Target target_, int passes_, const Options& options_);
  // With the layouts of another request for the same checkpoint and target.
  Request(const Checkpoint& checkpoint_, Target target_, int passes_, const Options& options_,
          std::vector<Layout> layouts_);
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view mechanism() const = 0;  // one line, what it does
  virtual std::string_view cost() const = 0;       // the need at its peak, in the letters of the README: S, T, L, C, B
  virtual std::span<const OptionInfo> options() const { return {}; }
  // Leaves a file of about T bytes behind: not for those who did not ask for it by name.
  virtual bool writes_files() const { return false; }
  // Throws Error(usage) where an option has no sense; called before any plan.
  virtual void check(const Options&) const {}
  virtual void plan(const Request& request, Steps& steps) const = 0;
};

// The built-in strategies in the order of the README's table, then what add_strategy added.
std::vector<const Strategy*> strategies();
// Adds one for the life of the process (plug-ins, tests). `strategy` must outlive it.
void add_strategy(const Strategy* strategy);

struct Choice {
  const Strategy* strategy;
  Options options;
};
// "stream" or "stream:chunk=8MiB,..." with defaults filled in. Throws Error(usage) with the nearest known word.
Choice parse_choice(std::string_view text);

// The known word nearest to a misspelt one (edit distance at most 3 and below its length), or empty.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace weighbridge
