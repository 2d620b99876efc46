// Which numbers of a block are wider than a byte is told by ggml-common.h's structs, and by the code that reads them
// (ggml-quants.c) where a struct has bytes and the code copies them into an integer: qh of q5_0 and q5_1, the signs of
// iq3_xxs, the scales of iq1_m. gguf_convert_endian.py of llama.cpp swaps the same for the types that it knows (q4_0,
// q8_0, q4_k, q6_k, mxfp4). iq2_xxs is read as bytes in one place and as 32-bit integers in another, and its writer
// does not agree with both on a big-endian machine: nobody can say what such a file holds.
#include "strategies/checkpoint/gguf/ggml_types.h"

#include <algorithm>
#include <array>

namespace weighbridge {
namespace {

using Fields = std::span<const BlockField>;

constexpr BlockField kTwo[] = {{0, 2, 1}};
constexpr BlockField kFour[] = {{0, 4, 1}};
constexpr BlockField kEight[] = {{0, 8, 1}};
constexpr BlockField kTwoTwos[] = {{0, 2, 2}};
constexpr BlockField kQ5_0[] = {{0, 2, 1}, {2, 4, 1}};
constexpr BlockField kQ5_1[] = {{0, 2, 2}, {4, 4, 1}};
constexpr BlockField kQ2K[] = {{80, 2, 2}};
constexpr BlockField kQ3K[] = {{108, 2, 1}};
constexpr BlockField kQ6K[] = {{208, 2, 1}};
constexpr BlockField kQ8K[] = {{0, 4, 1}, {260, 2, 16}};
constexpr BlockField kIq2Xs[] = {{0, 2, 33}};
constexpr BlockField kIq3Xxs[] = {{0, 2, 1}, {66, 4, 8}};
constexpr BlockField kIq1S[] = {{0, 2, 1}, {34, 2, 8}};
constexpr BlockField kIq1M[] = {{48, 2, 4}};
constexpr BlockField kTq1[] = {{52, 2, 1}};
constexpr BlockField kTq2[] = {{64, 2, 1}};

constexpr std::array kTypes = {
    GgmlType{0, "F32", Dtype::f32, {}, kFour},
    GgmlType{1, "F16", Dtype::f16, {}, kTwo},
    GgmlType{2, "Q4_0", Dtype::q4_0, {}, kTwo},
    GgmlType{3, "Q4_1", Dtype::q4_1, {}, kTwoTwos},
    GgmlType{4, "Q4_2", {}, "Q4_0", {}},
    GgmlType{5, "Q4_3", {}, "Q4_1", {}},
    GgmlType{6, "Q5_0", Dtype::q5_0, {}, kQ5_0},
    GgmlType{7, "Q5_1", Dtype::q5_1, {}, kQ5_1},
    GgmlType{8, "Q8_0", Dtype::q8_0, {}, kTwo},
    GgmlType{9, "Q8_1", Dtype::q8_1, {}, kTwoTwos},
    GgmlType{10, "Q2_K", Dtype::q2_k, {}, kQ2K},
    GgmlType{11, "Q3_K", Dtype::q3_k, {}, kQ3K},
    GgmlType{12, "Q4_K", Dtype::q4_k, {}, kTwoTwos},
    GgmlType{13, "Q5_K", Dtype::q5_k, {}, kTwoTwos},
    GgmlType{14, "Q6_K", Dtype::q6_k, {}, kQ6K},
    GgmlType{15, "Q8_K", Dtype::q8_k, {}, kQ8K},
    GgmlType{16, "IQ2_XXS", Dtype::iq2_xxs, {}, {}, false},
    GgmlType{17, "IQ2_XS", Dtype::iq2_xs, {}, kIq2Xs},
    GgmlType{18, "IQ3_XXS", Dtype::iq3_xxs, {}, kIq3Xxs},
    GgmlType{19, "IQ1_S", Dtype::iq1_s, {}, kIq1S},
    GgmlType{20, "IQ4_NL", Dtype::iq4_nl, {}, kTwo},
    GgmlType{21, "IQ3_S", Dtype::iq3_s, {}, kTwo},
    GgmlType{22, "IQ2_S", Dtype::iq2_s, {}, kTwo},
    GgmlType{23, "IQ4_XS", Dtype::iq4_xs, {}, kTwoTwos},
    GgmlType{24, "I8", Dtype::i8, {}, {}},
    GgmlType{25, "I16", Dtype::i16, {}, kTwo},
    GgmlType{26, "I32", Dtype::i32, {}, kFour},
    GgmlType{27, "I64", Dtype::i64, {}, kEight},
    GgmlType{28, "F64", Dtype::f64, {}, kEight},
    GgmlType{29, "IQ1_M", Dtype::iq1_m, {}, kIq1M},
    GgmlType{30, "BF16", Dtype::bf16, {}, kTwo},
    GgmlType{31, "Q4_0_4_4", {}, "Q4_0", {}},
    GgmlType{32, "Q4_0_4_8", {}, "Q4_0", {}},
    GgmlType{33, "Q4_0_8_8", {}, "Q4_0", {}},
    GgmlType{34, "TQ1_0", Dtype::tq1_0, {}, kTq1},
    GgmlType{35, "TQ2_0", Dtype::tq2_0, {}, kTq2},
    GgmlType{36, "IQ4_NL_4_4", {}, "IQ4_NL", {}},
    GgmlType{37, "IQ4_NL_4_8", {}, "IQ4_NL", {}},
    GgmlType{38, "IQ4_NL_8_8", {}, "IQ4_NL", {}},
    GgmlType{39, "MXFP4", Dtype::mxfp4, {}, {}},
    GgmlType{40, "NVFP4", Dtype::nvfp4, {}, {}},
    GgmlType{41, "Q1_0", Dtype::q1_0, {}, kTwo},
    GgmlType{42, "Q2_0", Dtype::q2_0, {}, kTwo},
};

constexpr bool in_order() {
  for (uint32_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].number != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

const GgmlType* ggml_type(uint32_t number) {
  return number < kTypes.size() ? &kTypes[number] : nullptr;
}

}  // namespace weighbridge
