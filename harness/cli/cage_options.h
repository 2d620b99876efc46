// The options that bound a trial's memory and keep the machine alive beside it; for run and fit.
#pragma once

#include <string>
#include <vector>

#include "harness/cli/verb.h"
#include "harness/run/matrix.h"

namespace weighbridge::cli {

struct CageOptions {
  std::vector<std::string> limits;
  std::string swap_limit, reserve;

  void define_limits(CLI::App& app);                   // --limit
  void define(CLI::App& app, const char* usual_swap);  // --swap-limit, --reserve
  // `always_limited`: every cell has a limit, though none is given here. Throws Error(usage).
  void apply(MatrixRequest& request, bool always_limited = false) const;
};

// Where cgroups can be made neither here nor above, but systemd would give one: does not return, but starts this
// program anew in there. Else returns, with the reason in `request.no_scope`.
void find_room_for_cages(MatrixRequest& request);

}  // namespace weighbridge::cli
