// What this process itself needs of memory, from /proc/self/status, as a small table.
//
// NEED cannot be given up without swap: anonymous pages, shared memory, and what of them is in swap. FILE PAGES are
// pages of mapped files, this program and its libraries among them: the kernel takes them back when it is short, and
// reads them again when they are touched. `top` shows the sum of both, which tells nobody whether a model fits.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <thread>

struct Memory {
  uint64_t need = 0;  // bytes
  uint64_t file = 0;
  uint64_t most_resident = 0;  // VmHWM: the most of both together, so far
};

inline Memory memory_now() {
  std::array<char, 4096> text;
  std::FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return {};
  std::setvbuf(status, nullptr, _IONBF, 0);
  const std::string_view all(text.data(), std::fread(text.data(), 1, text.size(), status));
  std::fclose(status);
  const auto bytes_of = [&](std::string_view name) {  // "RssAnon:      1234 kB"
    uint64_t kib = 0;
    if (const size_t line = all.find(name); line != std::string_view::npos) {
      const std::string_view rest = all.substr(all.find_first_of("0123456789", line));
      std::from_chars(rest.data(), rest.data() + rest.size(), kib);
    }
    return kib * 1024;
  };
  return {bytes_of("\nRssAnon:") + bytes_of("\nRssShmem:") + bytes_of("\nVmSwap:"), bytes_of("\nRssFile:"),
          bytes_of("\nVmHWM:")};
}

// Looks every half millisecond for the moment at which the need is highest. What lasts shorter can be missed:
// `weighbridge run` has peaks exactly.
class PeakWatch {
 public:
  PeakWatch() : thread_([this](const std::stop_token& stop) { watch(stop); }) {}
  // The highest need so far; ends the watch.
  Memory highest() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    look();
    return highest_;
  }

 private:
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      look();
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  void look() {
    if (const Memory now = memory_now(); now.need > highest_.need) highest_ = now;
  }

  Memory highest_;
  std::jthread thread_;
};

inline double mib(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}
inline void print_heading() {
  std::printf("%-38s %12s %12s\n", "", "NEED", "FILE PAGES");
}
inline void print_row(const char* when, const Memory& memory) {
  std::printf("%-38s %8.1f MiB %8.1f MiB\n", when, mib(memory.need), mib(memory.file));
}
