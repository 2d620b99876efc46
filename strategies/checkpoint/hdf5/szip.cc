// szip: the extended Rice code of CCSDS 121.0-B-3, in the form that szlib gave it.
//
// Samples come in blocks; `blocks` of them make a scanline's reference interval, whose first sample stands as it is and
// whose others are differences, mapped to whole numbers (smallest first). A block says how it is coded: all zero, pairs
// ("second extension"), split into a unary part and k low bits, or as it is. szlib's own: numbers of 32 and 64 bits are
// split into their bytes first, all first bytes, then all second ones; a scanline is padded to whole blocks.
#include <fmt/format.h>

#include <algorithm>

#include "strategies/checkpoint/hdf5/filters.h"

namespace weighbridge::hdf5 {
namespace {

constexpr uint32_t kMostSignificantFirst = 16, kNearestNeighbour = 32;  // of szlib's options
constexpr unsigned kRestOfSegment = 5, kSegment = 64;

class SzipDecoder {
 public:
  SzipDecoder(std::span<const unsigned char> stored, unsigned sample_bits, unsigned block, uint64_t blocks,
              bool differences, const Cursor& at)
      : stored_(stored),
        sample_bits_(sample_bits),
        block_(block),
        blocks_(blocks),
        differences_(differences),
        id_bits_(sample_bits > 16  ? 5
                 : sample_bits > 8 ? 4
                                   : 3),
        at_(at) {}

  // Passes the samples of one interval to `take`, in order, until it wants no more.
  template <typename Take>
  void interval(const Take& take) {
    before_ = 0;
    first_ = true;
    const auto put = [&](uint64_t sample) { return take(first_ || !differences_ ? keep(sample) : restored(sample)); };
    for (uint64_t done = 0; done < blocks_;) {
      const unsigned id = static_cast<unsigned>(bits(id_bits_));
      const unsigned raw = (1u << id_bits_) - 1;
      const bool reference = differences_ && done == 0;
      if (id == 0) {
        const bool pairs = bits(1) == 1;
        if (reference && !put(bits(sample_bits_))) return;
        if (pairs) {
          if (!second_extension(reference ? 1 : 0, put)) return;
          ++done;
        } else {
          const uint64_t zero = std::min(zero_blocks(done), blocks_ - done);
          for (uint64_t i = reference ? 1 : 0; i < zero * block_; ++i) {
            if (!put(0)) return;
          }
          done += zero;
        }
      } else if (id == raw) {
        for (unsigned i = 0; i < block_; ++i) {
          if (!put(bits(sample_bits_))) return;
        }
        ++done;
      } else {
        if (reference && !put(bits(sample_bits_))) return;
        if (!split(id - 1, reference ? 1 : 0, put)) return;
        ++done;
      }
    }
  }

 private:
  uint64_t bits(unsigned count) {
    uint64_t value = 0;
    for (; count > 0; --count) value = value << 1 | next_bit();
    return value;
  }

  unsigned next_bit() {
    if (position_ / 8 == stored_.size()) at_.fail("a chunk whose szip stream is cut", "bits for each element");
    const unsigned bit = stored_[position_ / 8] >> (7 - position_ % 8) & 1u;
    ++position_;
    return bit;
  }

  // A unary number: zeros up to a one.
  uint64_t unary() {
    uint64_t zeros = 0;
    while (next_bit() == 0) ++zeros;
    return zeros;
  }

  // How many blocks are zero, this one included: 1 to 4, the rest of the segment of 64, or one less than said.
  uint64_t zero_blocks(uint64_t done) {
    const uint64_t said = unary() + 1;
    if (said == kRestOfSegment) return std::min(blocks_ - done, kSegment - done % kSegment);
    return said > kRestOfSegment ? said - 1 : said;
  }

  template <typename Put>
  bool second_extension(unsigned i, const Put& put) {
    while (i < block_) {
      // Pairs (a, b) are counted along the diagonals a + b.
      constexpr uint64_t kMost = 90;
      const uint64_t pair = unary();
      if (pair > kMost) at_.fail(fmt::format("an szip pair of number {}", pair), fmt::format("at most {}", kMost));
      uint64_t sum = 0;
      while ((sum + 1) * (sum + 2) / 2 <= pair) ++sum;
      const uint64_t second = pair - sum * (sum + 1) / 2;
      if (i % 2 == 0) {
        if (!put(sum - second)) return false;
        ++i;
      }
      if (!put(second)) return false;
      ++i;
    }
    return true;
  }

