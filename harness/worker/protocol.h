// How the parent and a worker talk.
//
// The worker is started with five descriptors in fixed places. It reads its job (CBOR) from kJob, and:
//   describe, reference, inspect, plugin: writes its answer (CBOR) into kReply, or to stdout for inspect, and exits.
//   Where inspect has read values it says `ready` first, so that the parent can take its progress from the terminal.
//   trial: announces each phase boundary on kControl and waits for the parent's word before it goes on, so that the
//   parent can read and reset the kernel's high-water mark exactly there.
// A failure is a message in the shared page, whatever the mode.
#pragma once

#include <cstdint>

namespace weighbridge {

// Descriptors of a worker.
constexpr int kControlDescriptor = 3;    // SOCK_SEQPACKET
constexpr int kPageDescriptor = 4;       // memfd with a SharedPage
constexpr int kJobDescriptor = 5;        // memfd with the job, CBOR
constexpr int kReplyDescriptor = 6;      // memfd for the answer
constexpr int kReferenceDescriptor = 7;  // memfd: uint64 hash of tensor t at target k at [(k * tensors + t) * 8]

struct Message {
  enum class Kind : uint32_t {
    ready,      // worker: nothing is loaded yet, this is the floor
    phase_end,  // worker: `phase` has ended
    go,         // parent: go on
  } kind;
  uint32_t phase;
};

}  // namespace weighbridge
