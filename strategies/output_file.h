// A file that appears under its name only when it is whole and on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace weighbridge {

// Writes beside its path under a temporary name; move-only. A file that is never committed leaves nothing behind.
class OutputFile {
 public:
  // Throws Error: usage where something other than a regular file stands at `path`, environment or bad_input where the
  // folder refuses. `bytes` is how long the file will be: a disk without room for it refuses here, not at the end.
  OutputFile(std::string path, uint64_t bytes);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  int descriptor() const { return descriptor_; }  // for reading and writing
  void write(std::span<const std::byte> bytes);
  void sync();    // to the disk, and closes
  void rename();  // after sync: from the temporary name to its own

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
};

// fsyncs the folder that `path` lies in, so that the renames in it last.
void sync_folder_of(const std::string& path);

}  // namespace weighbridge
