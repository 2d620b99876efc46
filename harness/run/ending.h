// What ended a trial that did not end by itself, told apart from evidence; the record names the evidence.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "harness/run/oom_witness.h"
#include "harness/run/worker_process.h"
#include "harness/worker/shared_page.h"
#include "reports/record.h"

namespace weighbridge {

// ", while the plug-in's load() ran": what the worker was at, where that was the affair of a plug-in; else empty.
std::string at_what(const SharedPage& page);

// Fills verdict, reason and evidence of a trial whose worker was not stopped from here: from the message it left, from
// its exit status, or from the signal that ended it. Leaves the verdict empty where it ended well: `finished` says that
// it announced the end of its last phase. `trial.reached` must be filled. Returns the kernel log's words on an
// out-of-memory kill, where they could be read.
std::optional<OomLines> judge_ending(reports::Trial& trial, const Ending& ending, const SharedPage& page, pid_t pid,
                                     OomWitness& witness, bool finished);

}  // namespace weighbridge
