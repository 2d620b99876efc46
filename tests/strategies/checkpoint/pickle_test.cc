#include "strategies/checkpoint/pytorch/pickle.h"

#include <fmt/format.h>
#include <zlib.h>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/torch_fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

constexpr uint64_t kLimit = 1 << 20;

// A value as Python would write it, near enough; containers by their brackets, a call as callee(arguments).
std::string shown(const PickleValues& values, PickleRef ref, unsigned depth = 0) {
  if (depth > 20) return "...";
  const auto items = [&](std::string_view open, std::string_view close) {
    std::string text(open);
    PickleValues::Items all = values.items(ref);
    for (PickleRef item; all.next(item);)
      text += (text.size() > open.size() ? "," : "") + shown(values, item, depth + 1);
    return text + std::string(close);
  };
  switch (values.kind(ref)) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return values.integer(ref) != 0 ? "True" : "False";
    case PickleKind::integer:
      return fmt::format("{}", values.integer(ref));
    case PickleKind::large:
      return fmt::format("large({})", values.text(ref).size());
    case PickleKind::real:
      return fmt::format("{}", values.real(ref));
    case PickleKind::text:
      return fmt::format("'{}'", values.text(ref));
    case PickleKind::bytes:
      return fmt::format("bytes({}+{})", values.bytes(ref).at, values.bytes(ref).bytes);
    case PickleKind::tuple:
      return items("(", ")");
    case PickleKind::list:
      return items("[", "]");
    case PickleKind::dict:
      return items("{", "}");
    case PickleKind::set:
      return items("<", ">");
    case PickleKind::global:
      return fmt::format("{}.{}", values.text(values.global(ref).module), values.text(values.global(ref).name));
    case PickleKind::persistent:
      return "id" + shown(values, values.persistent_id(ref), depth + 1);
    case PickleKind::object: {
      const PickleValues::Object& object = values.object(ref);
      std::string text = shown(values, object.callee, depth + 1) + shown(values, object.args, depth + 1);
      if (object.state != PickleValues::kNone) text += "/" + shown(values, object.state, depth + 1);
      if (object.items != PickleValues::kNone) text += "+" + shown(values, object.items, depth + 1);
      if (object.entries != PickleValues::kNone) text += "+" + shown(values, object.entries, depth + 1);
      return text;
    }
  }
  return "?";
}

uint32_t crc_of(const std::string& bytes) {
  return static_cast<uint32_t>(
      crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string read(const std::string& bytes, bool deflate = false, uint64_t limit = kLimit) {
  TemporaryFolder folder;
  const std::string path = folder.write("a.pkl", deflate ? deflated(bytes) : bytes);
  const File file(path);
  Checkpoint checkpoint;
  checkpoint.files.push_back({path, file.bytes()});
  Storage storage{{0, 0, file.bytes()}, {}};
  if (deflate) storage.deflated = std::make_shared<Deflated>(Deflated{bytes.size(), crc_of(bytes), "a/data.pkl"});
  PickleStream stream(file, checkpoint, storage);
  PickleValues values;
  try {
    const PickleRef root = read_pickle(stream, values, limit);
    return shown(values, root);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::bad_input);
    const std::string message = error.what();
    REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
    return message.substr(path.size() + 2);
  }
}

std::string raw(const char* bytes, size_t size) {
  return {bytes, size};
}

}  // namespace

TEST_CASE("numbers of every form are read") {
  CHECK(read("K\x07.") == "7");
  CHECK(read("M\x01\x02.") == "513");
  CHECK(read("J\xff\xff\xff\xff.") == "-1");
  CHECK(read("I-12\n.") == "-12");
  CHECK(read("L123L\n.") == "123");
  CHECK(read(raw("\x8a\0.", 3)) == "0");
  CHECK(read("\x8a\x01\xff.") == "-1");
  CHECK(read(raw("\x8a\x02\0\x80.", 5)) == "-32768");
  CHECK(read(integer(int64_t{1} << 40) + ".") == "1099511627776");
  CHECK(read("\x8a\x09" + std::string(9, '\x01') + ".") == "large(9)");
  CHECK(read(raw("\x8b\x01\0\0\0\x05.", 7)) == "5");
  CHECK(read("L99999999999999999999999\n.") == "large(23)");
  CHECK(read("F2.5\n.") == "2.5");
  CHECK(read(raw("G\x40\x04\0\0\0\0\0\0.", 10)) == "2.5");
  CHECK(read("N.") == "None");
  CHECK(read("\x88.") == "True");
  CHECK(read("\x89.") == "False");
}

