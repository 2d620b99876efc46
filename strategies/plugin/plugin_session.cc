#include "strategies/plugin/plugin_session.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include "strategies/dtype/convert.h"
#include "strategies/error.h"

namespace weighbridge {

// Behind the table's pointers: each a function of C, which never throws.
struct PluginSession::Functions {
  // Runs `body` with the session; what it throws becomes the message and a status.
  template <typename Body>
  static int guarded(void* host, const Body& body) noexcept {
    auto& session = *static_cast<PluginSession*>(host);
    int status = WEIGHBRIDGE_FAILED;
    try {
      try {
        body(session);
        return WEIGHBRIDGE_OK;
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::refused) status = WEIGHBRIDGE_REFUSED;
        keep(session, error.what());
      } catch (const std::bad_alloc&) {
        status = WEIGHBRIDGE_REFUSED;
        keep(session, "an allocation was refused: out of memory");
      } catch (const std::exception& error) {
        keep(session, error.what());
      }
    } catch (...) {  // not even the message could be kept
    }
    return status;
  }

  static void keep(PluginSession& session, std::string_view message) {
    const std::lock_guard lock(session.mutex_);
    session.message_ = printable(message, 400);
  }

  static Error wrong(const std::string& what) { return {ErrorKind::environment, what}; }

  static const Layout& layout_of(const PluginSession& session, uint32_t tensor) {
    if (tensor < session.request_.layouts.size()) return session.request_.layouts[tensor];
    throw wrong(fmt::format("it asked for tensor {} of {}", tensor, session.request_.layouts.size()));
  }

  // Of whole units that lie inside the tensor.
  static void require_stretch(const PluginSession& session, uint32_t tensor, uint64_t begin, uint64_t bytes,
                              uint64_t unit) {
    const Layout& layout = layout_of(session, tensor);
    if (begin <= layout.stored_bytes && bytes <= layout.stored_bytes - begin &&
        (unit == 0 || (begin % unit == 0 && bytes % unit == 0))) {
      return;
    }
    throw wrong(fmt::format("it asked for bytes {} to {}+{} of tensor {}, which has {} in units of {}", begin, begin,
                            bytes, session.tensor_name(tensor), layout.stored_bytes, unit));
  }

  static uint64_t unit_bytes(const Layout& layout) {
    return layout.converted() ? layout.unit_bytes() : block(layout.stored).bytes;
  }

  static int file(void* host, uint32_t index, weighbridge_file* out) {
    return guarded(host, [&](const PluginSession& session) {
      const auto& files = session.request_.checkpoint.files;
      if (index >= files.size()) throw wrong(fmt::format("it asked for file {} of {}", index, files.size()));
      *out = {files[index].path.c_str(), files[index].bytes};
    });
  }

  static int tensor(void* host, uint32_t index, weighbridge_tensor* out) {
    return guarded(host, [&](const PluginSession& session) {
      const Layout& layout = layout_of(session, index);
      const Tensor& tensor = session.request_.checkpoint.tensors[index];
      *out = {};
      out->name = tensor.name.c_str();
      out->name_bytes = tensor.name.size();
      out->stored_dtype = weighbridge::name(layout.stored).data();  // literals: a zero follows
      out->loaded_dtype = weighbridge::name(layout.loaded).data();
      out->shape = tensor.shape.data();
      out->rank = tensor.shape.size();
      out->elements = layout.elements;
      out->stored_bytes = layout.stored_bytes;
      out->loaded_bytes = layout.loaded_bytes;
      out->unit_bytes = unit_bytes(layout);
      out->converted = layout.converted();
      out->plain = tensor.plain();
      out->file = tensor.extent.file;
      out->offset = tensor.extent.offset;
      out->same_as = tensor.same_as == Tensor::kItself ? index : tensor.same_as;
    });
  }

  static const char* option(void* host, const char* name) {
    const char* value = nullptr;
    guarded(host, [&](const PluginSession& session) {
      const auto found = session.request_.options.find(std::string_view(name));
      if (found != session.request_.options.end()) value = found->second.c_str();
    });
    return value;
  }

  static int option_bytes(void* host, const char* name, uint64_t* bytes) {
    return guarded(host, [&](const PluginSession& session) {
      const auto found = session.request_.options.find(std::string_view(name));
      if (found == session.request_.options.end()) throw wrong(fmt::format("it has no option {}", in_quotes(name)));
      *bytes = parse_bytes(found->second, fmt::format("{}:{}", session.strategy_.name, name));
    });
  }

