// What is refused of PyTorch's files, with the whole message.
#include <fmt/format.h>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/torch_fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// The refusal without the path before it.
std::string refused(const std::string& content, std::string_view name = "m.pt") {
  const TemporaryFolder folder;
  const std::string path = folder.write(name, content);
  const std::string message = refusal(path);
  REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": "));
  return message.substr(path.size() + 2);
}

// Without the offset too, of a zip whose one storage "0" has 12 bytes.
std::string of_zip(const std::string& value, const std::vector<std::pair<std::string, std::string>>& members = {}) {
  const std::string message = refused(torch_zip(dict({{text("w"), value}}), {{"0", counting(12)}}, members));
  return message.substr(message.find(": ") + 2);
}

const std::string kStorage = storage_id("FloatStorage", "0", 3);

std::string rebuilt(const std::vector<std::string>& arguments) {
  return call(global("torch._utils", "_rebuild_tensor_v2"), arguments);
}

}  // namespace

TEST_CASE("a storage that is missing, or shorter than its id says, is refused with the tensor named") {
  CHECK(of_zip(floats("1", 3)) ==
        "found tensor \"w\" in member \"archive/data/1\", which is missing, expected it in the "
        "archive");
  CHECK(of_zip(floats("../../etc/passwd", 3)) ==
        "found tensor \"w\" in member \"archive/data/../../etc/passwd\", which is missing, expected it in the archive");
  CHECK(of_zip(floats("0", 4)) ==
        "found tensor \"w\" in a storage of 4 elements of 4 bytes, of which member "
        "\"archive/data/0\" holds 12 bytes, expected all of them");
  CHECK(
      of_zip(floats("0", INT64_MAX)) ==
      "found tensor \"w\" in a storage of 9223372036854775807 elements of 4 bytes, of which member \"archive/data/0\" "
      "holds 12 bytes, expected all of them");
}

TEST_CASE("a view that leaves its storage is refused, as its id has it and in the file") {
  CHECK(of_zip(tensor(storage_id("FloatStorage", "0", 2), 0, {3}, {1})) ==
        "found tensor \"w\" from byte 0 to 12 of its storage, expected an end within its 8 bytes");
  CHECK(of_zip(tensor(kStorage, 1, {3}, {1})) ==
        "found tensor \"w\" from byte 4 to 16 of its storage, expected an end within its 12 bytes");
  CHECK(of_zip(tensor(kStorage, 0, {2, 2}, {2, 1})) ==
        "found tensor \"w\" from byte 0 to 16 of its storage, expected an end within its 12 bytes");
  CHECK(of_zip(tensor(kStorage, 0, {2}, {3})) ==
        "found tensor \"w\" from byte 0 to 16 of its storage, expected an end within its 12 bytes");
  CHECK(of_zip(tensor(kStorage, 4, {}, {})) ==
        "found tensor \"w\" from element 4 on, expected a beginning within the 12 bytes of its storage");
  CHECK(of_zip(tensor(kStorage, INT64_MAX, {1}, {1})) ==
        "found tensor \"w\" from element 9223372036854775807 on, expected a beginning within the 12 bytes of its "
        "storage");
  CHECK(of_zip(tensor(kStorage, 0, {2, 2}, {INT64_MAX, INT64_MAX})) ==
        "found tensor \"w\" with strides beyond 64 bits, expected elements within the 12 bytes of its storage");
  CHECK(of_zip(tensor(kStorage, 0, {INT64_MAX, 2}, {0, 0})) ==
        "found tensor \"w\" of type f32 and a size beyond 64 bits, expected fewer than 2^64 bytes");
  CHECK(of_zip(tensor(kStorage, 0, {1'000'000'000'000}, {0})) ==
        "found tensor \"w\" of 4000000000000 bytes as a view of 4, expected at most 64 MiB more than the file stores");
}

TEST_CASE("a tensor whose description is none is refused") {
  CHECK(of_zip(rebuilt({kStorage})) == "found tensor \"w\" made of 1 arguments, expected at least 4");
  CHECK(of_zip(rebuilt({kStorage, "N", ")", ")"})) ==
        "found tensor \"w\" whose offset is no whole number, 0 or more, expected one");
  CHECK(of_zip(tensor(kStorage, -1, {3}, {1})) ==
        "found tensor \"w\" whose offset is no whole number, 0 or more, expected one");
  CHECK(of_zip(rebuilt({kStorage, integer(0), "N", ")"})) ==
        "found tensor \"w\" with a size that is no tuple, expected a tuple of whole numbers");
  CHECK(of_zip(tensor(kStorage, 0, {-3}, {1})) ==
        "found tensor \"w\" with a size that is not made of whole numbers, 0 or more, expected whole numbers");
  CHECK(of_zip(tensor(kStorage, 2, {3}, {-1})) ==
        "found tensor \"w\" with strides that is not made of whole numbers, 0 or more, expected whole numbers");
  CHECK(of_zip(tensor(kStorage, 0, {3}, {1, 1})) ==
        "found tensor \"w\" of rank 1 with 2 strides, expected one for each dimension");
  CHECK(of_zip(tensor(kStorage, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))) ==
        "found tensor \"w\" with a size of 65 numbers, expected at most 64");
  CHECK(of_zip(rebuilt({"N", integer(0), ")", ")"})) ==
        "found tensor \"w\" without a storage, expected one, or the id of one");
}

