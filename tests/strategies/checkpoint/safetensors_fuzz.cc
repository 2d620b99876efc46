// libFuzzer's entry to the safetensors reader, and the same for a fixed set of mutations where there is no clang.
//
//   CXX=clang++ cmake -S . -B build/fuzz -DCMAKE_CXX_FLAGS=-fsanitize=fuzzer-no-link,address,undefined
//   build/fuzz/bin/safetensors_fuzz -max_len=4096 CORPUS_FOLDER
//
// Any bytes must end in a checkpoint whose tensors tile the file, or in an Error of kind bad_input in one line.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "strategies/checkpoint/checkpoint.h"
#include "strategies/error.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int descriptor = ::memfd_create("fuzz.safetensors", MFD_CLOEXEC);
  require(descriptor >= 0 && ::ftruncate(descriptor, 0) == 0);
  require(::pwrite(descriptor, data, size, 0) == static_cast<ssize_t>(size));
  try {
    const weighbridge::Checkpoint checkpoint =
        weighbridge::open_checkpoint("/proc/self/fd/" + std::to_string(descriptor));
    uint64_t reached = checkpoint.tensors.empty() ? size : checkpoint.tensors.front().extent.offset;
    for (const weighbridge::Tensor& tensor : checkpoint.tensors) {
      require(tensor.extent.offset == reached && tensor.extent.bytes <= size - reached);
      const auto elements = weighbridge::element_count(tensor.shape);
      require(elements && weighbridge::packed_bytes(tensor.dtype, *elements) == tensor.extent.bytes);
      reached += tensor.extent.bytes;
    }
    require(reached == size || checkpoint.files.empty());
  } catch (const weighbridge::Error& error) {
    require(error.kind() == weighbridge::ErrorKind::bad_input);
    require(std::string(error.what()).find('\n') == std::string::npos);
  }
  return 0;
}
