#include "strategies/checkpoint/hdf5/filters.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

namespace weighbridge::hdf5 {
namespace {

struct Named {
  uint16_t id;
  std::string_view name;
};
constexpr std::array<Named, 7> kKnown{{
    {kDeflate, "deflate"},
    {kShuffle, "shuffle"},
    {kFletcher32, "Fletcher-32"},
    {kSzip, "szip"},
    {kNbit, "n-bit"},
    {kScaleOffset, "scale-offset"},
    {kLzf, "LZF"},
}};
// Of the registered ones, what files are met with:
// https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
constexpr std::array<Named, 10> kPlugins{{
    {305, "LZO"},
    {307, "bzip2"},
    {32001, "Blosc"},
    {32004, "LZ4"},
    {32008, "bitshuffle"},
    {32013, "ZFP"},
    {32015, "Zstandard"},
    {32017, "SZ"},
    {32019, "JPEG"},
    {32026, "Blosc2"},
}};

template <size_t N>
std::string_view name_in(const std::array<Named, N>& names, uint16_t id) {
  for (const Named& named : names) {
    if (named.id == id) return named.name;
  }
  return {};
}

// H5_checksum_fletcher32: pairs of bytes, big-endian, an odd byte as the high one.
uint32_t fletcher32(std::span<const unsigned char> bytes, bool little_endian) {
  uint32_t a = 0, b = 0;
  const size_t words = bytes.size() / 2;
  size_t at = 0;
  constexpr size_t kMostWithoutOverflow = 360;
  for (size_t left = words; left > 0;) {
    const size_t now = std::min(left, kMostWithoutOverflow);
    left -= now;
    for (size_t i = 0; i < now; ++i, at += 2) {
      a += little_endian ? bytes[at] | uint32_t{bytes[at + 1]} << 8 : uint32_t{bytes[at]} << 8 | bytes[at + 1];
      b += a;
    }
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
  }
  if (bytes.size() % 2 == 1) {
    a += little_endian ? uint32_t{bytes[at]} : uint32_t{bytes[at]} << 8;
    b += a;
    a = (a & 0xffff) + (a >> 16);
    b = (b & 0xffff) + (b >> 16);
  }
  a = (a & 0xffff) + (a >> 16);
  b = (b & 0xffff) + (b >> 16);
  return b << 16 | a;
}

std::span<const unsigned char> undo_fletcher32(std::span<const unsigned char> stored, const Cursor& at) {
  constexpr size_t kBytes = 4;
  if (stored.size() < kBytes) at.fail(fmt::format("a chunk of {} bytes", stored.size()), "a Fletcher-32 checksum");
  const auto guarded = stored.first(stored.size() - kBytes);
  uint32_t said = 0;
  for (size_t i = kBytes; i-- > 0;) said = said << 8 | stored[guarded.size() + i];
  const uint32_t is = fletcher32(guarded, false);
  // Up to HDF5 1.6.2, little-endian machines summed their own pairs.
  if (is != said && fletcher32(guarded, true) != said) {
    at.fail(fmt::format("a chunk with the Fletcher-32 checksum {:08x}", is),
            fmt::format("{:08x}, as it says itself: its bytes were changed", said));
  }
  return guarded;
}

// Returns how many bytes came out.
size_t inflate_into(std::span<const unsigned char> stored, std::span<unsigned char> to, const Cursor& at) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) at.fail("no memory for zlib", "a few KB");
  struct End {
    z_stream& stream;
    ~End() { inflateEnd(&stream); }
  } const end{stream};
  size_t in = 0, out = 0;
  for (;;) {
    stream.next_in = const_cast<unsigned char*>(stored.data() + in);
    stream.avail_in = static_cast<uInt>(std::min<size_t>(stored.size() - in, UINT_MAX));
    stream.next_out = to.data() + out;
    stream.avail_out = static_cast<uInt>(std::min<size_t>(to.size() - out, UINT_MAX));
    const uInt in_before = stream.avail_in, out_before = stream.avail_out;
    const int status = inflate(&stream, Z_NO_FLUSH);
    in += in_before - stream.avail_in;
    out += out_before - stream.avail_out;
    if (status == Z_STREAM_END) return out;
    if (status == Z_OK && (in_before != stream.avail_in || out_before != stream.avail_out)) continue;
    if (out == to.size() && in < stored.size())
      at.fail(fmt::format("a chunk that inflates to more than {} bytes", to.size()), "no more");
    at.fail(fmt::format("a chunk whose deflate stream breaks after {} bytes ({})", out,
                        status == Z_DATA_ERROR && stream.msg != nullptr ? stream.msg : "it is cut"),
            fmt::format("a stream of {}", to.size()));
  }
}

