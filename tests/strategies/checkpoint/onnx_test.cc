#include <fmt/format.h>

#include <map>

#include "strategies/checkpoint/digest.h"
#include "strategies/checkpoint/format.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/wire.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// The refusal of a model with this content, without the path before it.
std::string refused(const std::string& content) {
  TemporaryFolder folder;
  const std::string path = folder.write("model.onnx", content);
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

// The same for a model whose only initializer this is, without the place before it.
std::string refused_tensor(const std::string& initializer) {
  const std::string message = refused(wire::model(wire::graph({initializer})));
  const size_t found = message.find(": found ");
  REQUIRE(found != std::string::npos);
  return message.substr(found + 2);
}

struct Opened {
  explicit Opened(const std::string& content)
      : path(folder.write("model.onnx", content)), checkpoint(open_checkpoint(path)) {}
  // All elements of a tensor, read in pieces of `piece` bytes.
  std::string elements(uint32_t tensor, size_t piece = SIZE_MAX) const {
    TensorReader reader(checkpoint);
    std::string bytes(checkpoint.tensors.at(tensor).bytes(), '\0');
    for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
      reader.read(tensor, at, bytes.data() + at, std::min(piece, bytes.size() - at));
    }
    return bytes;
  }
  TemporaryFolder folder;
  std::string path;
  Checkpoint checkpoint;
};

Opened opened_tensor(const std::string& initializer) {
  return Opened(wire::model(wire::graph({initializer})));
}

std::string words(const std::vector<int64_t>& values, unsigned bytes) {
  std::string text;
  for (const int64_t value : values) text += wire::little_endian(static_cast<uint64_t>(value), bytes);
  return text;
}

}  // namespace

TEST_CASE("an initializer comes out with name, dtype, shape and place") {
  const std::string data = words({1, -2, 3, 4, 5, 6}, 4);
  const Opened opened(wire::model(wire::graph({wire::tensor("scalar", 1, {}) + wire::raw_data("abcd"),
                                               wire::tensor("weight", 6, {2, 3}) + wire::raw_data(data)})));
  const Checkpoint& checkpoint = opened.checkpoint;
  CHECK(checkpoint.format == "onnx");
  REQUIRE(checkpoint.files.size() == 1);
  CHECK(checkpoint.remarks.empty());
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].name == "scalar");
  CHECK(checkpoint.tensors[0].shape.empty());
  CHECK(checkpoint.tensors[0].bytes() == 4);
  const Tensor& tensor = checkpoint.tensors[1];
  CHECK(tensor.name == "weight");
  CHECK(tensor.dtype == Dtype::i32);
  CHECK(tensor.shape == std::vector<uint64_t>{2, 3});
  CHECK(tensor.plain());
  CHECK(tensor.extent.offset == content_of(opened.path).find(data));
  CHECK(tensor.extent.bytes == 24);
  CHECK(opened.elements(1) == data);
}

TEST_CASE("every type of TensorProto is known by its number, with its size") {
  const std::vector<std::tuple<uint64_t, Dtype, uint64_t>> all{
      {1, Dtype::f32, 32},         {2, Dtype::u8, 8},       {3, Dtype::i8, 8},           {4, Dtype::u16, 16},
      {5, Dtype::i16, 16},         {6, Dtype::i32, 32},     {7, Dtype::i64, 64},         {9, Dtype::boolean, 8},
      {10, Dtype::f16, 16},        {11, Dtype::f64, 64},    {12, Dtype::u32, 32},        {13, Dtype::u64, 64},
      {14, Dtype::c64, 64},        {15, Dtype::c128, 128},  {16, Dtype::bf16, 16},       {17, Dtype::f8_e4m3, 8},
      {18, Dtype::f8_e4m3fnuz, 8}, {19, Dtype::f8_e5m2, 8}, {20, Dtype::f8_e5m2fnuz, 8}, {21, Dtype::u4, 4},
      {22, Dtype::i4, 4},          {23, Dtype::f4, 4},      {24, Dtype::f8_e8m0, 8},
  };
  for (const auto& [number, dtype, bits] : all) {
    INFO(number);
    const Opened opened =
        opened_tensor(wire::tensor("t", number, {2, 2}) + wire::raw_data(std::string(4 * bits / 8, 'x')));
    REQUIRE(opened.checkpoint.tensors.size() == 1);
    CHECK(opened.checkpoint.tensors[0].dtype == dtype);
    CHECK(opened.checkpoint.tensors[0].plain());
  }
  const std::string types = "a type of 4 bits or more that ONNX names (FLOAT, ... FLOAT8E8M0)";
  for (const auto& [number, text] :
       std::map<uint64_t, std::string>{{0, "of the type UNDEFINED"},
                                       {25, "of the type UINT2"},
                                       {26, "of the type INT2"},
                                       {27, "of the data_type 27"},
                                       {UINT64_MAX, "of the data_type 18446744073709551615"}}) {
    CHECK(refused_tensor(wire::tensor("t", number, {4}) + wire::raw_data("x")) ==
          "found tensor \"t\" " + text + ", expected " + types);
  }
  CHECK(refused_tensor(wire::bytes(8, "t")) == "found tensor \"t\" of the type UNDEFINED, expected " + types);
}

