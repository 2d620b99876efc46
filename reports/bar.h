// A bar of need and cache against a limit.
#pragma once

#include <string>

#include "reports/record.h"

namespace weighbridge::reports {

struct Bar {
  Bytes need = 0, cache = 0;
  Figure limit;          // nullopt: no limit; the axis then ends at `largest`
  Bytes largest = 0;     // used without a limit
  unsigned columns = 0;  // brackets included; at least 8
  bool utf8 = false;
};

// "[###++----|  ]". The limit stands at five sixths, so that what passes it is seen to; beyond the end a bar is cut.
std::string draw(const Bar& bar);

}  // namespace weighbridge::reports