// LZF as h5py ships it: a byte below 32 stands before that many literals and one, any other is a copy of what came out.
size_t undo_lzf(std::span<const unsigned char> stored, std::span<unsigned char> to, const Cursor& at) {
  size_t in = 0, out = 0;
  const auto next = [&]() -> unsigned {
    if (in == stored.size()) at.fail("a chunk whose LZF stream is cut", fmt::format("a stream of {} bytes", to.size()));
    return stored[in++];
  };
  while (in < stored.size()) {
    const unsigned control = next();
    constexpr unsigned kLiterals = 32;
    if (control < kLiterals) {
      const size_t count = control + 1;
      if (count > stored.size() - in || count > to.size() - out) {
        at.fail("a chunk whose LZF stream leaves it", fmt::format("a stream of {} bytes", to.size()));
      }
      std::memcpy(to.data() + out, stored.data() + in, count);
      in += count;
      out += count;
      continue;
    }
    size_t count = control >> 5;
    if (count == 7) count += next();
    count += 2;
    const size_t back = ((control & 0x1f) << 8 | next()) + 1;
    if (back > out || count > to.size() - out) {
      at.fail("a chunk whose LZF stream leaves it", fmt::format("a stream of {} bytes", to.size()));
    }
    for (size_t i = 0; i < count; ++i, ++out) to[out] = to[out - back];
  }
  return out;
}

void unshuffle(std::span<const unsigned char> stored, size_t element_bytes, std::span<unsigned char> to) {
  const size_t count = stored.size() / element_bytes;
  for (size_t byte = 0; byte < element_bytes; ++byte) {
    const unsigned char* from = stored.data() + byte * count;
    for (size_t i = 0; i < count; ++i) to[i * element_bytes + byte] = from[i];
  }
  std::copy(stored.begin() + static_cast<std::ptrdiff_t>(count * element_bytes), stored.end(),
            to.begin() + static_cast<std::ptrdiff_t>(count * element_bytes));
}

// An n-bit filter over numbers that need all their bits passes everything on.
bool keeps_all_bits(const Filter& filter) {
  return filter.id == kNbit && filter.parameters.size() >= 2 && filter.parameters[1] != 0;
}

// Whether its input is of another size than its output, but for a checksum.
bool resizes(const Filter& filter) {
  return filter.id != kShuffle && filter.id != kFletcher32 && !keeps_all_bits(filter);
}

size_t shuffled_bytes(const Filter& filter) {
  return filter.parameters.empty() ? 0 : filter.parameters[0];
}

}  // namespace

std::string unknown_filter(const std::vector<Filter>& filters) {
  for (const Filter& filter : filters) {
    if (!name_in(kKnown, filter.id).empty()) continue;
    const std::string_view name = name_in(kPlugins, filter.id);
    return name.empty() ? fmt::format("filter {}", filter.id) : fmt::format("filter {} ({})", filter.id, name);
  }
  return {};
}

std::string names_of(const std::vector<Filter>& filters) {
  std::string text;
  for (const Filter& filter : filters)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", name_in(kKnown, filter.id));
  return text;
}

