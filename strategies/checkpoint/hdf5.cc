// HDF5, and Keras 3 archives, which hold an HDF5 file.
//
// The reader is our own and not libhdf5. What the latter costs and risks was measured (1.10.8 as Debian 12 has it).
// Hostile files: 11 of 4,000 copies of small files with a byte or two changed, read through h5py, end the process
// (SIGSEGV, or SIGABRT from a corrupted heap); none of 587,000 inputs that libFuzzer made does so with this reader.
// Memory: it allocates by numbers that a file merely claims, 256 MiB for one of the files that stand for its CVEs in
// its own test suite, 160 GiB for others, and nothing bounds that from outside. A small worker: the shared library
// brings 30 others, 3.1 ms of start (a worker starts in 4.1) and 1.2 MiB of need; the static one still keeps 0.3 MiB
// from its first use on. With this reader the worker's floor (884,736 bytes) and start are what they were without.
//
// The format is well described, and a reader that only lists datasets and reads chunks needs a small part of it:
//
//   hdf5/source, superblock          bytes, bounds, checksums; where the file begins
//   hdf5/object_header, dataset,     what an object is
//     datatype
//   hdf5/group, btree1, btree2,      how it is found by its path
//     fractal_heap, extension
//   hdf5/chunk_index, chunk_arrays,  its elements, where they are not one stretch
//     filters, szip, packed,
//     chunked_elements
//   hdf5/listing, dataset_encoding   what a checkpoint sees of it
//
// Read: superblocks 0 to 3, user blocks, both kinds of groups, all chunk indices up to HDF5 1.14, the filters deflate,
// shuffle, Fletcher-32, szip, n-bit, scale-offset and LZF (h5py's own). Left out with a remark: what listing.cc says.
// Refused: what is damaged, including any checksum of a structure that does not hold.
//
// A .keras archive is a zip that Keras 3 writes without compression (saving_lib.py): its member model.weights.h5 is
// read where it lies, so that weights can be mapped from the archive. One that was compressed since cannot be read in
// bounded memory, as HDF5 goes back and forth; the refusal says what to do.
#include <fmt/format.h>

#include <array>

#include "strategies/checkpoint/format.h"
#include "strategies/checkpoint/hdf5/listing.h"
#include "strategies/checkpoint/hdf5/superblock.h"
#include "strategies/checkpoint/storage/zip.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr std::string_view kWeights = "model.weights.h5";

// Keras writes metadata.json first; whatever order a tool gives the members, the archive begins with one of its own.
bool begins_as_keras(const File& file) {
  if (!begins_as_zip(file)) return false;
  constexpr uint64_t kNameAt = 30;  // in a local header
  const std::string name = file.peek(kNameAt, kWeights.size());
  constexpr std::array<std::string_view, 4> kMembers{"metadata.json", "config.json", kWeights, "assets/"};
  for (const std::string_view member : kMembers) {
    if (name.starts_with(member)) return true;
  }
  return false;
}

void read_keras(const File& file, Checkpoint& checkpoint) {
  const ZipArchive archive(file);
  const ZipMember* weights = archive.find(kWeights);
  if (weights == nullptr) {
    throw format_error(file.path(), 0, fmt::format("a zip archive without a member {}", kWeights),
                       "a Keras 3 archive, which has one");
  }
  if (!weights->stored()) {
    throw format_error(
        file.path(), weights->header_at, fmt::format("a compressed member {}", kWeights),
        fmt::format("one as Keras stores it; unpack it (`unzip ARCHIVE {}`) and name that file", kWeights));
  }
  const Storage storage = archive.storage(*weights, static_cast<uint32_t>(checkpoint.files.size() - 1));
  hdf5::list_datasets(file, storage.extent.offset, storage.extent.bytes, checkpoint);
  checkpoint.checksums.push_back(checksum_of(*weights, storage));
}

bool recognises(const File& file) {
  return begins_as_keras(file) || hdf5::find_superblock(file, 0, file.bytes()).has_value();
}

void read(const File& file, Checkpoint& checkpoint) {
  if (begins_as_zip(file)) {
    read_keras(file, checkpoint);
  } else {
    hdf5::list_datasets(file, 0, file.bytes(), checkpoint);
  }
}

constexpr std::string_view kSuffixes[] = {".h5", ".hdf5", ".keras"};

}  // namespace

const Format kHdf5{
    .info = {"hdf5", "HDF5 files (Keras' .h5 among them) and Keras 3 archives (.keras)"},
    .suffixes = kSuffixes,
    .recognises = recognises,
    .read = read,
};

}  // namespace weighbridge
