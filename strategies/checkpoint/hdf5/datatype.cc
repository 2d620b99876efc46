#include "strategies/checkpoint/hdf5/datatype.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace weighbridge::hdf5 {
namespace {

enum Class : uint8_t {
  kInteger,
  kFloat,
  kTime,
  kString,
  kBitfield,
  kOpaque,
  kCompound,
  kReference,
  kEnumeration,
  kVariable,
  kArray,
};
constexpr std::array<std::string_view, 11> kNames{
    "integers",     "floats",  "times",      "strings",      "bitfields",
    "opaque bytes", "records", "references", "enumerations", "lists of any length",
    "arrays"};

struct Head {
  uint8_t version, kind;
  uint32_t bits, bytes;
};

Head read_head(Cursor& cursor) {
  const uint8_t first = cursor.u8();
  Head head{static_cast<uint8_t>(first >> 4), static_cast<uint8_t>(first & 0x0f), 0, 0};
  head.bits = static_cast<uint32_t>(cursor.number(3));
  head.bytes = cursor.u32();
  return head;
}

std::optional<ElementType> read_integer(const Head& head, Cursor& cursor) {
  constexpr uint32_t kBigEndian = 0x01, kSigned = 0x08;
  ElementType type;
  type.big_endian = (head.bits & kBigEndian) != 0 && head.bytes > 1;
  type.bit_offset = cursor.u16();
  type.precision = cursor.u16();
  if (type.precision == 0 || type.bit_offset + type.precision > 8 * uint64_t{head.bytes}) return std::nullopt;
  const bool is_signed = (head.bits & kSigned) != 0;
  switch (head.bytes) {
    case 1:
      type.dtype = is_signed ? Dtype::i8 : Dtype::u8;
      return type;
    case 2:
      type.dtype = is_signed ? Dtype::i16 : Dtype::u16;
      return type;
    case 4:
      type.dtype = is_signed ? Dtype::i32 : Dtype::u32;
      return type;
    case 8:
      type.dtype = is_signed ? Dtype::i64 : Dtype::u64;
      return type;
    default:
      return std::nullopt;
  }
}

struct FloatForm {
  Dtype dtype;
  uint32_t bytes;
  uint8_t exponent_at, exponent_bits;  // the mantissa begins at bit 0, the sign is the last bit
  uint32_t bias;
};
constexpr std::array<FloatForm, 4> kFloats{{
    {Dtype::f16, 2, 10, 5, 15},
    {Dtype::bf16, 2, 7, 8, 127},
    {Dtype::f32, 4, 23, 8, 127},
    {Dtype::f64, 8, 52, 11, 1023},
}};

std::optional<ElementType> read_float(const Head& head, Cursor& cursor) {
  constexpr uint32_t kBigEndian = 0x01, kVax = 0x40, kImpliedBit = 2;
  const uint16_t offset = cursor.u16(), precision = cursor.u16();
  const uint8_t exponent_at = cursor.u8(), exponent_bits = cursor.u8(), mantissa_at = cursor.u8(),
                mantissa_bits = cursor.u8();
  const uint32_t bias = cursor.u32();
  const uint32_t normalisation = head.bits >> 4 & 3, sign_at = head.bits >> 8 & 0xff;
  for (const FloatForm& form : kFloats) {
    if (head.bytes == form.bytes && offset == 0 && precision == 8 * form.bytes && sign_at == 8 * form.bytes - 1 &&
        exponent_at == form.exponent_at && exponent_bits == form.exponent_bits && mantissa_at == 0 &&
        mantissa_bits == form.exponent_at && bias == form.bias && normalisation == kImpliedBit &&
        (head.bits & kVax) == 0) {
      return ElementType{form.dtype, (head.bits & kBigEndian) != 0, 0, precision};
    }
  }
  return std::nullopt;
}

// The two members that h5py gives a boolean.
bool is_boolean(const Head& head, Cursor& cursor) {
  const Head base = read_head(cursor);
  if ((head.bits & 0xffff) != 2 || head.bytes != 1 || base.kind != kInteger || base.bytes != 1) return false;
  cursor.skip(4);  // bit offset and precision of the base
  for (const std::string_view name : {"FALSE", "TRUE"}) {
    for (const char letter : name) {
      if (cursor.u8() != letter) return false;
    }
    if (cursor.u8() != 0) return false;
    if (head.version < 3) cursor.skip((8 - (name.size() + 1) % 8) % 8);
  }
  return cursor.u8() == 0 && cursor.u8() == 1;
}

std::string text_of(std::span<const unsigned char> bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  return {bytes.begin(), end};
}

// An object of a global heap: Format specification 3.0, III.E.
std::string read_global(Source& source, uint64_t address, uint32_t wanted, uint64_t bytes) {
  const uint64_t header = 8 + source.frame().length_bytes;
  constexpr std::string_view kWhat = "a global heap";
  const Block start = source.block(kWhat, address, header);
  Cursor size = start.cursor();
  size.expect("GCOL", 1);
  size.skip(3);
  const Block heap = source.block(kWhat, address, size.length());
  Cursor cursor = heap.cursor();
  cursor.skip(header);
  while (cursor.left() >= 8u + source.frame().length_bytes) {
    const uint16_t index = cursor.u16();
    cursor.skip(2 + 4);  // references, reserved
    const uint64_t held = cursor.length();
    if (index == 0) break;  // free space, up to the end
    if (index == wanted && bytes <= held) return text_of(cursor.take(bytes));
    cursor.skip(held);
    cursor.skip(std::min<uint64_t>((8 - held % 8) % 8, cursor.left()));
  }
  cursor.fail(fmt::format("a global heap without an object {}", wanted), "it, as an attribute says");
}

}  // namespace