TEST_CASE("typed fields give the low bits of their numbers, whatever pieces they come in") {
  struct Case {
    uint64_t type;
    uint32_t field;
    unsigned width;
    std::vector<int64_t> values;
  };
  const std::vector<Case> cases{
      {6, 5, 4, {0, 1, -1, 127, 128, INT32_MAX, INT32_MIN, 70000}},
      {3, 5, 1, {0, 1, -1, 127, -128, 5, 6, 7}},
      {2, 5, 1, {0, 1, 255, 127, 128, 5, 6, 7}},
      {4, 5, 2, {0, 1, 65535, 127, 128, 5, 6, 7}},
      {5, 5, 2, {0, 1, -1, 32767, -32768, 5, 6, 7}},
      {10, 5, 2, {0x3c00, 0xbc00, 0x7bff, 0, 0x8000, 1, 2, 3}},
      {16, 5, 2, {0x3f80, 0xbf80, -16512, 0, 0x8000, 1, 2, 3}},
      {17, 5, 1, {0x38, 0xb8, 0x7f, 0, 0x80, 1, 2, 3}},
      {20, 5, 1, {0x38, 0xb8, 0x7f, 0, 0x80, 1, 2, 3}},
      {24, 5, 1, {0, 127, 255, 254, 128, 1, 2, 3}},
      {7, 7, 8, {0, 1, -1, INT64_MAX, INT64_MIN, 300, 70000, 1ll << 40}},
      {12, 11, 4, {0, 1, UINT32_MAX, 127, 128, 300, 70000, 3}},
      {13, 11, 8, {0, 1, -1, INT64_MAX, INT64_MIN, 300, 70000, 3}},
  };
  for (const Case& c : cases) {
    INFO("type " << c.type);
    const std::string expected = words(c.values, c.width);
    const std::string begin = wire::tensor("t", c.type, {2, 4});
    std::string single;
    for (const int64_t value : c.values) single += wire::number(c.field, static_cast<uint64_t>(value));
    const std::vector<int64_t> first(c.values.begin(), c.values.begin() + 3),
        rest(c.values.begin() + 4, c.values.end());
    const std::string mixed = wire::packed(c.field, first) + wire::bytes(12, "a doc_string between") +
                              wire::number(c.field, static_cast<uint64_t>(c.values[3])) + wire::packed(c.field, {}) +
                              wire::packed(c.field, rest);
    for (const std::string& data : {wire::packed(c.field, c.values), single, mixed}) {
      const Opened opened = opened_tensor(begin + data + wire::bytes(12, "behind"));
      REQUIRE(opened.checkpoint.tensors.size() == 1);
      const Tensor& tensor = opened.checkpoint.tensors[0];
      REQUIRE(!tensor.plain());
      CHECK(tensor.encoding->reason() == "stored as numbers of varying length (varints)");
      CHECK(tensor.encoding->decoder_bytes() < 100'000);
      CHECK(opened.elements(0) == expected);
      CHECK(opened.elements(0, 3) == expected);
      // Backwards, byte by byte.
      const auto decoder = tensor.encoding->open(opened.checkpoint, tensor);
      std::string backwards(expected.size(), '\0');
      for (size_t i = expected.size(); i-- > 0;) decoder->read(i, &backwards[i], 1);
      CHECK(backwards == expected);
    }
  }
}

TEST_CASE("pairs of 4-bit elements share a number") {
  for (const uint64_t type : {21, 22, 23}) {
    const Opened opened = opened_tensor(wire::tensor("t", type, {3, 2}) + wire::packed(5, {0x21, 0x43, 0xf5}));
    CHECK(opened.elements(0) == "\x21\x43\xf5");
  }
  CHECK(refused_tensor(wire::tensor("t", 22, {3, 2}) + wire::packed(5, {1, 2, 3, 4})) ==
        "found tensor \"t\" of INT4 [3,2] in 4 numbers of int32_data, expected 3");
}

TEST_CASE("a boolean's number is true unless it is 0") {
  const Opened opened = opened_tensor(wire::tensor("t", 9, {4}) + wire::packed(5, {0, 1, 2, -1}));
  CHECK(opened.elements(0) == std::string("\0\1\1\1", 4));
}

TEST_CASE("a number that its type cannot hold is refused when it is read") {
  const Opened opened = opened_tensor(wire::tensor("t", 3, {3}) + wire::packed(5, {1, -128, 300}));
  CHECK_THROWS_WITH(opened.elements(0),
                    opened.path + ": byte 35: found the number 300 in tensor \"t\" of i8, expected a number of 8 bits");
  const Opened wide = opened_tensor(wire::tensor("t", 12, {1}) + wire::packed(11, {1ll << 32}));
  CHECK_THROWS_WITH(wide.elements(0),
                    ContainsSubstring("found the number 4294967296 in tensor \"t\" of u32, expected a "
                                      "number of 32 bits"));
  // Ten bytes of continuation pass for numbers until they are read.
  const Opened endless = opened_tensor(wire::tensor("t", 7, {1}) + wire::bytes(7, std::string(12, '\x80') + "\x01"));
  CHECK_THROWS_WITH(endless.elements(0), ContainsSubstring("found a varint of more than 64 bits"));
}

TEST_CASE("floats lie plainly in one run, and are gathered out of several") {
  const std::string values = words({0x3f800000, 0x40000000, 0x40400000, 0x40800000}, 4);
  const std::string begin = wire::tensor("t", 1, {4});
  const Opened one = opened_tensor(begin + wire::bytes(4, values));
  CHECK(one.checkpoint.tensors[0].plain());
  CHECK(one.elements(0) == values);
  const Opened pieces = opened_tensor(begin + wire::bytes(4, values.substr(0, 4)) + wire::fixed32(4, 0x40000000) +
                                      wire::bytes(4, values.substr(8)));
  REQUIRE(!pieces.checkpoint.tensors[0].plain());
  CHECK(pieces.checkpoint.tensors[0].encoding->reason() == "stored in several pieces");
  CHECK(pieces.elements(0) == values);
  CHECK(pieces.elements(0, 5) == values);
  const Opened single = opened_tensor(wire::tensor("t", 1, {}) + wire::fixed32(4, 0x40000000));
  CHECK(single.checkpoint.tensors[0].plain());
  CHECK(single.elements(0) == values.substr(4, 4));
  // Complex: real and imaginary parts in a row.
  const Opened complex = opened_tensor(wire::tensor("t", 14, {2}) + wire::bytes(4, values));
  CHECK(complex.checkpoint.tensors[0].plain());
  CHECK(complex.elements(0) == values);
  const Opened doubles =
      opened_tensor(wire::tensor("t", 15, {1}) + wire::fixed64(10, 1) + wire::fixed64(10, UINT64_MAX));
  CHECK(doubles.elements(0) == words({1, -1}, 8));
}

TEST_CASE("dims may be packed, fields may come in any order") {
  const Opened opened = opened_tensor(wire::raw_data("abcdef") + wire::bytes(8, "t") + wire::packed(1, {2, 3}) +
                                      wire::number(2, 2) + wire::bytes(99, "from the future"));
  CHECK(opened.checkpoint.tensors[0].shape == std::vector<uint64_t>{2, 3});
  CHECK(opened.elements(0) == "abcdef");
}

TEST_CASE("a tensor without elements has no data") {
  for (const std::string& data : {std::string(), wire::raw_data(""), wire::packed(5, {}), wire::bytes(4, "")}) {
    const Opened opened = opened_tensor(wire::tensor("t", 1, {3, 0}) + data);
    REQUIRE(opened.checkpoint.tensors.size() == 1);
    CHECK(opened.checkpoint.tensors[0].plain());
    CHECK(opened.checkpoint.tensors[0].bytes() == 0);
  }
  CHECK(refused_tensor(wire::tensor("t", 2, {0}) + wire::raw_data("x")) ==
        "found tensor \"t\" of UINT8 [0] in 1 bytes of raw_data, expected 0");
}

TEST_CASE("data that does not fit dims and type is refused") {
  const std::string floats = wire::tensor("w", 1, {2, 2});
  CHECK(refused_tensor(floats) == "found tensor \"w\" of FLOAT [2,2] in 0 numbers of float_data, expected 4");
  CHECK(refused_tensor(floats + wire::raw_data("123456789012345")) ==
        "found tensor \"w\" of FLOAT [2,2] in 15 bytes of raw_data, expected 16");
  CHECK(refused_tensor(floats + wire::raw_data("12345678901234567")) ==
        "found tensor \"w\" of FLOAT [2,2] in 17 bytes of raw_data, expected 16");
  CHECK(refused_tensor(floats + wire::bytes(4, "123456789012")) ==
        "found tensor \"w\" of FLOAT [2,2] in 3 numbers of float_data, expected 4");
  CHECK(refused_tensor(floats + wire::bytes(4, "12345")) ==
        "found tensor \"w\" with 5 bytes of float_data, expected a multiple of 4");
  CHECK(refused_tensor(wire::tensor("w", 7, {3}) + wire::packed(7, {1, 2})) ==
        "found tensor \"w\" of INT64 [3] in 2 numbers of int64_data, expected 3");
  CHECK(refused_tensor(floats + wire::packed(5, {1, 2, 3, 4})) ==
        "found tensor \"w\" of FLOAT in int32_data, expected raw_data or float_data");
  CHECK(refused_tensor(wire::tensor("w", 7, {1}) + wire::bytes(6, "text")) ==
        "found tensor \"w\" of INT64 in string_data, expected raw_data or int64_data");
  CHECK(refused_tensor(floats + wire::raw_data(std::string(16, 'x')) + wire::fixed32(4, 0)) ==
        "found tensor \"w\" with both raw_data and float_data, expected one field with its elements");
  CHECK(refused_tensor(wire::bytes(4, "1234") + wire::raw_data("5") + wire::bytes(8, "w")) ==
        "found tensor \"w\" with both float_data and raw_data, expected one field with its elements");
  CHECK(refused_tensor(floats + wire::raw_data("a") + wire::raw_data("b")) ==
        "found tensor \"w\" with a second raw_data, expected each field once");
  CHECK(refused_tensor(floats + wire::number(2, 1)) ==
        "found tensor \"w\" with a second data_type, expected each field once");
  CHECK(refused_tensor(floats + wire::bytes(8, "v")) ==
        "found tensor \"w\" with a second name, expected each field once");
  CHECK(refused_tensor(floats + wire::bytes(3, wire::number(1, 0))) ==
        "found tensor \"w\" in segments, expected a whole tensor: no reader supports segments");
  CHECK(refused_tensor(floats + wire::number(14, 2)) ==
        "found tensor \"w\" with the data_location 2, expected 0 (in the model) or 1 (in an external file)");
  CHECK(refused_tensor(wire::number(2, 1)) ==
        "found tensor \"\" without a name, expected a name for every initializer");
  CHECK(refused_tensor(wire::bytes(8, "") + wire::number(2, 1)) ==
        "found tensor \"\" without a name, expected a name for every initializer");
  CHECK(refused_tensor(wire::bytes(2, "x")) == "found field 2 as bytes with their length, expected a varint");
}

TEST_CASE("dims that no tensor has are refused") {
  CHECK(refused_tensor(wire::tensor("w", 1, {2, -1})) ==
        "found tensor \"w\" with the dimension -1, expected 0 or more");
  CHECK(refused_tensor(wire::tensor("w", 1, {INT64_MIN})) ==
        "found tensor \"w\" with the dimension -9223372036854775808, expected 0 or more");
  CHECK(refused_tensor(wire::tensor("w", 1, {1ll << 40, 1ll << 40})) ==
        "found tensor \"w\" of FLOAT [1099511627776,1099511627776], expected fewer than 2^64 bytes");
  CHECK(refused_tensor(wire::tensor("w", 11, {1ll << 61})) ==
        "found tensor \"w\" of DOUBLE [2305843009213693952], expected fewer than 2^64 bytes");
  CHECK_THAT(refused_tensor(wire::tensor("w", 1, std::vector<int64_t>(64, INT64_MAX))),
             ContainsSubstring("found tensor \"w\" of FLOAT [9223372036854775807,9223372036854775807,") &&
                 Catch::Matchers::EndsWith("...], expected fewer than 2^64 bytes"));
  CHECK(refused_tensor(wire::tensor("w", 1, std::vector<int64_t>(65, 1))) ==
        "found tensor \"w\" of more than 64 dimensions, expected at most 64");
}

TEST_CASE("initializers of graphs in attributes are listed, constants are not") {
  const auto weight = [](std::string_view name, std::string_view data) {
    return wire::tensor(name, 2, {static_cast<int64_t>(data.size())}) + wire::raw_data(data);
  };
  const std::string innermost = wire::graph({weight("w", "innermost")});
  const std::string then_branch =
      wire::graph({weight("w", "then")}, wire::node_with(wire::bytes(1, "body") + wire::bytes(6, innermost)));
  const std::string branches =
      wire::bytes(1, "branches") + wire::bytes(11, then_branch) + wire::bytes(11, wire::graph({weight("w", "else")}));
  const std::string constant = wire::bytes(1, "value") + wire::bytes(5, weight("c", "constant"));
  const std::string function =
      wire::bytes(1, "function") +
      wire::bytes(7, wire::bytes(5, wire::bytes(6, wire::graph({weight("w", "of a function")})))) +
      wire::bytes(11, wire::bytes(6, wire::graph({weight("w", "of its default")})));
  const Opened opened(
      wire::model(wire::graph({weight("w", "outer")}, wire::node_with(branches) + wire::node_with(constant)),
                  wire::bytes(25, function)));
  std::vector<std::string> all;
  for (uint32_t i = 0; i < opened.checkpoint.tensors.size(); ++i) {
    CHECK(opened.checkpoint.tensors[i].name == "w");
    all.push_back(opened.elements(i));
  }
  CHECK(all == std::vector<std::string>{"outer", "then", "innermost", "else", "of a function", "of its default"});
  CHECK(opened.checkpoint.remarks.empty());
}

TEST_CASE("a name comes once in a graph") {
  const std::string one = wire::tensor("w", 2, {1}) + wire::raw_data("1");
  CHECK(refused(wire::model(wire::graph({one, one}))) ==
        "byte 25: found tensor \"w\" a second time, expected each name once in a graph");
}

TEST_CASE("graphs in one another end before the stack does") {
  std::string graph = wire::graph({wire::tensor("w", 2, {1}) + wire::raw_data("1")});
  for (int depth = 0; depth < 5000; ++depth) graph = wire::graph({}, wire::node_with(wire::bytes(6, graph)));
  CHECK_THAT(refused(wire::model(graph)), ContainsSubstring("found more than 100 messages in one another"));
}

TEST_CASE("a model without a graph, with two, or cut off is refused") {
  CHECK(refused(wire::number(1, 8)) == "byte 2: found no graph, expected a graph in every ONNX model");
  CHECK(refused("") == "byte 0: found no graph, expected a graph in every ONNX model");
  CHECK(refused(wire::model(wire::graph({}), wire::bytes(7, wire::graph({})))) ==
        "byte 15: found a second graph, expected one graph in a model");
  const std::string whole = wire::model(wire::graph({wire::tensor("w", 2, {4}) + wire::raw_data("data")}));
  size_t refusals = 0;
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    // Without the opset import at its end a model is a model still.
    if (bytes == whole.size() - 4) continue;
    INFO(bytes);
    CHECK(!refused(whole.substr(0, bytes)).empty());
    ++refusals;
  }
  CHECK(refusals == whole.size() - 1);
}

