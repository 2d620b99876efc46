#include <unistd.h>
#include <cstdio>

#include "harness/worker/protocol.h"
#include "harness/worker/worker.h"

int main(int argc, char**) {
  if (argc != 1 || lseek(weighbridge::kPageDescriptor, 0, SEEK_CUR) < 0) {
    std::fputs(
        "weighbridge-worker is started by weighbridge, which sets up its descriptors; run `weighbridge --help`\n",
        stderr);
    return 2;
  }
  return weighbridge::worker_main();
}