TEST_CASE("a storage's id that is none is refused") {
  const auto with_id = [](const std::vector<std::string>& id) { return of_zip(tensor(tuple(id) + "Q", 0, {}, {})); };
  const std::string type = global("torch", "FloatStorage");
  CHECK(
      with_id({text("storage"), type}) ==
      "found tensor \"w\" in a storage whose id has 2 parts, expected five: what it is, class, key, device, elements");
  CHECK(with_id({text("storage"), global("torch", "StringStorage"), text("0"), text("cpu"), integer(3)}) ==
        "found tensor \"w\" in a storage of class torch.StringStorage, expected one of torch's storage classes");
  CHECK(with_id({text("storage"), text("FloatStorage"), text("0"), text("cpu"), integer(3)}) ==
        "found tensor \"w\" in a storage of no class, expected one of torch's storage classes");
  CHECK(with_id({text("storage"), type, integer(0), text("cpu"), integer(3)}) ==
        "found tensor \"w\" in a storage whose key is no short text, expected a key");
  CHECK(with_id({text("storage"), type, text("0"), text("cpu"), integer(-3)}) ==
        "found tensor \"w\" in a storage whose size is no whole number, 0 or more, expected a number of elements");
  CHECK(with_id({text("storage"), type, text("0"), text("cpu"), integer(3), "]"}) ==
        "found tensor \"w\" in a storage of which it is an unknown part, expected one");
}

TEST_CASE("a dtype without plain elements is refused by its name") {
  CHECK(of_zip(call(global("torch._utils", "_rebuild_tensor_v3"),
                    {kStorage, integer(0), numbers({3}), numbers({1}), "\x89", "N", global("torch", "bits8")})) ==
        "found tensor \"w\" of dtype torch.bits8, expected a dtype with plain elements");
  CHECK(of_zip(call(global("torch._utils", "_rebuild_tensor_v3"),
                    {kStorage, integer(0), numbers({3}), numbers({1}), "\x89", "N", text("float")})) ==
        "found tensor \"w\" whose dtype is no torch.dtype, expected one");
}

TEST_CASE("a byte order that is neither is refused") {
  CHECK(of_zip(floats("0", 3), {{"byteorder", "middle"}}) ==
        "found the byte order \"middle\", expected \"little\" or \"big\"");
}

TEST_CASE("archives that are none of torch's, or of another kind, are refused by what they are") {
  const auto members = [](const std::vector<std::string>& names) {
    std::vector<ZipPart> parts;
    for (const std::string& name : names) parts.push_back({.name = name, .content = "N."});
    return refused(zip(parts));
  };
  const std::string expected = ", expected a PyTorch checkpoint: torch.save(model.state_dict(), ...) writes one";
  CHECK(members({"weights.txt"}) == "byte 0: found a zip archive without data.pkl" + expected);
  CHECK(members({"a/data.pkl", "b/data.pkl"}) == "byte 0: found a zip archive with more than one data.pkl" + expected);
  CHECK(members({"p/.data/extern_modules", "p/model/model.pkl"}) ==
        "byte 0: found a torch.package archive, whose pickles mean code that it brings along" + expected);
  CHECK(members({"m/model.json", "m/tensors/0"}) ==
        "byte 0: found a TorchScript archive of before PyTorch 1.4" + expected);
  CHECK(members({"m/data.pkl", "m/constants.pkl"}) ==
        "byte 40: found a TorchScript archive that holds no tensors, expected a PyTorch checkpoint");
}