  template <typename Put>
  bool split(unsigned low, unsigned from, const Put& put) {
    std::vector<uint64_t>& high = high_;
    high.clear();
    for (unsigned i = from; i < block_; ++i) high.push_back(unary());
    for (const uint64_t value : high) {
      if (!put(value << low | bits(low))) return false;
    }
    return true;
  }

  uint64_t keep(uint64_t sample) {
    first_ = false;
    return before_ = sample;
  }

  // A difference, mapped: 0, -1, 1, -2, 2, ... as far as both signs stay within the samples' range, then the rest.
  uint64_t restored(uint64_t mapped) {
    const uint64_t most = (uint64_t{1} << sample_bits_) - 1;
    const bool upper = before_ > most / 2;
    const uint64_t room = upper ? most - before_ : before_;
    const uint64_t half = mapped / 2 + mapped % 2;
    if (half <= room) {
      before_ = mapped % 2 == 0 ? before_ + half : before_ - half;
    } else {
      before_ = upper ? most - mapped : mapped;
    }
    return before_ &= most;
  }

  const std::span<const unsigned char> stored_;
  const unsigned sample_bits_, block_;
  const uint64_t blocks_;
  const bool differences_;
  const unsigned id_bits_;
  const Cursor& at_;
  uint64_t position_ = 0;  // in bits
  uint64_t before_ = 0;
  bool first_ = true;
  std::vector<uint64_t> high_;
};

}  // namespace

void undo_szip(const Filter& filter, std::span<const unsigned char> stored, std::span<unsigned char> to,
               const Cursor& at) {
  constexpr size_t kLength = 4;
  const auto& p = filter.parameters;
  const bool known = p.size() >= 4 && p[1] >= 2 && p[1] <= 32 && p[1] % 2 == 0 && p[3] > 0 && p[3] <= (1u << 24) &&
                     p[2] > 0 && (p[2] <= 32 || p[2] == 64);
  if (!known || stored.size() < kLength)
    at.fail("an szip chunk without what szip needs to know", "its four parameters");
  uint64_t said = 0;
  for (size_t i = kLength; i-- > 0;) said = said << 8 | stored[i];
  if (said != to.size()) {
    at.fail(fmt::format("an szip chunk of {} bytes", said), fmt::format("{}, as its shape says", to.size()));
  }
  const uint32_t options = p[0], block = p[1], line = p[3];
  const bool by_bytes = p[2] == 32 || p[2] == 64;
  const unsigned sample_bits = by_bytes ? 8 : p[2];
  const size_t sample_bytes = sample_bits > 16 ? 4 : sample_bits > 8 ? 2 : 1;
  const size_t planes = by_bytes ? p[2] / 8 : 1;
  if (to.size() % (sample_bytes * planes) != 0) {
    at.fail(fmt::format("an szip chunk of {} bytes", to.size()), "whole elements");
  }
  const uint64_t wanted = to.size() / sample_bytes, in_plane = wanted / planes;
  SzipDecoder decoder(stored.subspan(kLength), sample_bits, block, (line + block - 1) / block,
                      (options & kNearestNeighbour) != 0, at);
  for (uint64_t done = 0; done < wanted;) {
    uint64_t in_line = 0;
    decoder.interval([&](uint64_t sample) {
      if (in_line++ >= line) return true;  // padding
      // Sample `done` of the stream is byte done / in_plane of element done % in_plane.
      unsigned char* place =
          by_bytes ? to.data() + done % in_plane * planes + done / in_plane : to.data() + done * sample_bytes;
      for (size_t i = 0; i < sample_bytes; ++i) {
        const size_t at_byte = (options & kMostSignificantFirst) != 0 ? sample_bytes - 1 - i : i;
        place[at_byte] = static_cast<unsigned char>(sample >> (8 * i));
      }
      return ++done < wanted;
    });
  }
}

}  // namespace weighbridge::hdf5
