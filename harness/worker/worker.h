// The worker: the child process that opens, describes and loads checkpoints. Everything that touches a checkpoint's
// bytes happens here, so that a hostile file or a load that is too large harms a child and not the program that
// measures.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/alloc/allocator.h"
#include "harness/alloc/counted_memory.h"
#include "harness/worker/job.h"
#include "harness/worker/need_meter.h"
#include "harness/worker/protocol.h"
#include "harness/worker/shared_page.h"

namespace weighbridge {

// main() of the worker program: finds the descriptors of protocol.h in place, does its job, returns the exit status (0,
// or 1 with the message in the shared page).
int worker_main();

// What every mode works with. The meter comes first: the allocator tells it of releases until the process ends.
struct WorkerContext {
  SharedPageMapping& page;
  NeedMeter& meter;
  Allocator& allocator;
  const Job& job;
};

// The modes, one file each. They throw Error.
void describe(WorkerContext& context);         // totals, dtypes and predictions into the reply
void reference(WorkerContext& context);        // hashes into the reference, checksums and accuracy into the reply
void trial(WorkerContext& context);            // runs one plan, phase by phase
void inspect(WorkerContext& context);          // the tensor table on stdout
void describe_plugin(WorkerContext& context);  // loads a plug-in; what it declares into the reply

// Loads a plug-in and adds its strategies, as part of a trial. Throws Error.
void add_plugin(WorkerContext& context, const std::string& path);

// Tells the parent where this worker stands, and waits for its word. Throws Error.
void handshake(Message::Kind kind, Phase phase);

// Writes `answer` as the whole reply, CBOR. Throws Error.
void reply(const nlohmann::json& answer);

}  // namespace weighbridge