  static void* allocate(void* host, weighbridge_purpose purpose, size_t bytes) {
    void* address = nullptr;
    guarded(host, [&](PluginSession& session) {
      if (bytes == 0) throw wrong("it asked for 0 bytes of memory");
      const Purpose wanted = purpose == WEIGHBRIDGE_STAGING ? Purpose::staging : Purpose::weights;
      void* const made = session.memory_.allocate(wanted, bytes);
      try {
        const std::lock_guard lock(session.mutex_);
        session.blocks_.emplace(made, Block{bytes, wanted, false});
      } catch (...) {
        session.memory_.release(wanted, made, bytes);
        throw;
      }
      address = made;
    });
    return address;
  }

  static int release(void* host, void* address) {
    return guarded(host, [&](PluginSession& session) {
      if (address == nullptr) return;
      const Block block = session.take_block(address, false, "allocate()");
      session.memory_.release(block.purpose, address, block.bytes);
    });
  }

  static const void* map(void* host, uint32_t index) {
    const void* address = nullptr;
    guarded(host, [&](PluginSession& session) {
      const auto& files = session.request_.checkpoint.files;
      if (index >= files.size()) throw wrong(fmt::format("it asked for file {} of {}", index, files.size()));
      const File file = open_again(files[index]);
      if (file.bytes() == 0) return;
      const std::byte* const made = session.memory_.map(file.descriptor(), file.bytes());
      try {
        const std::lock_guard lock(session.mutex_);
        session.blocks_.emplace(made, Block{file.bytes(), Purpose::weights, true});
      } catch (...) {
        session.memory_.unmap(made, file.bytes());
        throw;
      }
      address = made;
    });
    return address;
  }

  static int unmap(void* host, const void* address) {
    return guarded(host, [&](PluginSession& session) {
      if (address == nullptr) return;
      const Block block = session.take_block(address, true, "map()");
      session.memory_.unmap(static_cast<const std::byte*>(address), block.bytes);
    });
  }

  static int drop(void* host, const void* address, size_t bytes) {
    return guarded(host, [&](PluginSession& session) {
      const auto* const begin = static_cast<const std::byte*>(address);
      {
        const std::lock_guard lock(session.mutex_);
        const auto after = session.blocks_.upper_bound(address);
        const auto holder = after == session.blocks_.begin() ? session.blocks_.end() : std::prev(after);
        const auto offset = [&] { return static_cast<uint64_t>(begin - static_cast<const std::byte*>(holder->first)); };
        if (holder == session.blocks_.end() || !holder->second.mapping || offset() > holder->second.bytes ||
            bytes > holder->second.bytes - offset())
          throw wrong(fmt::format("it dropped {} bytes that are not inside a mapping from map()", bytes));
      }
      session.memory_.drop(begin, bytes);
    });
  }

  static int read(void* host, uint32_t tensor, uint64_t begin, size_t bytes, void* to) {
    return guarded(host, [&](PluginSession& session) {
      require_stretch(session, tensor, begin, bytes, 0);
      const std::lock_guard lock(session.mutex_);
      session.reader_.read(tensor, begin, to, bytes);
    });
  }

  static int convert(void* host, uint32_t tensor, uint64_t begin, size_t bytes, const void* from, void* whole) {
    return guarded(host, [&](const PluginSession& session) {
      const Layout& layout = layout_of(session, tensor);
      require_stretch(session, tensor, begin, bytes, unit_bytes(layout));
      if (bytes == 0) return;
      if (layout.converted()) {
        const weighbridge::Block unit = block(layout.stored);
        weighbridge::convert(layout, begin / unit.bytes * unit.elements, bytes / unit.bytes * unit.elements,
                             static_cast<const std::byte*>(from), static_cast<std::byte*>(whole));
      } else {
        std::memcpy(static_cast<std::byte*>(whole) + begin, from, bytes);
      }
    });
  }

  static int deliver(void* host, uint32_t tensor, const void* address, uint64_t bytes) {
    return guarded(host, [&](PluginSession& session) {
      const Layout& layout = layout_of(session, tensor);
      if (bytes != layout.loaded_bytes) {
        throw Error(ErrorKind::wrong_bytes,
                    fmt::format("it delivered tensor {} with {} bytes, expected {} as {}", session.tensor_name(tensor),
                                bytes, layout.loaded_bytes, weighbridge::name(layout.loaded)));
      }
      if (address == nullptr && bytes > 0) {
        throw Error(ErrorKind::wrong_bytes,
                    fmt::format("it delivered tensor {} at a null pointer", session.tensor_name(tensor)));
      }
      const std::lock_guard lock(session.mutex_);
      session.delivered_[tensor] = static_cast<const std::byte*>(address);
      session.kept_[tensor] = session.loading_;
    });
  }

