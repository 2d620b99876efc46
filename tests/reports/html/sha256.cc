#include "tests/reports/html/sha256.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace weighbridge::reports {
namespace {

// The first 32 bits of the fractional parts of roots of the first primes, as the standard defines its constants.
template <size_t Count>
std::array<uint32_t, Count> root_fractions(long double (*root)(long double)) {
  std::array<uint32_t, Count> out{};
  size_t found = 0;
  for (uint32_t n = 2; found < Count; ++n) {
    bool prime = true;
    for (uint32_t d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (!prime) continue;
    const long double r = root(n);
    out[found++] = static_cast<uint32_t>((r - std::floor(r)) * 4294967296.0L);
  }
  return out;
}

}  // namespace

std::string sha256_base64(std::string_view text) {
  auto h = root_fractions<8>([](long double x) { return std::sqrt(x); });
  const auto k = root_fractions<64>([](long double x) { return std::cbrt(x); });
  std::string message(text);
  message += static_cast<char>(0x80);
  while (message.size() % 64 != 56) message += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) message += static_cast<char>(text.size() * 8 >> shift);
  for (size_t block = 0; block < message.size(); block += 64) {
    std::array<uint32_t, 64> w{};
    for (size_t i = 0; i < 64; ++i) w[i / 4] = w[i / 4] << 8 | static_cast<unsigned char>(message[block + i]);
    for (size_t i = 16; i < 64; ++i) {
      const uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto v = h;
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t e = v[4], a = v[0];
      const uint32_t t1 =
          v[7] + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
      const uint32_t t2 =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
      v = {t1 + t2, v[0], v[1], v[2], v[3] + t1, v[4], v[5], v[6]};
    }
    for (size_t i = 0; i < 8; ++i) h[i] += v[i];
  }
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<unsigned, 33> bytes{};
  for (size_t i = 0; i < 32; ++i) bytes[i] = h[i / 4] >> (24 - 8 * (i % 4)) & 0xFF;
  std::string out;
  for (size_t i = 0; i < 33; i += 3) {
    const unsigned three = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) out += digits[three >> shift & 63];
  }
  out.back() = '=';
  return out;
}

}  // namespace weighbridge::reports