TEST_CASE("the old form is refused where its parts do not fit each other") {
  const std::string value = floats("0", 3);
  CHECK(refused(torch_legacy(value, {{"0", counting(8), 3}})) ==
        "byte 201: found storage \"0\" of 3 elements of 4 bytes, expected at most the 8 bytes that follow in the file");
  CHECK(refused(torch_legacy(value, {{"0", counting(8)}})) ==
        "byte 137: found tensor \"\" in a storage of 3 elements of 4 bytes, of which the file holds 8 bytes, expected "
        "all "
        "of them");
  CHECK(refused(torch_legacy(value, {{"0", counting(12), INT64_MAX}})) ==
        "byte 201: found storage \"0\" of 9223372036854775807 elements of 4 bytes, expected at most the 12 bytes that "
        "follow in the file");
  CHECK(refused(torch_legacy(value, {{"1", counting(12)}})) ==
        "byte 201: found storage \"1\", expected one that the object names");
  CHECK(refused(torch_legacy(value, {{"0", counting(12)}, {"0", counting(12)}})) ==
        "byte 227: found storage \"0\", expected each storage once");
  CHECK(refused(torch_legacy(value, {})) ==
        "byte 137: found tensor \"\" in storage \"0\", which is missing, expected it behind the pickles");
  CHECK(refused(legacy_head() + pickle(value) + pickle("N")) ==
        "byte 193: found no list of storages before this byte, expected the keys of the storages that follow");
  CHECK(refused(legacy_head() + pickle(value) + pickle(list({text("0")})) + "1234") ==
        "byte 201: found the end of the file, expected storage \"0\"");
  CHECK(refused(legacy_head() + pickle(list({value, tensor(storage_id("ByteStorage", "0", 3), 0, {3}, {1})}))) ==
        "byte 276: found storage \"0\" with elements of 4 and of 1 bytes, expected one type of elements");
  CHECK(refused(legacy_head().substr(0, 15) + pickle(integer(1002))) ==
        "byte 15: found another protocol version of torch.save, expected 1001");
  CHECK(refused(legacy_head()) ==
        "byte 48: found the end of the bytes, expected a pickle that goes on: it was cut, or is none");
  const std::string part = tuple({text("8"), integer(2), integer(5)});
  CHECK(
      refused(torch_legacy(tensor(storage_id("FloatStorage", "0", 6, part), 0, {}, {}), {{"0", counting(24)}})) ==
      "byte 155: found something in a storage of 6 elements, as 5 from element 2 on, expected a part that lies within "
      "it");
}

TEST_CASE("a pickle by itself that holds no tensors is refused, with the code that it asks to run") {
  CHECK(refused(pickle("N"), "m.pkl") == "byte 0: found a pickle that holds no tensors, expected a PyTorch checkpoint");
  CHECK(refused("\x80\x04\x95\x16" + std::string(7, '\0') + "]\x94" +
                    call(global("posix", "system"), {text("touch marker")}) + "a.",
                "x.pkl") ==
        "byte 13: found a pickle that asks to run posix.system and holds no tensors, expected a PyTorch checkpoint");
  CHECK(refused("cos\nsystem\n(S'ls'\ntR.", "x.pkl") ==
        "byte 0: found a pickle that asks to run os.system and holds no tensors, expected a PyTorch checkpoint");
  CHECK(refused(pickle(list({global("a", "b"), global("a", "b"), global("c", "d\x1b[31m")})), "x.pkl") ==
        "byte 4: found a pickle that asks to run a.b (1 more) and holds no tensors, expected a PyTorch checkpoint");
  CHECK(refused(pickle(floats("0", 3))) ==
        "byte 89: found tensor \"\" in storage \"0\", which lies outside of this "
        "pickle, expected the whole file that torch.save wrote");
}

TEST_CASE("a storage inside of a pickle that is not torch's is refused") {
  const auto inside = [](const std::string& bytes) {
    return refused(pickle(tensor(call(global("torch.storage", "_load_from_bytes"), {bytes}), 0, {}, {})), "x.pkl");
  };
  CHECK(inside("C\x02N.") ==
        "byte 71: found tensor \"\" in other bytes than torch.save writes of a storage, expected its "
        "magic number");
  const std::string other = legacy_head() + pickle("N");
  CHECK(inside("C" + std::string(1, static_cast<char>(other.size())) + other) ==
        "byte 119: found tensor \"\" in something else than a storage, expected a storage");
  CHECK(inside(text("latin1")) ==
        "byte 81: found tensor \"\" in a storage that does not lie plainly in the pickle, "
        "expected bytes as protocol 3 and above writes them");
}

TEST_CASE("what is no file of torch's at all is refused, and a tar archive of its first version") {
  const std::string expected = ", expected a PyTorch checkpoint: a zip archive or a stream of pickles";
  CHECK(refused("abc") == "byte 0: found content that is neither a zip archive nor a pickle" + expected);
  CHECK(refused("") == "byte 0: found an empty file" + expected);
  std::string tar = "sys_info";
  tar.resize(257);
  tar += "ustar";
  tar.resize(1024);
  CHECK(refused(tar, "m") == "byte 0: found a tar archive, as torch before 0.1.10 wrote it" + expected);
  CHECK_THAT(refused("PK\3\4 cut"), ContainsSubstring("found no end of a zip archive's directory"));
}

TEST_CASE("nothing but tensors that are left out is refused") {
  CHECK(refused(torch_zip(call(global("torch._utils", "_rebuild_qtensor"), {"N"}), {})) ==
        "byte 46: found nothing but 1 quantised tensor (\"\"), expected tensors whose elements are plain numbers");
}

TEST_CASE("names from the file cannot break the line of a refusal") {
  const std::string message = refused(torch_zip(dict({{text("a\n\x1b[31m"), floats("1", 3)}}), {}));
  CHECK_THAT(message, ContainsSubstring("tensor \"a\\x0a\\x1b[31m\" in member"));
}
