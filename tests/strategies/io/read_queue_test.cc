// A queue of reads: every engine, every border, and what happens when a read does not go well.
#include "strategies/io/read_queue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "strategies/error.h"
#include "strategies/memory.h"
#include "tests/support/catch.h"
#include "tests/support/program.h"

namespace weighbridge::test {
namespace {

constexpr EngineChoice kEngines[] = {EngineChoice::any, EngineChoice::threads};

std::string random_bytes(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

// Page-aligned memory of whole blocks, filled with what no test writes.
class Buffer {
 public:
  explicit Buffer(size_t bytes)
      : data_(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, page_rounded(bytes + kPageBytes)))) {
    std::memset(data_, 0xa5, page_rounded(bytes + kPageBytes));
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }
  std::byte* data() const { return data_; }
  std::string_view text(size_t bytes) const { return {reinterpret_cast<const char*>(data_), bytes}; }

 private:
  std::byte* data_;
};

struct Heard {
  std::vector<Remark> remarks;
  uint64_t bytes = 0;
  ReadQueue::Listener listener() {
    return {[this](const Remark& remark) { remarks.push_back(remark); }, [this](uint64_t read) { bytes += read; }};
  }
};

Checkpoint of_files(const std::vector<std::string>& paths) {
  Checkpoint checkpoint;
  for (const std::string& path : paths) checkpoint.files.push_back({path, std::filesystem::file_size(path)});
  return checkpoint;
}

size_t entries(const char* folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST_CASE("any stretch arrives as it lies in the file: one byte, whole blocks, the file's odd end") {
  const Scratch scratch;
  const std::string bytes = random_bytes((1u << 20) + 777, 1);
  write_file(scratch / "file", bytes);
  const Checkpoint checkpoint = of_files({scratch / "file"});
  const uint64_t block = direct_block(scratch / "file");
  for (const EngineChoice engine : kEngines) {
    for (const uint32_t depth : {1u, 3u, 16u}) {
      Heard heard;
      ReadQueue queue(checkpoint, {depth, 2 * kPageBytes, engine}, heard.listener());
      std::mt19937 random(depth);
      std::vector<std::pair<Extent, std::unique_ptr<Buffer>>> reads;
      uint64_t all = 0;
      const auto start = [&](uint64_t offset, uint64_t length) {
        reads.emplace_back(Extent{0, offset, length}, std::make_unique<Buffer>(length + block));
        queue.start(reads.back().first, reads.back().second->data());
        all += length;
      };
      const uint64_t last = bytes.size() / block * block;
      start(0, 1);
      start(0, bytes.size());
      start(last, bytes.size() - last);
      start(last, 1);
      start(block, block);
      start(block, 0);
      for (int i = 0; i < 40; ++i) {
        const uint64_t offset = random() % bytes.size() / block * block;
        start(offset, 1 + random() % (bytes.size() - offset));
      }
      for (const auto& [extent, buffer] : reads) {
        queue.finish();
        INFO("depth " << depth << ", " << extent.offset << " + " << extent.bytes);
        CHECK(buffer->text(extent.bytes) == std::string_view(bytes).substr(extent.offset, extent.bytes));
      }
      CHECK(heard.bytes == all);
      REQUIRE_FALSE(heard.remarks.empty());
      CHECK(heard.remarks[0].id == "read-by");
    }
  }
}

TEST_CASE("holes read as zeroes, several gigabytes into a file") {
  const Scratch scratch;
  const int file = open((scratch / "sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  REQUIRE(file >= 0);
  constexpr off_t kFar = off_t{5} << 30;
  REQUIRE(pwrite(file, "end", 3, kFar) == 3);
  close(file);
  const Checkpoint checkpoint = of_files({scratch / "sparse"});
  for (const EngineChoice engine : kEngines) {
    Heard heard;
    ReadQueue queue(checkpoint, {4, 4 * kPageBytes, engine}, heard.listener());
    const Buffer buffer(1u << 20);
    constexpr uint64_t kBytes = 100'000 / kPageBytes * kPageBytes;
    queue.start({0, kFar - kBytes, kBytes + 3}, buffer.data());
    queue.finish();
    CHECK(buffer.text(kBytes) == std::string(kBytes, '\0'));
    CHECK(buffer.text(kBytes + 3).substr(kBytes) == "end");
  }
}

TEST_CASE("a queue that goes while reads are in flight leaves no descriptor and no thread, and nobody writes later") {
  const Scratch scratch;
  const std::string bytes = random_bytes(4u << 20, 2);
  write_file(scratch / "file", bytes);
  const Checkpoint checkpoint = of_files({scratch / "file"});
  const size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");
  for (int round = 0; round < 20; ++round) {
    for (const EngineChoice engine : kEngines) {
      auto buffer = std::make_unique<Buffer>(bytes.size());
      {
        Heard heard;
        ReadQueue queue(checkpoint, {8, 64u << 10, engine}, heard.listener());
        queue.start({0, 0, bytes.size()}, buffer->data());
        queue.start({0, 0, bytes.size()}, buffer->data());
      }
      std::memset(buffer->data(), 0x5a, bytes.size());
      usleep(500);
      CHECK(buffer->text(bytes.size()).find_first_not_of('\x5a') == std::string_view::npos);
    }
  }
  CHECK(entries("/proc/self/fd") == descriptors);
  // A thread that was joined, and io_uring's own of the kernel, may be listed for a moment more.
  for (int wait = 0; wait < 1000 && entries("/proc/self/task") != threads; ++wait) usleep(10'000);
  CHECK(entries("/proc/self/task") == threads);
}

TEST_CASE("of many shards no more are open than have reads that are not finished, and one") {
  const Scratch scratch;
  std::vector<std::string> paths;
  for (int i = 0; i < 60; ++i) {
    paths.push_back(scratch / std::to_string(i));
    write_file(paths.back(), random_bytes(10'000, static_cast<unsigned>(i)));
  }
  const Checkpoint checkpoint = of_files(paths);
  const size_t descriptors = entries("/proc/self/fd");
  Heard heard;
  ReadQueue queue(checkpoint, {2, kPageBytes, EngineChoice::threads}, heard.listener());
  std::deque<std::unique_ptr<Buffer>> buffers;
  for (uint32_t file = 0; file < paths.size(); ++file) {
    buffers.push_back(std::make_unique<Buffer>(10'000));
    queue.start({file, 0, 10'000}, buffers.back()->data());
    if (buffers.size() < 5) continue;
    queue.finish();
    CHECK(buffers.front()->text(10'000) == read_file(paths[file - 4]));
    buffers.pop_front();
    CHECK(entries("/proc/self/fd") <= descriptors + 6);
  }
  while (!buffers.empty()) queue.finish(), buffers.pop_front();
}

TEST_CASE("a file that shrinks while it is read is named, with the byte where it ended") {
  const Scratch scratch;
  const std::string path = scratch / "file";
  write_file(path, random_bytes(1u << 20, 3));
  const Checkpoint checkpoint = of_files({path});
  for (const uint64_t length : {uint64_t{512u << 10}, uint64_t{(512u << 10) + 100}}) {
    for (const EngineChoice engine : kEngines) {
      write_file(path, random_bytes(1u << 20, 3));
      Heard heard;
      ReadQueue queue(checkpoint, {1, kPageBytes, engine}, heard.listener());
      const Buffer buffer(1u << 20);
      queue.start({0, 0, 1u << 20}, buffer.data());
      REQUIRE(truncate(path.c_str(), static_cast<off_t>(length)) == 0);
      CHECK_THROWS_WITH(queue.finish(), ContainsSubstring(path + ": byte " + std::to_string(length)) &&
                                            ContainsSubstring("has shrunk since it was opened"));
    }
  }
}

// Does as it is told, and reads by pread where it is told nothing.
class Scripted : public ReadEngine {
 public:
  explicit Scripted(std::deque<int64_t> results) : results_(std::move(results)) {}
  void submit(const Request& request) override { submitted_.push_back(request); }
  Completion wait() override {
    const Request request = submitted_.front();
    submitted_.pop_front();
    size_t bytes = request.bytes;
    if (!results_.empty()) {
      const int64_t told = results_.front();
      results_.pop_front();
      if (told <= 0) return {request.tag, told};
      bytes = static_cast<size_t>(told);
    }
    return {request.tag, pread(request.descriptor, request.to, bytes, static_cast<off_t>(request.offset))};
  }
  std::string name() const override { return "a script"; }

 private:
  std::deque<int64_t> results_;  // bytes at the most, or -errno
  std::deque<Request> submitted_;
};

struct Played {
  Heard heard;
  std::string bytes;
  std::string error;
};

Played play(const std::string& path, std::deque<int64_t> results) {
  Played played;
  const Checkpoint checkpoint = of_files({path});
  const uint64_t size = checkpoint.files[0].bytes;
  const Buffer buffer(size);
  ReadQueue queue(checkpoint, {2, 4 * kPageBytes, EngineChoice::any}, played.heard.listener(),
                  std::make_unique<Scripted>(std::move(results)));
  queue.start({0, 0, size}, buffer.data());
  try {
    queue.finish();
  } catch (const Error& error) {
    played.error = error.what();
  }
  played.bytes = buffer.text(size);
  return played;
}

TEST_CASE("a read that is interrupted, or that brings less than it was asked for, goes on where it was") {
  const Scratch scratch;
  const std::string path = scratch / "file", bytes = random_bytes(100'001, 4);
  write_file(path, bytes);
  for (const std::deque<int64_t>& results :
       {std::deque<int64_t>{-EINTR, -EAGAIN, -EINTR}, std::deque<int64_t>{4096, 8192, 4096, 4096},
        std::deque<int64_t>{-EAGAIN, 4096, -EINTR, 12'288}}) {
    const Played played = play(path, results);
    CHECK(played.error.empty());
    CHECK(played.bytes == bytes);
    CHECK(played.heard.bytes == bytes.size());
  }
}

TEST_CASE("a device that cannot read ends in one line: what, which file, at which byte") {
  const Scratch scratch;
  const std::string path = scratch / "file";
  write_file(path, random_bytes(100'001, 5));
  CHECK(play(path, {16'384, 4096, -EIO}).error == "read " + path + " at byte 32768: Input/output error");
  CHECK(play(path, {-EIO}).error == "read " + path + " at byte 0: Input/output error");
}

TEST_CASE("a file system that takes the flag and refuses the read is read through the page cache, and that is told") {
  const Scratch scratch;
  const std::string path = scratch / "file", bytes = random_bytes(100'001, 6);
  write_file(path, bytes);
  const Played played = play(path, {-EINVAL, -EINVAL, -EINTR});  // both that are in flight
  CHECK(played.error.empty());
  CHECK(played.bytes == bytes);
  REQUIRE(played.heard.remarks.size() == 1);
  CHECK(played.heard.remarks[0].id == "no-o_direct");
  CHECK(played.heard.remarks[0].text == "O_DIRECT was refused for " + path +
                                            " (Invalid argument), so it was read through the page cache, which then "
                                            "holds it too");
  // Through the page cache an invalid argument is what it is.
  CHECK(play(path, {-EINVAL, -EINVAL, -EINVAL}).error == "read " + path + " at byte 0: Invalid argument");
}

}  // namespace
}  // namespace weighbridge::test
