// One load by a plug-in: what weighbridge/plugin.h promises to its callbacks, and what it demands of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/memory.h"
#include "strategies/plugin/plugin_library.h"
#include "strategies/strategy.h"
#include "weighbridge/error.h"
#include "weighbridge/plugin.h"

namespace weighbridge {

// Calls the callbacks, and is `host` to them. No exception of theirs, or of ours, crosses the border between C++ and C.
// What a plug-in has not released when the session goes is left allocated: that is what a leak is.
class PluginSession {
 public:
  // All must outlive it.
  PluginSession(const weighbridge_strategy& strategy, const Request& request, Memory& memory, const PluginWatch& watch);
  PluginSession(const PluginSession&) = delete;

  // Each throws Error, with the plug-in's own message where it gave one: refused where it said so, else environment;
  // wrong_bytes where a tensor was not delivered.
  void load();
  // fetch(), then `read` with where the tensor lies, then done().
  void use(uint32_t tensor, const std::function<void(const std::byte*)>& read);
  void release();

 private:
  struct Block {
    uint64_t bytes;
    Purpose purpose;
    bool mapping;
  };
  struct Functions;  // of the table
  friend struct Functions;

  template <typename Call>
  void call(const char* function, const Call& callback);
  std::string tensor_name(uint32_t tensor) const;
  Block take_block(const void* address, bool mapping, const char* what);

  const weighbridge_strategy& strategy_;
  const Request& request_;
  Memory& memory_;
  const PluginWatch& watch_;
  const std::string dtype_;
  weighbridge_load table_{};
  void* state_ = nullptr;

  std::mutex mutex_;  // of all below: a plug-in may have threads
  TensorReader reader_;
  std::map<const void*, Block> blocks_;
  std::vector<const std::byte*> delivered_;  // by tensor; null: it is not
  std::vector<bool> kept_;                   // by tensor: delivered in load(), so for longer than until done()
  bool loading_ = true;
  std::string message_;  // of the latest failure in the present callback
};

}  // namespace weighbridge
