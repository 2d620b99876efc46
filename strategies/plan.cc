#include "strategies/plan.h"

namespace weighbridge {

const char* name(Phase phase) {
  switch (phase) {
    case Phase::open:
      return "open";
    case Phase::load:
      return "load";
    case Phase::use:
      return "use";
    case Phase::release:
      return "release";
  }
  return "?";
}

}  // namespace weighbridge