TypeOrNot read_type(Cursor cursor) {
  const Head head = read_head(cursor);
  TypeOrNot result;
  switch (head.kind) {
    case kInteger:
      result.type = read_integer(head, cursor);
      break;
    case kFloat:
      result.type = read_float(head, cursor);
      break;
    case kEnumeration:
      if (is_boolean(head, cursor)) result.type = ElementType{Dtype::boolean, false, 0, 8};
      break;
    case kOpaque:
      result.opaque_pairs = head.bytes == 2;
      break;
    default:
      break;
  }
  if (result.type) return result;
  if (head.kind == kInteger || head.kind == kFloat) {
    result.other = fmt::format("{} of {} bytes in a form of their own", kNames[head.kind], head.bytes);
  } else {
    result.other = head.kind < kNames.size() ? std::string(kNames[head.kind])
                                             : fmt::format("elements of the unknown class {}", head.kind);
  }
  return result;
}

std::optional<std::string> read_dtype_attribute(Source& source, Cursor cursor) {
  constexpr std::string_view kWanted("dtype\0", 6);
  constexpr size_t kShortest = 8 + kWanted.size();
  if (cursor.left() < kShortest) return std::nullopt;  // whatever it is
  const uint8_t version = cursor.u8(), flags = cursor.u8();
  const uint16_t name_bytes = cursor.u16(), type_bytes = cursor.u16(), space_bytes = cursor.u16();
  if (version < 1 || version > 3 || name_bytes != kWanted.size() || flags != 0) return std::nullopt;
  if (version == 3) cursor.skip(1);  // character set
  const auto padded = [&](uint64_t bytes) { return version == 1 ? (bytes + 7) / 8 * 8 : bytes; };
  for (const char letter : kWanted) {
    if (cursor.u8() != static_cast<unsigned char>(letter)) return std::nullopt;
  }
  cursor.skip(padded(name_bytes) - name_bytes);
  Cursor type = cursor.part(padded(type_bytes));
  const Head head = read_head(type);
  cursor.skip(padded(space_bytes));
  if (head.kind == kString) return text_of(cursor.take(std::min<uint64_t>(head.bytes, cursor.left())));
  constexpr uint32_t kIsString = 1;
  if (head.kind != kVariable || (head.bits & 0x0f) != kIsString) return std::nullopt;
  const uint32_t bytes = cursor.u32();
  const std::optional<uint64_t> heap = cursor.address();
  const uint32_t index = cursor.u32();
  if (!heap) return std::nullopt;
  return read_global(source, *heap, index, bytes);
}

}  // namespace weighbridge::hdf5
