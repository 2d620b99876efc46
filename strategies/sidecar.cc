#include "strategies/sidecar.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <new>
#include <type_traits>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

// To be raised with every change of what convert() delivers for the same elements.
constexpr uint64_t kConversionRules = 1;
constexpr uint64_t kAlignment = 64;  // of a tensor: a cache line, as the widest vectors want it
constexpr int64_t kRestNs = 1'000'000'000;

class Hasher {
 public:
  Hasher() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(state_.get());
  }
  void bytes(const void* data, size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  template <typename T>
  requires std::is_arithmetic_v<T>
  void number(T value) { bytes(&value, sizeof(value)); }
  void text(std::string_view text) {
    number<uint64_t>(text.size());
    bytes(text.data(), text.size());
  }
  XXH128_hash_t result() const { return XXH3_128bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void write_at_start(int descriptor, const void* data, size_t size, const std::string& path) {
  const auto* bytes = static_cast<const char*>(data);
  for (size_t done = 0; done < size;) {
    const ssize_t wrote = pwrite(descriptor, bytes + done, size - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw system_error("write", path, wrote < 0 ? errno : ENOSPC, ErrorKind::environment);
    done += static_cast<size_t>(wrote);
  }
}

}  // namespace

// As it stands in the file, in this machine's byte order: a sidecar does not travel to another kind of machine, whose
// header would not verify.
struct Sidecar::Header {
  std::array<char, 24> magic{"weighbridge-sidecar 1\n"};
  Digest layout, content, stamps;
  uint64_t stamped_at_rest = 0;
  uint64_t check = 0;  // XXH3 of what stands before

  uint64_t computed_check() const { return XXH3_64bits(this, offsetof(Header, check)); }
};

Sidecar::Sidecar(const Request& request, const std::string& folder)
    : request_(request), folder_(folder), offsets_(request.layouts.size()) {
  for (uint32_t tensor = 0; tensor < offsets_.size(); ++tensor) {
    const Layout& layout = request.layouts[tensor];
    const bool viewed = request.checkpoint.tensors[tensor].plain() && !layout.converted();
    if (viewed || layout.loaded_bytes == 0 || holder(request, tensor) != tensor) continue;
    offsets_[tensor] = bytes_;
    // A file may claim tensors that no disk holds: no room is then found for the sum, whatever it is cut to.
    const uint64_t padding = (kAlignment - layout.loaded_bytes % kAlignment) % kAlignment;
    if (__builtin_add_overflow(bytes_, layout.loaded_bytes, &bytes_) ||
        __builtin_add_overflow(bytes_, padding, &bytes_)) {
      bytes_ = UINT64_MAX / 2;
    }
  }
  layout_ = layout_digest();
  // Checkpoints of one architecture have one layout: the path tells them apart.
  Hasher named;
  named.number(layout_.low);
  named.number(layout_.high);
  for (const CheckpointFile& file : request.checkpoint.files) {
    std::error_code unresolved;
    const auto path = std::filesystem::canonical(file.path, unresolved);
    named.text(unresolved ? file.path : path.string());
  }
  std::string stem = std::filesystem::path(request.checkpoint.path).filename().string();
  if (stem.size() > 100) stem.resize(100);
  const XXH128_hash_t digest = named.result();
  path_ = fmt::format("{}/{}.{}.{:016x}{:016x}.sidecar", folder_, stem.empty() ? "checkpoint" : stem,
                      name(request.target), digest.high64, digest.low64);
}

std::optional<uint64_t> Sidecar::offset(uint32_t tensor) const {
  if (offsets_[tensor] == 0) return std::nullopt;
  return offsets_[tensor];
}

Sidecar::Digest Sidecar::layout_digest() const {
  Hasher hasher;
  hasher.number(kConversionRules);
  hasher.text(name(request_.target));
  for (uint32_t tensor = 0; tensor < offsets_.size(); ++tensor) {
    const Tensor& read = request_.checkpoint.tensors[tensor];
    const Layout& layout = request_.layouts[tensor];
    hasher.text(read.name);
    hasher.number<uint64_t>(read.shape.size());
    for (const uint64_t dimension : read.shape) hasher.number(dimension);
    hasher.number(static_cast<uint32_t>(layout.stored));
    hasher.number(static_cast<uint32_t>(layout.loaded));
    hasher.number(layout.loaded_bytes);
    hasher.number(read.extent.file);
    hasher.number(read.extent.offset);
    hasher.number(read.extent.bytes);
    hasher.text(read.plain() ? "" : read.encoding->reason());
    hasher.number(offsets_[tensor]);
  }
  for (const CheckpointFile& file : request_.checkpoint.files) hasher.number(file.bytes);
  const XXH128_hash_t digest = hasher.result();
  return {digest.low64, digest.high64};
}

Sidecar::Stamps Sidecar::stamps() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  Hasher hasher;
  int64_t newest = INT64_MIN;
  for (const CheckpointFile& file : request_.checkpoint.files) {
    struct stat status {};
    if (stat(file.path.c_str(), &status) != 0) throw system_error("stat", file.path, errno);
    hasher.number(status.st_dev);
    hasher.number(status.st_ino);
    hasher.number(status.st_size);
    hasher.number(nanoseconds(status.st_mtim));
    hasher.number(nanoseconds(status.st_ctim));
    newest = std::max({newest, nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)});
  }
  const XXH128_hash_t digest = hasher.result();
  return {{digest.low64, digest.high64}, newest < nanoseconds(now) - kRestNs};
}

