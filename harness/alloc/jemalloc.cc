#include <fmt/format.h>
#include <jemalloc/jemalloc.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "harness/alloc/allocator.h"
#include "strategies/error.h"

// Read by jemalloc when it starts. One arena for everything that is not asked for by purpose, large blocks included, so
// that "overhead" is one arena; no huge pages behind its back. (The parent starts workers without MALLOC_CONF.)
extern "C" const char* malloc_conf;  // NOLINT(readability-redundant-declaration)
const char* malloc_conf = "narenas:1,oversize_threshold:0,thp:default,background_thread:false";

namespace weighbridge {
namespace {

template <typename T>
T read_control(const std::string& name) {
  T value{};
  size_t size = sizeof(value);
  if (const int error = mallctl(name.c_str(), &value, &size, nullptr, 0); error != 0) {
    throw system_error("mallctl", name, error);
  }
  return value;
}

template <typename T>
void write_control(const std::string& name, T value) {
  if (const int error = mallctl(name.c_str(), nullptr, nullptr, &value, sizeof(value)); error != 0) {
    throw system_error("mallctl", name, error);
  }
}

// Arena 0's extent hooks: jemalloc's own, with the watch told first wherever pages may leave the resident set.
// purge_lazy (MADV_FREE) is left alone: its pages stay resident until the kernel wants them.
extent_hooks_t* original_hooks = nullptr;
ReleaseWatch* release_watch = nullptr;

bool dalloc_hook(extent_hooks_t*, void* address, size_t size, bool committed, unsigned arena) {
  release_watch->before_release(size);
  return original_hooks->dalloc == nullptr || original_hooks->dalloc(original_hooks, address, size, committed, arena);
}
void destroy_hook(extent_hooks_t*, void* address, size_t size, bool committed, unsigned arena) {
  release_watch->before_release(size);
  if (original_hooks->destroy != nullptr) original_hooks->destroy(original_hooks, address, size, committed, arena);
}
bool decommit_hook(extent_hooks_t*, void* address, size_t size, size_t offset, size_t length, unsigned arena) {
  release_watch->before_release(length);
  return original_hooks->decommit == nullptr ||
         original_hooks->decommit(original_hooks, address, size, offset, length, arena);
}
bool purge_forced_hook(extent_hooks_t*, void* address, size_t size, size_t offset, size_t length, unsigned arena) {
  release_watch->before_release(length);
  return original_hooks->purge_forced == nullptr ||
         original_hooks->purge_forced(original_hooks, address, size, offset, length, arena);
}

void watch_arena_0(ReleaseWatch& watch) {
  release_watch = &watch;
  original_hooks = read_control<extent_hooks_t*>("arena.0.extent_hooks");
  static extent_hooks_t hooks = *original_hooks;
  hooks.dalloc = dalloc_hook;
  hooks.destroy = destroy_hook;
  hooks.decommit = decommit_hook;
  hooks.purge_forced = purge_forced_hook;
  write_control<extent_hooks_t*>("arena.0.extent_hooks", &hooks);
}

unsigned make_arena() {
  const auto arena = read_control<unsigned>("arenas.create");
  write_control<ssize_t>(fmt::format("arena.{}.dirty_decay_ms", arena), 0);
  write_control<ssize_t>(fmt::format("arena.{}.muzzy_decay_ms", arena), 0);
  return arena;
}

class JemallocMemory : public PlainMemory {  // mappings are the kernel's either way
 public:
  void* allocate(Purpose purpose, size_t bytes) override {
    void* address = [&] {
      const std::lock_guard lock(mutexes_[static_cast<size_t>(purpose)]);
      return mallocx(page_rounded(bytes), flags(purpose));
    }();
    if (address == nullptr) {
      throw Error(ErrorKind::refused, fmt::format("allocating {} bytes for {} was refused ({})", bytes,
                                                  purpose == Purpose::weights ? "weights" : "staging",
                                                  std::strerror(errno == 0 ? ENOMEM : errno)));
    }
    return address;
  }
  void release(Purpose purpose, void* address, size_t) override {
    const std::lock_guard lock(mutexes_[static_cast<size_t>(purpose)]);
    dallocx(address, flags(purpose));
  }

  unsigned arena(Purpose purpose) const { return purpose == Purpose::weights ? weights_ : staging_; }

 private:
  int flags(Purpose purpose) const {
    return MALLOCX_ALIGN(kPageBytes) | MALLOCX_ARENA(arena(purpose)) | MALLOCX_TCACHE_NONE;
  }
  // jemalloc only tries the lock of an arena's decay: a thread that frees while another is in there leaves its pages
  // dirty and resident until some later call (18 MiB were seen). One at a time, every purge happens at once.
  std::array<std::mutex, 2> mutexes_;
  const unsigned weights_ = make_arena(), staging_ = make_arena();
};

class JemallocAllocator : public Allocator {
 public:
  explicit JemallocAllocator(ReleaseWatch& watch) {
    watch_arena_0(watch);
    figures();  // makes jemalloc's own statistics buffers now, so that they are in the floor
  }

  Memory& memory() override { return memory_; }

  std::string version() const override {
    const std::string text = read_control<const char*>("version");
    return "jemalloc " + text.substr(0, text.find('-'));
  }

  std::array<ArenaFigures, 3> figures() override {
    write_control<uint64_t>("epoch", 1);
    return {arena(memory_.arena(Purpose::weights)), arena(memory_.arena(Purpose::staging)), arena(0)};
  }

 private:
  static ArenaFigures arena(unsigned index) {
    const auto figure = [index](const char* what) {
      return read_control<size_t>(fmt::format("stats.arenas.{}.{}", index, what));
    };
    return {figure("small.allocated") + figure("large.allocated"), figure("pactive") * kPageBytes, figure("resident"),
            figure("retained"), figure("base") + figure("internal")};
  }

  JemallocMemory memory_;
};

}  // namespace

std::unique_ptr<Allocator> make_allocator(ReleaseWatch& watch) {
  return std::make_unique<JemallocAllocator>(watch);
}

}  // namespace weighbridge
