// The reference: what every strategy must deliver, found by the plainest reader there is (read() into a buffer, scalar
// conversion), and what each conversion did to the values. Made once per checkpoint, before anything is measured; a
// strategy whose bytes have the same hashes has the same accuracy.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/dtype/accuracy.h"
#include "strategies/dtype/dtype.h"

namespace weighbridge {

struct Reference {
  uint64_t checksum = 0;     // sum of the tensors' hashes, modulo 2^64
  Accuracy accuracy;         // accuracy.elements is 0 where nothing was converted
  std::string worst_tensor;  // by signal-to-noise; empty where no tensor has an error
  Accuracy worst;
  uint64_t kept_native = 0;  // non-empty tensors that cannot be converted to the target
};

// One Reference a target, in order. `hash(target index, tensor, hash)` is called for each delivered tensor,
// `progress(bytes)` as its tensors are read. Checksums that the
// files hold are verified first. Memory: one row of the largest tensor or 4 MiB, times the targets.
std::vector<Reference> make_reference(const Checkpoint& checkpoint, std::span<const Target> targets,
                                      const std::function<void(size_t, uint32_t, uint64_t)>& hash,
                                      const std::function<void(uint64_t)>& progress);

}  // namespace weighbridge