Sidecar::Digest Sidecar::content(const Told& read) const {
  Hasher hasher;
  std::vector<std::byte> buffer(kBufferBytes);
  for (const CheckpointFile& named : request_.checkpoint.files) {
    const File file = open_again(named);
    for (uint64_t at = 0; at < file.bytes();) {
      const uint64_t piece = std::min<uint64_t>(buffer.size(), file.bytes() - at);
      file.read(at, buffer.data(), piece);
      hasher.bytes(buffer.data(), piece);
      at += piece;
      read(piece);
    }
  }
  const XXH128_hash_t digest = hasher.result();
  return {digest.low64, digest.high64};
}

Sidecar::Header Sidecar::header(const Stamps& stamps, const Digest& content) const {
  Header header{};
  header.layout = layout_;
  header.content = content;
  header.stamps = stamps.digest;
  header.stamped_at_rest = stamps.at_rest ? 1 : 0;
  header.check = header.computed_check();
  return header;
}

std::optional<File> Sidecar::find(const Told* read_content) const {
  struct stat status {};
  if (lstat(path_.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
      static_cast<uint64_t>(status.st_size) != bytes_) {
    return std::nullopt;
  }
  File file(path_);
  Header found{};
  file.read(0, &found, sizeof(found));
  if (found.magic != Header().magic || found.check != found.computed_check() || found.layout != layout_) {
    return std::nullopt;
  }
  const Stamps now = stamps();
  if (found.stamped_at_rest == 1 && found.stamps == now.digest) return file;
  if (read_content == nullptr || content(*read_content) != found.content || stamps().digest != now.digest) {
    return std::nullopt;
  }
  // The next look need not read it all. Where that cannot be written, it has to.
  if (const int descriptor = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW); descriptor >= 0) {
    const Header renewed = header(now, found.content);
    [[maybe_unused]] const ssize_t wrote = pwrite(descriptor, &renewed, sizeof(renewed), 0);
    close(descriptor);
  }
  return file;
}

Sidecar::Making Sidecar::begin(const Told& read_content) const {
  std::error_code failed;
  if (!std::filesystem::exists(folder_, failed)) {
    std::filesystem::create_directories(folder_, failed);
    if (failed) throw system_error("mkdir", folder_, failed.value(), ErrorKind::environment);
    std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, failed);
  }
  struct statfs disk {};
  if (statfs(folder_.c_str(), &disk) != 0) throw system_error("statfs", folder_, errno, ErrorKind::environment);
  if (disk.f_type == TMPFS_MAGIC || disk.f_type == RAMFS_MAGIC) {
    throw Error(ErrorKind::environment,
                fmt::format("{} lies in memory (tmpfs), where a sidecar needs what it is to save: name a folder on a "
                            "disk, cached-mmap:dir=FOLDER",
                            printable(folder_)));
  }
  OutputFile file(path_, bytes_);
  // Where the file system cannot promise room at once, this writes to every block: a mapping of a full disk would end
  // in SIGBUS.
  if (const int error = posix_fallocate(file.descriptor(), 0, static_cast<off_t>(bytes_)); error != 0) {
    throw Error(ErrorKind::environment, fmt::format("{}: no room for a sidecar of {} bytes ({})", printable(folder_),
                                                    bytes_, std::strerror(error)));
  }
  const Stamps begun = stamps();
  return Making(std::move(file), begun, begun.at_rest ? std::nullopt : std::optional(content(read_content)));
}

void Sidecar::finish(Making& making, const Told& read_content) const {
  const Digest digest = content(read_content);
  if (stamps().digest != making.stamps_.digest || (making.content_ && *making.content_ != digest)) {
    throw Error(ErrorKind::bad_input, printable(request_.checkpoint.path) + " was changed while it was read");
  }
  const Header written = header(making.stamps_, digest);
  write_at_start(making.descriptor(), &written, sizeof(written), path_);
  making.file_.sync();
  making.file_.rename();
  sync_folder_of(path_);
}

}  // namespace weighbridge
