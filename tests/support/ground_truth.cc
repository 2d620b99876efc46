#include "tests/support/ground_truth.h"

#include <algorithm>
#include <random>

namespace weighbridge::test {
namespace {

struct Live {
  Action made;
  bool file;
};

}  // namespace

TruthPlan draw_truth(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  // Sizes over four orders of magnitude, as tensors have: 4 KiB to 32 MiB.
  const auto draw_pages = [&] { return uint64_t{1} + below(uint64_t{1} << (1 + below(13))); };

  TruthPlan plan;
  std::vector<Live> live;
  uint64_t need = 0, file = 0;
  for (const Phase phase : {Phase::load, Phase::use, Phase::release}) {
    TruthPhase& truth = plan.phases[static_cast<size_t>(phase)];
    truth.need_peak = need;
    truth.resident_peak = need + file;
    for (int count = 0; count < 25; ++count) {
      Round round;
      uint64_t spike = 0;
      const uint64_t threads = 1 + below(4);
      uint64_t made_need = 0, made_file = 0, given_need = 0, given_file = 0;
      for (uint64_t thread = 0; thread < threads; ++thread) {
        Action action{};
        action.act = static_cast<Act>(below(7));
        // More is given back in `release`, and nothing grows without bound before.
        if (phase == Phase::release && below(2) == 0) action.act = Act::give;
        if (need + file > (uint64_t{384} << 20) && action.act != Act::spike) action.act = Act::give;
        if (action.act == Act::give && live.empty()) action.act = Act::spike;
        if (action.act == Act::give) {
          const auto chosen = live.begin() + static_cast<ptrdiff_t>(below(live.size()));
          action = chosen->made;
          (chosen->file ? given_file : given_need) += action.touched * kPageBytes;
          action.act = Act::give;
          live.erase(chosen);
        } else {
          action.purpose = below(2) == 0 ? Purpose::weights : Purpose::staging;
          action.pages = draw_pages();
          action.touched = action.act == Act::reserve ? std::max<uint64_t>(action.pages / 10, 1) : action.pages;
          action.id = plan.ids++;
          const uint64_t bytes = action.touched * kPageBytes;
          if (action.act == Act::spike) {
            spike += bytes;
          } else if (action.act == Act::map) {
            made_file += bytes;
            plan.largest_map_pages = std::max(plan.largest_map_pages, action.pages);
            live.push_back({action, true});
          } else {
            made_need += bytes;
            if (action.act != Act::heap) live.push_back({action, false});
          }
        }
        round.actions.push_back(action);
      }
      // The carrier makes everything, waits, then frees spikes and what is given: so all of the round is live at once.
      need += made_need;
      file += made_file;
      truth.need_peak = std::max(truth.need_peak, need + spike);
      truth.resident_peak = std::max(truth.resident_peak, need + file + spike);
      need -= given_need;
      file -= given_file;
      truth.rounds.push_back(std::move(round));
    }
  }
  return plan;
}

}  // namespace weighbridge::test