TEST_CASE("texts and bytes of every form are read, bytes by their place") {
  CHECK(read("S'quoted'\n.") == "'quoted'");
  CHECK(read("Vplain\n.") == "'plain'");
  CHECK(read(text("four") + ".") == "'four'");
  CHECK(read("U\x02hi.") == "'hi'");
  CHECK(read(raw("T\x02\0\0\0hi.", 8)) == "'hi'");
  CHECK(read("\x8c\x02hi.") == "'hi'");
  CHECK(read(raw("\x8d\x02\0\0\0\0\0\0\0hi.", 12)) == "'hi'");
  CHECK(read("C\x02hi.") == "bytes(2+2)");
  CHECK(read(raw("B\x02\0\0\0hi.", 8)) == "bytes(5+2)");
  CHECK(read(raw("\x8e\x02\0\0\0\0\0\0\0hi.", 12)) == "bytes(9+2)");
  CHECK(read(raw("\x96\x02\0\0\0\0\0\0\0hi\x98.", 13)) == "bytes(9+2)");
}

TEST_CASE("containers of every form are read") {
  CHECK(read(").") == "()");
  CHECK(read("K\x01\x85.") == "(1)");
  CHECK(read("K\x01K\x02\x86.") == "(1,2)");
  CHECK(read("K\x01K\x02K\x03\x87.") == "(1,2,3)");
  CHECK(read(tuple({"N", "N", "N", "N"}) + ".") == "(None,None,None,None)");
  CHECK(read("].") == "[]");
  CHECK(read("]K\x01"
             "aK\x02"
             "a.") == "[1,2]");
  CHECK(read(list({"K\x01", "K\x02"}) + ".") == "[1,2]");
  CHECK(read("(K\x01l.") == "[1]");
  CHECK(read("}.") == "{}");
  CHECK(read("}K\x01K\x02s.") == "{1,2}");
  CHECK(read(dict({{"K\x01", "N"}, {"K\x02", "]"}}) + ".") == "{1,None,2,[]}");
  CHECK(read("(K\x01K\x02"
             "d.") == "{1,2}");
  CHECK(read("\x8f(K\x01K\x02\x90.") == "<1,2>");
  CHECK(read("(K\x01\x91.") == "<1>");
}

TEST_CASE("a list that grows one by one, in batches and across them keeps its order") {
  std::string opcodes = "]";
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    if (i % 7 == 0) opcodes += "(";
    opcodes += integer(i);
    if (i % 7 == 6) opcodes += "e";
    expected += fmt::format("{}{}", i == 0 ? "" : ",", i);
  }
  opcodes += "e";
  for (int i = 5000; i < 9000; ++i) {
    opcodes += integer(i) + "a";
    expected += fmt::format(",{}", i);
  }
  CHECK(read(opcodes + ".") == "[" + expected + "]");
}

TEST_CASE("the stack's opcodes and the memo do as Python's do") {
  CHECK(read("K\x01K\x02"
             "0.") == "1");
  CHECK(read("K\x01(K\x02K\x03"
             "1.") == "1");
  CHECK(read("K\x01(0.") == "1");
  CHECK(read("K\x01"
             "2\x86.") == "(1,1)");
  CHECK(read("]q\x05"
             "0h\x05.") == "[]");
  CHECK(read("]p5\n0g5\n.") == "[]");
  CHECK(read(raw("]r\x05\0\0\0"
                 "0j\x05\0\0\0.",
                 13)) == "[]");
  CHECK(read(raw("]\x94K\x01\x94h\0\x86.", 9)) == "(1,[])");
  CHECK(read("]q\x01h\x01"
             "a.") == "[" + std::string(20, '[') + "..." + std::string(20, ']') + "]");  // holds itself
  CHECK(read(raw("\x80\x04\x95\x02\0\0\0\0\0\0\0K\x01.", 14)) == "1");
}

TEST_CASE("what Python would call is kept as a record of the call") {
  CHECK(read("cos\nsystem\n.") == "os.system");
  CHECK(read("\x8c\x02os\x8c\x06system\x93.") == "os.system");
  CHECK(read(call(global("os", "system"), {text("ls")}) + ".") == "os.system('ls')");
  CHECK(read("cm\nC\n)\x81}K\x01K\x02sb.") == "m.C()/{1,2}");
  CHECK(read("cm\nC\n)}\x92.") == "m.C((),{})");
  CHECK(read("(K\x01im\nC\n.") == "m.C(1)");
  CHECK(read("(cm\nC\nK\x01o.") == "m.C(1)");
  CHECK(read("cm\nC\n)R(K\x01K\x02"
             "e.") == "m.C()+[1,2]");
  CHECK(read("cm\nC\n)RK\x01K\x02s.") == "m.C()+{1,2}");
  CHECK(read("cm\nC\n)R)R.") == "m.C()()");
  CHECK(read("Pkey\n.") == "id'key'");
  CHECK(read("K\x01Q.") == "id1");
  CHECK(read("cm\nC\n}b.") == "m.C");  // a change to what is no object of the pickle's
}

TEST_CASE("a deflated pickle is read as it is inflated, and its errors say so") {
  CHECK(read(list({"K\x01", "K\x02"}) + ".", true) == "[1,2]");
  CHECK(read("K\x01\x1a", true) ==
        "byte 0: found byte 0x1a at byte 2 of the inflated \"a/data.pkl\", expected a pickle's opcode");
}