TEST_CASE("what is no plain tensor is left out, and that is said") {
  const std::string texts = wire::tensor("words", 8, {2}) + wire::bytes(6, "one") + wire::bytes(6, "two");
  const std::string odd = wire::tensor("zero_point", 22, {}) + wire::packed(5, {3});
  const std::string sparse = wire::bytes(1, wire::tensor("sparse", 1, {1}) + wire::raw_data("abcd")) +
                             wire::bytes(2, wire::tensor("i", 7, {1}) + wire::packed(7, {3})) + wire::number(3, 9);
  const std::string constant =
      wire::bytes(5, wire::tensor("c", 2, {1 << 20}) + wire::raw_data(std::string(1 << 20, 'c')));
  const Opened opened(wire::model(
      wire::graph({texts, odd, odd + wire::bytes(12, "again")}, wire::bytes(15, sparse) + wire::node_with(constant)),
      wire::bytes(20, wire::bytes(1, wire::graph({})))));
  CHECK(opened.checkpoint.tensors.empty());
  std::vector<std::string> all;
  for (const Remark& remark : opened.checkpoint.remarks) {
    CHECK(remark.id == "left-out");
    all.push_back(remark.text);
  }
  CHECK(all ==
        std::vector<std::string>{
            "1 sparse initializer \"sparse\" was left out: its values and indices are no tensor until a runtime "
            "expands them",
            "1 tensor of strings \"words\" was left out: strings are no weights",
            "2 tensors (the first is \"zero_point\") were left out: the 4-bit elements are odd in number and end in "
            "half a byte",
            "1 description of a training step was left out: its graphs are not run to infer",
            "1 constant of a node was left out: only initializers are listed",
        });
  CHECK(opened.checkpoint.remarks.at(0).bytes == sparse.size());
  CHECK(opened.checkpoint.remarks.at(4).bytes == (1 << 20) + 13);
}