  static int fail(void* host, const char* message) {
    guarded(host, [&](PluginSession& session) { keep(session, std::string_view(message, strnlen(message, 1024))); });
    return WEIGHBRIDGE_FAILED;
  }
};

PluginSession::PluginSession(const weighbridge_strategy& strategy, const Request& request, Memory& memory,
                             const PluginWatch& watch)
    : strategy_(strategy),
      request_(request),
      memory_(memory),
      watch_(watch),
      dtype_(weighbridge::name(request.target)),
      reader_(request.checkpoint),
      delivered_(request.layouts.size()),
      kept_(request.layouts.size()) {
  table_.struct_size = sizeof(table_);
  table_.host = this;
  table_.checkpoint = request.checkpoint.path.c_str();
  table_.format = request.checkpoint.format.c_str();
  table_.dtype = dtype_.c_str();
  table_.files = static_cast<uint32_t>(request.checkpoint.files.size());
  table_.tensors = static_cast<uint32_t>(request.layouts.size());
  table_.file = Functions::file;
  table_.tensor = Functions::tensor;
  table_.option = Functions::option;
  table_.option_bytes = Functions::option_bytes;
  table_.allocate = Functions::allocate;
  table_.release = Functions::release;
  table_.map = Functions::map;
  table_.unmap = Functions::unmap;
  table_.drop = Functions::drop;
  table_.read = Functions::read;
  table_.convert = Functions::convert;
  table_.deliver = Functions::deliver;
  table_.fail = Functions::fail;
}

std::string PluginSession::tensor_name(uint32_t tensor) const {
  return in_quotes(request_.checkpoint.tensors.at(tensor).name);
}

PluginSession::Block PluginSession::take_block(const void* address, bool mapping, const char* what) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(address);
  if (found == blocks_.end() || found->second.mapping != mapping) {
    throw Functions::wrong(
        fmt::format("it gave back {}, which {} has not given it, or which went back before", address, what));
  }
  const Block block = found->second;
  blocks_.erase(found);
  return block;
}

// A status that is not OK, and an exception, become an Error here.
template <typename Call>
void PluginSession::call(const char* function, const Call& callback) {
  {
    const std::lock_guard lock(mutex_);
    message_.clear();
  }
  watch_(fmt::format("while the plug-in's {}() ran", function));
  int status = WEIGHBRIDGE_FAILED;
  std::string thrown;
  try {
    status = callback();
  } catch (const std::exception& error) {
    thrown = std::string("threw a C++ exception: ") + printable(error.what());
  } catch (...) {
    thrown = "threw a C++ exception";
  }
  watch_({});
  if (status == WEIGHBRIDGE_OK) return;
  const std::lock_guard lock(mutex_);
  std::string said = !thrown.empty() ? thrown : message_;
  if (said.empty()) said = fmt::format("returned {} without a message", status);
  throw Error(thrown.empty() && status == WEIGHBRIDGE_REFUSED ? ErrorKind::refused : ErrorKind::environment,
              fmt::format("plug-in strategy {}: {}(): {}", strategy_.name, function, said));
}

void PluginSession::load() {
  call("load", [&] { return strategy_.load(&table_, &state_); });
  const std::lock_guard lock(mutex_);
  loading_ = false;
}

void PluginSession::use(uint32_t tensor, const std::function<void(const std::byte*)>& read) {
  if (strategy_.fetch != nullptr) call("fetch", [&] { return strategy_.fetch(&table_, state_, tensor); });
  const std::byte* const at = [&] {
    const std::lock_guard lock(mutex_);
    return delivered_[tensor];
  }();
  if (at == nullptr && request_.layouts[tensor].loaded_bytes > 0) {
    throw Error(ErrorKind::wrong_bytes,
                fmt::format("plug-in strategy {}: tensor {} was never delivered, or no longer is when it is used",
                            strategy_.name, tensor_name(tensor)));
  }
  watch_(fmt::format("while tensor {} was read where the plug-in had delivered it", tensor_name(tensor)));
  read(at);
  watch_({});
  if (strategy_.done == nullptr) return;
  call("done", [&] { return strategy_.done(&table_, state_, tensor); });
  const std::lock_guard lock(mutex_);
  if (!kept_[tensor]) delivered_[tensor] = nullptr;
}

void PluginSession::release() {
  call("release", [&] { return strategy_.release(&table_, state_); });
}

}  // namespace weighbridge
