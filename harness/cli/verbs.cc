#include "harness/cli/verb.h"

namespace weighbridge::cli {

std::vector<std::unique_ptr<Verb>> make_verbs() {
  std::vector<std::unique_ptr<Verb>> verbs;
  verbs.push_back(make_run());
  verbs.push_back(make_plan());
  verbs.push_back(make_fit());
  verbs.push_back(make_inspect());
  verbs.push_back(make_report());
  verbs.push_back(make_synth());
  verbs.push_back(make_list());
  verbs.push_back(make_doctor());
  return verbs;
}

}  // namespace weighbridge::cli
