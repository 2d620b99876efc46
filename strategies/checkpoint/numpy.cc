// NumPy: an array in a .npy file, arrays by name in an .npz archive (a zip of .npy files, stored or deflated).
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1, 2 and 3.
//
// A .npy file is a magic, a version, the length of a header, the header (npy_header.h), the elements. The elements must
// be there in full, and nothing after them but, as repeated numpy.save to one file leaves it, the next array; of
// several in one file the names are [0], [1] and so on, a single one has none.
//
// What is no number (Python objects, which are pickles, texts, dates, records) and what has no fixed form (long double)
// is refused by name; a member of an archive that is such is left out with a remark, unless nothing is left. bfloat16
// and the 8-bit floats of ml_dtypes are among these: NumPy writes them as raw bytes ("<V2") without a word of what they
// are.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/numpy/npy_header.h"
#include "strategies/checkpoint/storage/view.h"
#include "strategies/checkpoint/storage/zip.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kVersionBytes = 2;
constexpr uint64_t kMaximumHeader = 1u << 20;  // NumPy's own limit is 10,000 bytes
constexpr size_t kMostArrays = 1u << 16;  // one after another in a .npy: a table of them costs ten times their bytes
constexpr std::string_view kMemberSuffix = ".npy";
constexpr size_t kNamed = 3;  // members that a remark names

// Bytes that hold an array, or several: a whole file, or a member of an archive.
class Source {
 public:
  Source(const File& file, const Checkpoint& checkpoint, Storage storage, std::string of)
      : file_(file), storage_(std::move(storage)), of_(std::move(of)) {
    if (storage_.deflated) decoder_ = open_storage(checkpoint, storage_);
  }

  uint64_t bytes() const { return storage_.bytes(); }
  const Storage& storage() const { return storage_; }

  std::string read(uint64_t at, uint64_t bytes) const {
    std::string text(static_cast<size_t>(bytes), '\0');
    if (decoder_ == nullptr) {
      file_.read(storage_.extent.offset + at, text.data(), text.size());
    } else {
      decoder_->read(at, text.data(), text.size());
    }
    return text;
  }

  // In the file; inflated bytes are nowhere in it, their member's place stands for them.
  uint64_t place(uint64_t at) const { return storage_.extent.offset + (decoder_ == nullptr ? at : 0); }
  [[noreturn]] void fail(uint64_t at, const std::string& found, const std::string& expected) const {
    throw error(at, found, expected);
  }
  Error error(uint64_t at, const std::string& found, const std::string& expected) const {
    return format_error(file_.path(), place(at), found + of_, expected);
  }
  const std::string& path() const { return file_.path(); }

 private:
  const File& file_;
  const Storage storage_;
  const std::string of_;  // " in member ..."
  std::unique_ptr<Decoder> decoder_;
};

// The array that begins at byte `at` of the source. The tensor is laid, and `end` is where the array ends, unless its
// elements are foreign: then nobody knows how long they are.
NpyHeader read_array(const Source& source, uint64_t at, Tensor& tensor, TensorLayout& layout, uint64_t& end) {
  const uint64_t left = source.bytes() - at;
  const std::string start = source.read(at, std::min<uint64_t>(left, kMagic.size() + kVersionBytes));
  if (!start.starts_with(kMagic)) {
    source.fail(at, left == 0 ? "no bytes" : in_quotes(start.substr(0, kMagic.size())),
                "\"\\x93NUMPY\", which an array begins with");
  }
  if (start.size() < kMagic.size() + kVersionBytes) {
    source.fail(at, fmt::format("{} bytes", left), "a version after the magic");
  }
  const auto major = static_cast<unsigned char>(start[6]), minor = static_cast<unsigned char>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    source.fail(at + kMagic.size(), fmt::format("version {}.{}", major, minor), "1.0, 2.0 or 3.0");
  }
  const uint64_t length_at = at + start.size(), length_bytes = major == 1 ? 2 : 4;
  if (source.bytes() - length_at < length_bytes) source.fail(length_at, "the end", "the length of the header");
  uint64_t header_bytes = 0;
  const std::string length = source.read(length_at, length_bytes);
  for (size_t i = length.size(); i-- > 0;) header_bytes = header_bytes << 8 | static_cast<unsigned char>(length[i]);
  const uint64_t header_at = length_at + length_bytes;
  if (header_bytes > std::min(kMaximumHeader, source.bytes() - header_at)) {
    source.fail(length_at, fmt::format("a header of {} bytes", header_bytes),
                fmt::format("at most {}", std::min(kMaximumHeader, source.bytes() - header_at)));
  }
  const std::string text = source.read(header_at, header_bytes);
  NpyHeader header = read_npy_header(text, [&](size_t inside, const std::string& found, const std::string& expected) {
    return source.error(header_at + inside, found, expected);
  });
  const uint64_t data_at = header_at + header_bytes;
  if (!header.dtype) return header;

  tensor.dtype = *header.dtype;
  tensor.shape = std::move(header.shape);
  const std::optional<uint64_t> count = element_count(tensor.shape);
  const std::optional<uint64_t> bytes = count ? packed_bytes(tensor.dtype, *count) : std::nullopt;
  if (!bytes || *bytes > source.bytes() - data_at) {
    source.fail(data_at, fmt::format("{} bytes of elements", source.bytes() - data_at),
                bytes ? fmt::format("{}, as the shape says", *bytes) : "a shape of fewer than 2^64 bytes");
  }
  View view{.begin = data_at, .big_endian = header.big_endian};
  if (header.fortran && *bytes > 0) view.strides = fortran_strides(tensor.shape);
  layout.lay(tensor, source.storage(), view, {source.path(), source.place(at)});
  end = data_at + *bytes;
  return header;
}

