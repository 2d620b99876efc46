// Records as a run would make them, for tests and for looking at the report.
#pragma once

#include "reports/record.h"

namespace weighbridge::reports {

// GPT-2 (475 MiB of f32) loaded in 24 ways, three trials each, 2,000 samples a trial, in a container of 768 MiB.
Record gpt2_record();

// What goes wrong: an interrupted run without a limit; killed, refused, failed and unrun cells, no sampler, nulls.
Record troubled_record();

// Names that try to break out of every context they could be put in.
Record hostile_record();

// Four ways in two limits, one held and one watched, with evidence of what did not fit.
Record limits_record();

// What `fit` found: no cells.
Record fit_record();

}  // namespace weighbridge::reports