uint64_t most_expanded(const std::vector<Filter>& filters) {
  uint64_t most = 1;
  for (const Filter& filter : filters) {
    if (filter.id == kDeflate) most = std::max<uint64_t>(most, 1032);  // two bits give at most 258 bytes
    if (filter.id == kLzf) most = std::max<uint64_t>(most, 88);        // three bytes give at most 264
    // These may need a bit or none for an element, and are held to what deflate can do.
    if (filter.id == kSzip || filter.id == kNbit || filter.id == kScaleOffset) most = std::max<uint64_t>(most, 1032);
  }
  return most;
}

unsigned buffers_for(const std::vector<Filter>& filters, size_t element_bytes) {
  size_t buffers = 0;
  for (size_t i = 0; i < filters.size(); ++i) {
    const bool stays = i == 0 && filters[i].id == kShuffle && shuffled_bytes(filters[i]) == element_bytes;
    if (resizes(filters[i]) || (filters[i].id == kShuffle && !stays)) ++buffers;
  }
  return buffers > 1 ? 2 : 1;
}

Elements undo(const std::vector<Filter>& filters, uint32_t mask, std::span<const unsigned char> stored,
              uint64_t chunk_bytes, size_t element_bytes, const Cursor& at) {
  Elements elements;
  Buffer& held = elements.bytes;  // what `stored` lies in, once a filter was undone
  bool is_held = false;
  size_t left = 0;  // filters still to be undone that change the number of bytes
  const auto used = [&](size_t i) { return i >= 32 || (mask >> i & 1) == 0; };
  for (size_t i = 0; i < filters.size(); ++i) left += used(i) && resizes(filters[i]) ? 1 : 0;

  for (size_t i = filters.size(); i-- > 0;) {
    if (!used(i)) continue;
    const Filter& filter = filters[i];
    if (filter.id == kFletcher32) {
      stored = undo_fletcher32(stored, at);
      continue;
    }
    if (filter.id == kShuffle) {
      const size_t bytes = shuffled_bytes(filter);
      if (bytes <= 1 || stored.size() < bytes) continue;  // libhdf5 leaves these as they are
      if (i == 0 && bytes == element_bytes && stored.size() == chunk_bytes) {
        elements.shuffled = true;
        continue;
      }
      Buffer next(stored.size());
      unshuffle(stored, bytes, next.span());
      held = std::move(next);
      stored = held.span();
      is_held = true;
      continue;
    }
    if (!resizes(filter)) continue;
    --left;
    // What must still be undone has checksums, and another compression's output is not much longer than its input.
    constexpr uint64_t kFletcherBytes = 4;
    uint64_t room = left == 0 ? chunk_bytes : chunk_bytes + chunk_bytes / 8 + 1024;
    for (size_t before = 0; before < i; ++before) {
      if (used(before) && filters[before].id == kFletcher32) room += kFletcherBytes;
    }
    Buffer next(static_cast<size_t>(room));
    switch (filter.id) {
      case kDeflate:
        next.size = inflate_into(stored, next.span(), at);
        break;
      case kLzf:
        next.size = undo_lzf(stored, next.span(), at);
        break;
      case kSzip:
        undo_szip(filter, stored, next.span().first(chunk_bytes), at), next.size = chunk_bytes;
        break;
      case kNbit:
        undo_nbit(filter, stored, next.span().first(chunk_bytes), at), next.size = chunk_bytes;
        break;
      default:
        undo_scale_offset(filter, stored, next.span().first(chunk_bytes), at), next.size = chunk_bytes;
        break;
    }
    held = std::move(next);
    stored = held.span();
    is_held = true;
  }
  if (stored.size() != chunk_bytes) {
    at.fail(fmt::format("a chunk of {} bytes", stored.size()), fmt::format("{}, as its shape says", chunk_bytes));
  }
  if (!is_held) {
    held = Buffer(stored.size());
    std::copy(stored.begin(), stored.end(), held.data.get());
  } else {
    held.size = stored.size();  // without a checksum that was undone last
  }
  return elements;
}

}  // namespace weighbridge::hdf5
