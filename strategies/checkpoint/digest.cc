#include "strategies/checkpoint/digest.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <array>
#include <vector>

namespace weighbridge {

namespace {

template <typename Read>
std::string sha256_in_pieces(uint64_t bytes, const Read& read) {
  constexpr uint64_t kPieceBytes = 1u << 20;
  std::vector<uint8_t> piece(static_cast<size_t>(std::min(kPieceBytes, bytes)));
  sha256_ctx context;
  sha256_init(&context);
  for (uint64_t begin = 0; begin < bytes; begin += piece.size()) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(piece.size(), bytes - begin));
    read(begin, piece.data(), size);
    sha256_update(&context, size, piece.data());
  }
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest;
  sha256_digest(&context, digest.size(), digest.data());
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string sha256_of(const Checkpoint& checkpoint, TensorReader& reader, uint32_t tensor) {
  return sha256_in_pieces(checkpoint.tensors.at(tensor).bytes(),
                          [&](uint64_t begin, uint8_t* to, size_t bytes) { reader.read(tensor, begin, to, bytes); });
}

std::string sha256_of(const File& file) {
  return sha256_in_pieces(file.bytes(),
                          [&](uint64_t begin, uint8_t* to, size_t bytes) { file.read(begin, to, bytes); });
}

}  // namespace weighbridge
