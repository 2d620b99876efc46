#include "strategies/checkpoint/json.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using weighbridge::testing::TemporaryFolder;

namespace {

// Empty where the text is one JSON value, else the refusal.
std::string refusal_of(const TemporaryFolder& folder, const std::string& text) {
  const std::string path = folder.write("text", text);
  try {
    const File file(path);
    JsonReader json(file, 0, file.bytes());
    json.skip_value();
    json.finish();
  } catch (const Error& error) {
    REQUIRE(error.kind() == ErrorKind::bad_input);
    REQUIRE_THAT(error.what(), Catch::Matchers::StartsWith(path + ": byte "));
    return std::string(error.what()).substr(path.size() + 2);
  }
  return {};
}

std::string string_of(const TemporaryFolder& folder, const std::string& text, size_t keep = SIZE_MAX) {
  const File file(folder.write("text", text));
  JsonReader json(file, 0, file.bytes());
  std::string value = json.read_string("a string", keep);
  json.finish();
  return value;
}

}  // namespace

TEST_CASE("what is JSON and what is not is judged as nlohmann's parser judges it") {
  TemporaryFolder folder;
  const std::vector<std::string> seeds{
      R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":[]})",
      R"( [1, -0, 2.5e-3, 0.1, -7E+2, true, false, null, "x\u00e9\ud83d\ude00\n\"\\\/", {}, [[[]]]] )",
      "{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}",
      "[0]",
      "\"text\"",
      "{\"a\":1,\"b\":{\"c\":[{\"d\":null}]}}",
  };
  constexpr std::string_view kAlphabet =
      "{}[]\",:\\u0123456789-+.eEtrfalsn \n\t\x01\x7f\x80\xc0\xc3\xed\xa0\xf4\x90\xff";
  std::mt19937 random(1);
  const auto below = [&](size_t limit) { return random() % limit; };
  size_t valid = 0, compared = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[below(seeds.size())];
    for (size_t edits = below(4); edits > 0 && !text.empty(); --edits) {
      const size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(3));
          break;
        case 1:
          text.insert(at, 1, kAlphabet[below(kAlphabet.size())]);
          break;
        case 2:
          text[at] = kAlphabet[below(kAlphabet.size())];
          break;
        default:
          text.insert(at, text.substr(below(text.size()), 1 + below(5)));
      }
    }
    const bool accepted = refusal_of(folder, text).empty();
    if (accepted != nlohmann::json::accept(text)) {
      // It also refuses what overflows a double, which the grammar allows.
      const bool overflow = accepted && text.find_first_of("eE") != std::string::npos;
      INFO(text);
      REQUIRE(overflow);
    }
    ++compared;
    valid += accepted ? 1 : 0;
  }
  CHECK(valid > compared / 10);  // neither answer is the only one
  CHECK(valid < compared * 9 / 10);
}

TEST_CASE("a string comes out unescaped, or its beginning where only that is wanted") {
  TemporaryFolder folder;
  CHECK(string_of(folder, R"("a\"\\\/\b\f\n\r\tz")") == "a\"\\/\b\f\n\r\tz");
  CHECK(string_of(folder, R"("\u0041\u00e9\u20ac\ud83d\ude00\u0000")") ==
        std::string("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0", 11));
  CHECK(string_of(folder, "\"" + std::string(1000, 'x') + "\"", 10) == std::string(10, 'x'));
}

TEST_CASE("each way to break JSON is named with its offset") {
  TemporaryFolder folder;
  const auto refused = [&](const std::string& text) { return refusal_of(folder, text); };
  CHECK(refused("") == "byte 0: found the end of the JSON text, expected a JSON value");
  CHECK(refused("{\"a\":1") == "byte 6: found the end of the JSON text, expected ',' or '}'");
  CHECK(refused("[1 2]") == "byte 3: found a number, expected ',' or ']'");
  CHECK(refused("{\"a\":1,}") == "byte 7: found '}', expected a name in double quotes");
  CHECK(refused("{\"a\" 1}") == "byte 5: found a number, expected ':'");
  CHECK(refused("{} x") == "byte 3: found 'x', expected nothing but whitespace after the JSON value");
  CHECK(refused("[01]") == "byte 2: found a number, expected ',' or ']'");
  CHECK(refused("[trux]") == "byte 4: found 'x', expected the word true");
  CHECK(refused("\"abc") ==
        "byte 4: found the end of the JSON text, expected the end of the string that began at byte 0");
  CHECK(refused("\"a\nb\"") == "byte 2: found byte 0x0a, expected no control character in a string");
  CHECK(refused("\"\\x\"") == "byte 2: found 'x', expected one of \"\\/bfnrtu after a backslash");
  CHECK(refused("\"\\u12g4\"") == "byte 5: found 'g', expected four hexadecimal digits after \\u");
  CHECK(refused("\"\\ud800\"") == "byte 1: found half of a surrogate pair, expected both halves");
  CHECK(refused("\"\\udc00\\ud800\"") == "byte 1: found half of a surrogate pair, expected both halves");
  CHECK(refused("\"a\xff\"") == "byte 2: found byte 0xff, expected UTF-8");
  CHECK(refused("\"a\xc0\x80\"") == "byte 2: found byte 0xc0, expected UTF-8");
  CHECK(refused("\"\xed\xa0\x80\"") == "byte 1: found a broken sequence after byte 0xed, expected UTF-8");
  CHECK(refused("\"\xe2\x82\"") == "byte 1: found a broken sequence after byte 0xe2, expected UTF-8");
  CHECK(refused("\xef\xbb\xbf{}") == "byte 0: found byte 0xef, expected a JSON value");
}

TEST_CASE("JSON may be 64 levels deep and no more") {
  TemporaryFolder folder;
  CHECK(refusal_of(folder, std::string(64, '[') + std::string(64, ']')).empty());
  CHECK(refusal_of(folder, std::string(65, '[') + std::string(65, ']')) ==
        "byte 64: found JSON nested more than 64 levels deep, expected at most 64 levels");
}

TEST_CASE("a number is taken only whole, without sign and below 2^64") {
  TemporaryFolder folder;
  const auto number = [&](const std::string& text) -> std::string {
    const std::string path = folder.write("text", text);
    try {
      const File file(path);
      JsonReader json(file, 0, file.bytes());
      return std::to_string(json.read_unsigned("a size"));
    } catch (const Error& error) {
      return std::string(error.what()).substr(path.size() + 2);
    }
  };
  CHECK(number("0") == "0");
  CHECK(number("18446744073709551615") == "18446744073709551615");
  CHECK(number("18446744073709551616") == "byte 0: found a number of 2^64 or more, expected a size");
  CHECK(number(std::string(1000, '9')) == "byte 0: found a number of 2^64 or more, expected a size");
  CHECK(number("-1") == "byte 0: found a negative number, expected a size");
  CHECK(number("-0") == "byte 0: found a negative number, expected a size");
  CHECK(number("1.0") == "byte 0: found a number with a fraction or exponent, expected a size");
  CHECK(number("1e3") == "byte 0: found a number with a fraction or exponent, expected a size");
  CHECK(number("007") == "byte 0: found a number with a leading zero, expected a size");
  CHECK(number("\"1\"") == "byte 0: found a string, expected a size");
  CHECK(number("null") == "byte 0: found null, expected a size");
  CHECK(number("true") == "byte 0: found a boolean, expected a size");
}
