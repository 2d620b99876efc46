#include "strategies/checkpoint/storage/storage.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kInputBytes = 64 << 10;
constexpr size_t kSkipBytes = 32 << 10;
constexpr uint64_t kInflateBytes = 48 << 10;  // zlib.h: 32 KiB of window, "about 7 KB" of state
constexpr int kRawDeflate = -15;              // no zlib header, the largest window

class FileDecoder final : public Decoder {
 public:
  FileDecoder(File file, const Extent& extent) : file_(std::move(file)), extent_(extent) {}

  void read(uint64_t begin, void* to, size_t bytes) override { file_.read(extent_.offset + begin, to, bytes); }

 private:
  const File file_;
  const Extent extent_;
};

class InflateDecoder final : public Decoder {
 public:
  InflateDecoder(File file, const Storage& storage)
      : file_(std::move(file)), extent_(storage.extent), member_(*storage.deflated) {
    input_.resize(static_cast<size_t>(std::min<uint64_t>(kInputBytes, extent_.bytes)));
    // With no input at hand zlib can only fail for want of memory.
    if (inflateInit2(&stream_, kRawDeflate) != Z_OK) {
      throw Error(ErrorKind::refused, "zlib: no memory for the state of inflate");
    }
    crc_ = crc32(0, nullptr, 0);
  }
  InflateDecoder(const InflateDecoder&) = delete;
  InflateDecoder& operator=(const InflateDecoder&) = delete;
  ~InflateDecoder() override { inflateEnd(&stream_); }

  void read(uint64_t begin, void* to, size_t bytes) override {
    if (begin < position_) restart();
    if (position_ < begin) {
      std::vector<unsigned char> skipped(kSkipBytes);
      while (position_ < begin) {
        inflate_to(skipped.data(), static_cast<size_t>(std::min<uint64_t>(skipped.size(), begin - position_)));
      }
    }
    inflate_to(static_cast<unsigned char*>(to), bytes);
    if (position_ == member_.plain_bytes && !checked_) check_end();
  }

 private:
  void restart() {
    inflateReset(&stream_);
    stream_.avail_in = 0;
    taken_ = position_ = 0;
    crc_ = crc32(0, nullptr, 0);
    ended_ = checked_ = false;
  }

  void inflate_to(unsigned char* to, size_t bytes) {
    constexpr size_t kMost = 1u << 30;  // zlib counts in 32 bits
    while (bytes > 0) {
      const size_t piece = std::min(bytes, kMost);
      const size_t got = step(to, piece);
      if (got == 0 && ended_) {
        fail(fmt::format("the end of deflated {} after {} bytes", shown(), position_),
             fmt::format("{} bytes, as the archive says", member_.plain_bytes));
      }
      crc_ = crc32(crc_, to, static_cast<uInt>(got));
      position_ += got;
      to += got;
      bytes -= got;
    }
  }

  // Inflates up to `bytes` bytes; 0 only where more input is taken first or the stream has ended.
  size_t step(unsigned char* to, size_t bytes) {
    if (ended_) return 0;
    if (stream_.avail_in == 0 && taken_ < extent_.bytes) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(input_.size(), extent_.bytes - taken_));
      file_.read(extent_.offset + taken_, input_.data(), count);
      taken_ += count;
      stream_.next_in = input_.data();
      stream_.avail_in = static_cast<uInt>(count);
    }
    // Without input too: what was taken before may have more to give, 258 bytes for every two bits.
    const bool starved = stream_.avail_in == 0;
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(bytes);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      ended_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      fail(fmt::format("a broken deflate stream in {} ({})", shown(), stream_.msg != nullptr ? stream_.msg : "zlib"),
           "what deflate wrote");
    } else if (starved && stream_.avail_out == bytes) {
      fail(fmt::format("the end of the {} compressed bytes of {}", extent_.bytes, shown()),
           fmt::format("{} bytes more once inflated", member_.plain_bytes - position_));
    }
    return bytes - stream_.avail_out;
  }

  // All bytes that the archive promises are out: the stream must end here too, and they must be the ones meant.
  void check_end() {
    unsigned char surplus;
    while (!ended_) {
      if (step(&surplus, 1) != 0) {
        fail(fmt::format("more than {} bytes in deflated {}", member_.plain_bytes, shown()),
             fmt::format("{}, as the archive says", member_.plain_bytes));
      }
    }
    const uint64_t left = extent_.bytes - taken_ + stream_.avail_in;
    if (left != 0) {
      fail(fmt::format("{} compressed bytes of {} after the end of its deflate stream", left, shown()), "none");
    }
    if (crc_ != member_.crc32) {
      throw format_error(file_.path(), extent_.offset, fmt::format("{} with the CRC-32 {:08x}", shown(), crc_),
                         fmt::format("{:08x}, as the file says: its bytes were changed", member_.crc32));
    }
    checked_ = true;
  }

  std::string shown() const { return "member " + in_quotes(member_.member); }
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw format_error(file_.path(), extent_.offset + taken_ - stream_.avail_in, found, expected);
  }

  const File file_;
  const Extent extent_;
  const Deflated& member_;
  std::vector<unsigned char> input_;
  z_stream stream_{};
  uint64_t taken_ = 0;     // of the compressed bytes
  uint64_t position_ = 0;  // of the next plain byte
  uLong crc_ = 0;          // of those before it
  bool ended_ = false, checked_ = false;
};

}  // namespace

std::unique_ptr<Decoder> open_storage(const Checkpoint& checkpoint, const Storage& storage) {
  File file = open_again(checkpoint.files.at(storage.extent.file));
  if (storage.deflated) return std::make_unique<InflateDecoder>(std::move(file), storage);
  return std::make_unique<FileDecoder>(std::move(file), storage.extent);
}

uint64_t decoder_bytes(const Storage& storage) {
  return storage.deflated ? kInputBytes + kSkipBytes + kInflateBytes + sizeof(InflateDecoder) : sizeof(FileDecoder);
}

}  // namespace weighbridge
