// A random plan of memory whose truth is known.
//
// Drawn from a seed, so that the worker that carries it out and the test that judges the measurement draw the same one.
// It has rounds; in each, one to four threads act at the same time and then wait for each other:
//   keep     allocate through Memory (weights or staging), touch every page, keep it
//   reserve  allocate, touch the first tenth of the pages
//   spike    allocate, touch; freed as soon as all threads of the round have touched theirs
//   heap     plain malloc, touched, kept to the end (overhead)
//   map      map a prefix of a file and touch it all
//   shared   a memfd, mapped shared and touched
//   give     give back something kept, mapped or shared before
// The truth is counted in whole pages: need = touched anonymous and shared pages, resident = need + touched file pages.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "strategies/plan.h"

namespace weighbridge::test {

enum class Act : uint8_t { keep, reserve, spike, heap, map, shared, give };

struct Action {
  Act act;
  Purpose purpose;   // keep, reserve, spike
  uint64_t pages;    // of what is allocated or mapped
  uint64_t touched;  // of these
  uint32_t id;       // of what is made; of what is given back
};

struct Round {
  std::vector<Action> actions;  // one a thread, all at once
};

struct TruthPhase {
  std::vector<Round> rounds;
  uint64_t need_peak = 0, resident_peak = 0;  // bytes above the floor, in this phase
};

struct TruthPlan {
  std::array<TruthPhase, kPhases> phases;  // `open` stays empty
  uint32_t ids = 0;
  uint64_t largest_map_pages = 0;  // the file must be as long
};

TruthPlan draw_truth(uint64_t seed);

}  // namespace weighbridge::test
