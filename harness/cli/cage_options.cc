#include "harness/cli/cage_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/cage/cage.h"
#include "harness/cage/scope.h"
#include "harness/cli/matrix_options.h"
#include "strategies/error.h"
#include "strategies/strategy.h"

namespace weighbridge::cli {
namespace {

// As parse_bytes, but 0 is a size too: none at all.
uint64_t parse_bytes_or_none(const std::string& text, const char* what) {
  return text.find_first_not_of('0') == std::string::npos ? 0 : parse_bytes(text, what);
}

}  // namespace

void CageOptions::define_limits(CLI::App& app) {
  app.add_option("--limit", limits,
                 "run each cell under these memory limits, held by a cgroup; files start evicted then [none]")
      ->type_name("4GiB,none")
      ->allow_extra_args(false);
}

void CageOptions::define(CLI::App& app, const char* usual_swap) {
  app.add_option("--swap-limit", swap_limit,
                 std::string("swap that a limited load may use beside its limit [") + usual_swap + "]")
      ->type_name("SIZE");
  app.add_option("--reserve", reserve,
                 "memory that the guard keeps free for the machine, and below limits around this program: it ends a "
                 "trial before; 0 turns it off [5 %, 64 MiB to 1 GiB]")
      ->type_name("SIZE");
}

void CageOptions::apply(MatrixRequest& request, bool always_limited) const {
  const auto words = split_list(limits);
  if (!limits.empty()) {
    if (words.empty()) throw Error(ErrorKind::usage, "--limit takes sizes such as 4GiB, or none");
    request.limits.clear();
    for (const std::string& word : words) {
      const reports::Figure limit = word == "none" ? std::nullopt : reports::Figure(parse_bytes(word, "--limit"));
      if (limit && *limit < (1u << 20)) {
        throw Error(ErrorKind::usage,
                    "--limit: '" + printable(word) + "' is less than 1 MiB, in which no worker can start");
      }
      if (std::find(request.limits.begin(), request.limits.end(), limit) == request.limits.end()) {
        request.limits.push_back(limit);
      }
    }
  }
  if (!swap_limit.empty()) request.swap_limit = parse_bytes_or_none(swap_limit, "--swap-limit");
  if (!reserve.empty()) {
    request.guard.reserve_bytes = parse_bytes_or_none(reserve, "--reserve");
    request.guard.on = *request.guard.reserve_bytes > 0;
  }
  if (request.swap_limit && !always_limited && !has_limit(request))
    throw Error(ErrorKind::usage, "--swap-limit needs a --limit beside it");
}

void find_room_for_cages(MatrixRequest& request) {
  if (Cages(true).possible()) return;
  request.no_scope = restart_in_scope();
}

}  // namespace weighbridge::cli
