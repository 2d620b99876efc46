#include "harness/worker/worker.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/probe/status.h"
#include "harness/worker/last_words.h"
#include "harness/worker/protocol.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

void fail(SharedPage& page, uint32_t kind, const char* message) {
  // How much address space was taken is evidence against ulimit -v. No allocation: there may be nothing left to get.
  if (const auto bytes = StatusFile(0).read_vm_size()) page.failed_vm_bytes = *bytes;
  std::strncpy(page.message.data(), message, page.message.size() - 1);
  page.failed.store(kind, std::memory_order_release);
}

std::string read_job() {
  struct stat info {};
  if (fstat(kJobDescriptor, &info) != 0) throw system_error("fstat", "the job's descriptor", errno);
  std::string text(static_cast<size_t>(info.st_size), '\0');
  if (pread(kJobDescriptor, text.data(), text.size(), 0) != info.st_size) {
    throw Error(ErrorKind::environment, "the job could not be read");
  }
  return text;
}

void run(SharedPageMapping& page) {
  if (page->layout != kLayout) {
    throw Error(ErrorKind::environment,
                "weighbridge and weighbridge-worker are of different builds: install both of the same");
  }
  // Never destroyed: arena 0 calls the meter until the process's last free, after static destructors have run.
  static NeedMeter& meter = *new NeedMeter(*page);
  leave_last_words(*page);
  static Allocator* const allocator = make_allocator(meter).release();
  const Job job = decode_job(read_job());
  WorkerContext context{page, meter, *allocator, job};
  using Mode = void (*)(WorkerContext&);
  static constexpr std::pair<std::string_view, Mode> modes[] = {{"describe", describe},
                                                                {"reference", reference},
                                                                {"trial", trial},
                                                                {"inspect", inspect},
                                                                {"plugin", describe_plugin}};
  const auto mode =
      std::find_if(std::begin(modes), std::end(modes), [&](const auto& m) { return m.first == job.mode; });
  if (mode == std::end(modes)) throw Error(ErrorKind::environment, "this worker does not know the mode " + job.mode);
  mode->second(context);
}

}  // namespace

int worker_main() {
  static SharedPageMapping& page = *new SharedPageMapping(SharedPageMapping::adopt(kPageDescriptor));
  try {
    run(page);
    return 0;
  } catch (const Error& error) {
    fail(*page, 1 + static_cast<uint32_t>(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    fail(*page, 1 + static_cast<uint32_t>(ErrorKind::refused), "an allocation was refused: out of memory");
  } catch (const std::exception& error) {
    fail(*page, kCrashed, error.what());
  }
  return 1;
}

void handshake(Message::Kind kind, Phase phase) {
  const Message message{kind, static_cast<uint32_t>(phase)};
  Message answer{};
  if (send(kControlDescriptor, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message) ||
      recv(kControlDescriptor, &answer, sizeof(answer), 0) != sizeof(answer) || answer.kind != Message::Kind::go) {
    throw Error(ErrorKind::environment, "the parent process is gone");
  }
}

void reply(const nlohmann::json& answer) {
  std::string text;
  nlohmann::json::to_cbor(answer, text);
  if (ftruncate(kReplyDescriptor, 0) != 0) throw system_error("ftruncate", "the reply", errno);
  for (size_t done = 0; done < text.size();) {
    const ssize_t bytes = pwrite(kReplyDescriptor, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (bytes < 0) throw system_error("pwrite", "the reply", errno);
    done += static_cast<size_t>(bytes);
  }
}

}  // namespace weighbridge