TEST_CASE("a model is known by its content, and other messages are not") {
  TemporaryFolder folder;
  const auto recognised = [&](const std::string& content) {
    return kOnnx.recognises(File(folder.write("file", content)));
  };
  const std::string graph = wire::bytes(7, wire::graph({}));
  CHECK(recognised(wire::model(wire::graph({}))));
  CHECK(recognised(wire::number(1, 3) + wire::bytes(2, "producer") + wire::bytes(6, "doc") + graph));
  CHECK(recognised(graph + wire::number(1, 13)));
  CHECK(open_checkpoint(folder.write("no-suffix", wire::model(wire::graph({})))).format == "onnx");
  CHECK(!recognised(""));
  CHECK(!recognised(wire::number(1, 8)));
  CHECK(!recognised(graph));
  CHECK(!recognised(wire::number(1, 8) + wire::bytes(7, "")));
  CHECK(!recognised(wire::number(1, 8) + wire::bytes(7, "any text")));
  CHECK(!recognised(wire::number(1, 0) + graph));
  CHECK(!recognised(wire::number(1, 1000) + graph));
  CHECK(!recognised(wire::number(1, 8) + wire::number(9, 1) + graph));
  CHECK(!recognised(wire::number(1, 8) + wire::number(2, 1) + graph));
  CHECK(!recognised(wire::number(1, 8) + wire::tag(7, 2) + wire::varint(100) + wire::graph({})));
  CHECK(!recognised(wire::tensor("a TensorProto of its own", 1, {2}) + wire::raw_data("12345678")));
}

TEST_CASE("a folder with one model is that model") {
  TemporaryFolder folder;
  folder.write("decoder.onnx", wire::model(wire::graph({wire::external_tensor("w", "decoder.onnx_data", 2)})));
  folder.write("decoder.onnx_data", "12345678");
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  CHECK(checkpoint.format == "onnx");
  CHECK(checkpoint.tensors.size() == 1);
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].text == "of this folder decoder.onnx was read");
}