void read_npy(const File& file, Checkpoint& checkpoint) {
  const auto index = static_cast<uint32_t>(checkpoint.files.size() - 1);
  const Source source(file, checkpoint, {{index, 0, file.bytes()}, nullptr}, "");
  const size_t first = checkpoint.tensors.size();
  uint64_t at = 0;
  do {
    const uint64_t begin = at;
    if (checkpoint.tensors.size() - first == kMostArrays) {
      source.fail(begin, fmt::format("more than {} arrays in one file", kMostArrays), "fewer");
    }
    if (begin != 0 &&
        !source.read(begin, std::min<uint64_t>(file.bytes() - begin, kMagic.size())).starts_with(kMagic)) {
      source.fail(begin, fmt::format("{} bytes after the array", file.bytes() - begin), "the end, or another array");
    }
    Tensor tensor;
    TensorLayout layout;  // of one array: no two share bytes
    const NpyHeader header = read_array(source, begin, tensor, layout, at);
    if (!header.dtype) source.fail(begin, "an array of " + header.foreign, "an array of numbers");
    checkpoint.tensors.push_back(std::move(tensor));
  } while (at != file.bytes());
  const size_t count = checkpoint.tensors.size() - first;
  for (size_t i = 0; count > 1 && i < count; ++i) checkpoint.tensors[first + i].name = fmt::format("[{}]", i);
}

// What an archive has that is no array of numbers.
class LeftOut {
 public:
  void add(const ZipMember& member, const std::string& what) {
    if (count_++ < kNamed) names_ += fmt::format("{}{} ({})", names_.empty() ? "" : ", ", in_quotes(member.name), what);
    if (count_ == 1) first_at_ = member.header_at;
    bytes_ += member.plain_bytes;
  }
  void settle(const File& file, bool nothing_else, Checkpoint& checkpoint) const {
    if (count_ == 0) return;
    const std::string names = count_ > kNamed ? fmt::format("{} and {} more", names_, count_ - kNamed) : names_;
    if (nothing_else) throw format_error(file.path(), first_at_, "nothing but " + names, "an array of numbers");
    checkpoint.remarks.push_back({"left-out", fmt::format("left out, as no arrays of numbers: {}", names), bytes_});
  }

 private:
  size_t count_ = 0;
  std::string names_;
  uint64_t first_at_ = 0, bytes_ = 0;
};

void read_npz(const File& file, Checkpoint& checkpoint) {
  const ZipArchive archive(file);
  const auto index = static_cast<uint32_t>(checkpoint.files.size() - 1);
  const size_t first = checkpoint.tensors.size();
  // Exactly, as the directory is still held beside these.
  checkpoint.tensors.reserve(first + archive.members().size());
  checkpoint.checksums.reserve(static_cast<size_t>(std::count_if(
      archive.members().begin(), archive.members().end(), [](const ZipMember& member) { return member.stored(); })));
  LeftOut left_out;
  for (const ZipMember& member : archive.members()) {
    if (!member.name.ends_with(kMemberSuffix)) {
      if (!member.name.ends_with('/')) left_out.add(member, "no .npy");
      continue;
    }
    const Source source(file, checkpoint, archive.storage(member, index),
                        fmt::format(" in member {}", in_quotes(member.name)));
    Tensor tensor;
    tensor.name = member.name.substr(0, member.name.size() - kMemberSuffix.size());
    TensorLayout layout;  // of its own, as no two members share bytes
    uint64_t at = 0;
    const NpyHeader header = read_array(source, 0, tensor, layout, at);
    if (!header.dtype) {
      left_out.add(member, header.foreign);
      continue;
    }
    if (at != source.bytes()) {
      source.fail(at, fmt::format("{} bytes after the array", source.bytes() - at), "the end of the member");
    }
    if (member.stored()) checkpoint.checksums.push_back(checksum_of(member, source.storage()));
    checkpoint.tensors.push_back(std::move(tensor));
  }
  left_out.settle(file, checkpoint.tensors.size() == first, checkpoint);
}

// All members .npy, at least one: what tells an .npz from the other archives of weights.
bool is_npz(const ZipArchive& archive) {
  const auto& members = archive.members();
  return !members.empty() && std::all_of(members.begin(), members.end(),
                                         [](const ZipMember& member) { return member.name.ends_with(kMemberSuffix); });
}

bool recognises(const File& file) {
  return file.peek(0, kMagic.size()) == kMagic || is_zip_with(file, is_npz);
}

void read(const File& file, Checkpoint& checkpoint) {
  const bool array = file.peek(0, kMagic.size()) == kMagic;
  if (!array && (begins_as_zip(file) || file.path().ends_with(".npz"))) {
    read_npz(file, checkpoint);
  } else {
    read_npy(file, checkpoint);
  }
}

}  // namespace

constexpr std::string_view kSuffixes[] = {".npz", ".npy"};

const Format kNumpy{
    .info = {"numpy", "an array (.npy), or an archive of arrays, stored or deflated (.npz)"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
