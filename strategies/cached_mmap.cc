// cached-mmap: converted once into a sidecar file, mapped ever after.
//
// Mechanism: what cannot be viewed in the checkpoint itself (a converted tensor, an encoded one) is converted chunk by
// chunk into a sidecar (sidecar.h says when one is trusted), which is then mapped; every later load only maps. Views
// and sidecar are the page cache's: shared by all who map them, given up without swap. What llama.cpp users do by hand
// when they convert a model once, and what `mmap` cannot do where the dtype differs. Need: C while it is made, 0
// afterwards. Reclaimable: T. It costs T bytes of disk, and the first load writes them. Fails where the disk has no
// room; in a folder that lies in memory it would save nothing, and says so.
//
// Delivered into a shared mapping of the new file, as int8 puts its scales before its codes. Pages already written are
// given back on the way, so that the making holds little more than what is not on the disk yet.
#include <cstdlib>
#include <string>

#include "strategies/builtin.h"
#include "strategies/error.h"
#include "strategies/mappings.h"
#include "strategies/sidecar.h"
#include "strategies/tensor_steps.h"

namespace weighbridge {
namespace {

constexpr std::string_view kUserCache = "user-cache";
constexpr uint64_t kWriteBackBytes = 32 << 20;  // delivered before pages are sent on their way to the disk

std::string folder_of(const Options& options) {
  const std::string& given = options.find("dir")->second;
  if (given != kUserCache) return given;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  // A relative XDG_CACHE_HOME is to be ignored, as its specification has it.
  if (const std::string cache = variable("XDG_CACHE_HOME"); cache.starts_with('/')) return cache + "/weighbridge";
  if (const std::string home = variable("HOME"); home.starts_with('/')) return home + "/.cache/weighbridge";
  throw Error(ErrorKind::environment,
              "neither XDG_CACHE_HOME nor HOME names a folder for a sidecar: give one, as in cached-mmap:dir=FOLDER");
}

bool anew(const Options& options) {
  const std::string& given = options.find("anew")->second;
  if (given != "yes" && given != "no") {
    throw Error(ErrorKind::usage, "cached-mmap:anew: '" + printable(given) + "' is neither yes nor no");
  }
  return given == "yes";
}

class CachedMmap : public Strategy {
 public:
  std::string_view name() const override { return "cached-mmap"; }
  std::string_view mechanism() const override { return "converted once into a sidecar file, which is then mapped"; }
  std::string_view cost() const override { return "C when it is made, then 0; T reclaimable, and on the disk"; }
  std::span<const OptionInfo> options() const override {
    static constexpr OptionInfo list[] = {
        {"dir", kUserCache, "folder for the sidecar; user-cache: weighbridge in $XDG_CACHE_HOME or ~/.cache"},
        {"anew", "no", "yes: made anew by each load"},
        {"chunk", "1MiB", "bytes read at a time when it is made"}};
    return list;
  }
  bool writes_files() const override { return true; }
  void check(const Options& options) const override {
    anew(options);
    chunk(options);
  }

  void plan(const Request& request, Steps& steps) const override {
    const Sidecar sidecar(request, folder_of(request.options));
    const auto& tensors = request.checkpoint.tensors;
    Mappings mappings(request, steps, std::nullopt,
                      [&](uint32_t tensor) { return !request.layouts[tensor].converted(); });
    std::optional<Place> mapped;
    if (!sidecar.empty()) {
      if (!anew(request.options)) mapped = steps.find_file(sidecar);
      if (!mapped) mapped = make(sidecar, request, steps);
    }
    std::vector<Spot> at(tensors.size());
    for (uint32_t tensor = 0; tensor < tensors.size(); ++tensor) {
      const uint32_t from = holder(request, tensor);
      if (const auto offset = sidecar.offset(from)) {
        at[tensor] = {*mapped, *offset};
      } else if (tensors[from].plain() && !request.layouts[from].converted()) {
        at[tensor] = mappings.at(tensors[from].extent);
      } else {  // without elements
        at[tensor] = {steps.allocate(Purpose::weights, 0)};
      }
    }
    use_and_release(request, steps, at);
    if (mapped) steps.unmap(*mapped);
    mappings.unmap(steps);
  }

 private:
  static uint64_t chunk(const Options& options) {
    return parse_bytes(options.find("chunk")->second, "cached-mmap:chunk");
  }

  static Place make(const Sidecar& sidecar, const Request& request, Steps& steps) {
    const uint64_t wanted = chunk(request.options);
    const Place made = steps.make_file(sidecar);
    const Place staging = steps.allocate(Purpose::staging, chunk_bytes(request, wanted, [&](uint32_t tensor) {
                                           return sidecar.offset(tensor).has_value();
                                         }));
    uint64_t first = Sidecar::kHeaderBytes, end = first;  // delivered, and not yet on its way to the disk
    const auto write_back = [&] {
      steps.drop(made, {0, first, end - first});
      first = end;
    };
    for (uint32_t tensor = 0; tensor < request.layouts.size(); ++tensor) {
      const auto offset = sidecar.offset(tensor);
      if (!offset) continue;
      load_through(request, steps, tensor, wanted, staging, {made, *offset});
      end = *offset + request.layouts[tensor].loaded_bytes;
      if (end - first >= kWriteBackBytes) write_back();
    }
    write_back();
    steps.free(staging);
    return steps.keep_file(sidecar, made);
  }
};

}  // namespace

const Strategy* cached_mmap() {
  static const CachedMmap strategy;
  return &strategy;
}

}  // namespace weighbridge