TEST_CASE("what is no pickle is refused where it stops being one") {
  CHECK(read("") == "byte 0: found the end of the bytes, expected a pickle that goes on: it was cut, or is none");
  CHECK(read("N") == "byte 1: found the end of the bytes, expected a pickle that goes on: it was cut, or is none");
  CHECK(read("N?") == "byte 1: found '?', expected a pickle's opcode");
  CHECK(read("\x80\x06N.") == "byte 0: found a pickle of protocol 6, expected at most 5");
  CHECK(read(".") == "byte 0: found an opcode that takes more than there is on the stack, expected a whole pickle");
  CHECK(read("N(.") == "byte 2: found an opcode that takes more than there is on the stack, expected a whole pickle");
  CHECK(read("N\x86.") ==
        "byte 1: found an opcode that takes more than there is on the stack, expected a whole pickle");
  CHECK(read("Nt.") == "byte 1: found an opcode that takes what follows a mark, expected a mark before it");
  CHECK(read("Na.") == "byte 1: found items on an empty stack, expected a container below them");
  CHECK(read("NNa.") == "byte 2: found items for what is no list or set, expected a container below them");
  CHECK(read("NNNs.") == "byte 3: found keys and values for what is no dict, expected a container below them");
  CHECK(read("}(Nu.") == "byte 3: found a key without a value, expected pairs of them");
  CHECK(read("(Nd.") == "byte 2: found a key without a value, expected pairs of them");
  CHECK(read("h\x01.") ==
        "byte 0: found a memo index that nothing was kept under, expected one that was filled before");
  CHECK(read("NN\x93.") ==
        "byte 2: found a global whose names are no texts, expected the names of a module and of what "
        "is in it");
  CHECK(read("(o.") == "byte 1: found no class after a mark, expected one");
  CHECK(read("I1x\n.") == "byte 0: found the number \"1x\", expected a whole number");
  CHECK(read("Fx\n.") == "byte 0: found the number \"x\", expected one");
  CHECK(read("gx\n.") == "byte 0: found the memo index \"x\", expected a whole number");
  CHECK(read("Vno end") == "byte 0: found the end of the bytes, expected the newline that ends an opcode's text");
  CHECK(read("\x82\x01.") ==
        "byte 0: found a global by its number in a registry (EXT), expected globals by their names");
  CHECK(read("\x97.") ==
        "byte 0: found a buffer that is kept outside of the pickle, expected a pickle that is whole by itself");
}

TEST_CASE("lengths and indices that a pickle claims cost nothing") {
  CHECK(read(raw("X\xff\xff\xff\xffhi", 7)) ==
        "byte 0: found an opcode with 4294967295 bytes, expected at most the 2 "
        "that follow");
  CHECK(read("\x8d" + std::string(8, '\xff')) ==
        "byte 0: found an opcode with 18446744073709551615 bytes, expected at most the 0 that follow");
  CHECK(read("\x8e" + std::string(8, '\xff')) ==
        "byte 0: found an opcode with 18446744073709551615 bytes, expected at most the 0 that follow");
  CHECK(read("\x95" + std::string(8, '\xff')) ==
        "byte 0: found an opcode with 18446744073709551615 bytes, expected at most the 0 that follow");
  CHECK(read("\x8b\xff\xff\xff\x7f") ==
        "byte 0: found an opcode with 2147483647 bytes, expected at most the 0 that "
        "follow");
  CHECK(read("Nr\xff\xff\xff\xff.") == "byte 1: found a memo index far ahead of the pickle, expected indices in order");
  CHECK(read("Np18446744073709551615\n.") ==
        "byte 1: found a memo index far ahead of the pickle, expected indices in order");
  CHECK(read(std::string(100'000, ']')) ==
        "byte 52220: found values that take more than 1048576 bytes, expected a pickle that describes less");
}

TEST_CASE("a long text is kept by its beginning") {
  const std::string longer(100'000, 'n');
  CHECK(read(text(longer) + ".") == "'" + longer.substr(0, PickleValues::kMostText) + "'");
  CHECK(read("V" + longer + "\n.") == "'" + longer.substr(0, PickleValues::kMostText) + "'");
}

TEST_CASE("only protocols 2 to 5 are told by their beginning") {
  CHECK(begins_as_pickle(raw("\x80\x02}", 3)));
  CHECK(begins_as_pickle(raw("\x80\x04\x95", 3)));
  CHECK_FALSE(begins_as_pickle(raw("\x80\x06}", 3)));
  CHECK_FALSE(begins_as_pickle(raw("\x80\x02", 2)));
  CHECK_FALSE(begins_as_pickle(raw("\x80\x02\0", 3)));  // a length of 640 in little-endian
  CHECK_FALSE(begins_as_pickle("(dp"));
}
