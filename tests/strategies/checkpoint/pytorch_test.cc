// What is read of PyTorch's containers: the zip form, the old stream of pickles, pickles of tensors by themselves.
#include <sys/stat.h>

#include <fmt/format.h>

#include <algorithm>

#include "strategies/checkpoint/digest.h"
#include "strategies/checkpoint/format.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/torch_fixture.h"
#include "tests/strategies/checkpoint/zip_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

Checkpoint opened(const TemporaryFolder& folder, const std::string& content) {
  return open_checkpoint(folder.write("model.pt", content));
}

// A tensor's elements.
std::string elements(const Checkpoint& checkpoint, uint32_t tensor) {
  std::string bytes(checkpoint.tensors.at(tensor).bytes(), '\0');
  TensorReader(checkpoint).read(tensor, 0, bytes.data(), bytes.size());
  return bytes;
}

uint32_t named(const Checkpoint& checkpoint, std::string_view name) {
  const auto found = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  REQUIRE(found != checkpoint.tensors.end());
  return static_cast<uint32_t>(found - checkpoint.tensors.begin());
}

}  // namespace

TEST_CASE("a zip's tensors lie plainly where the archive has their storages, and their CRC-32 is known") {
  const std::string content =
      torch_zip(dict({{text("a"), floats("0", 3)},
                      {text("b"), tensor(storage_id("HalfStorage", "1", 6), 2, {2, 2}, {2, 1})},
                      {text("c"), tensor(storage_id("HalfStorage", "1", 6), 0, {2}, {1})}}),
                {{"0", counting(12)}, {"1", counting(12)}}, {{"byteorder", "little"}, {"version", "3\n"}});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = opened(folder, content);
  CHECK(checkpoint.format == "pytorch");
  REQUIRE(checkpoint.tensors.size() == 3);
  const Tensor& a = checkpoint.tensors[0];
  CHECK(a.name == "a");
  CHECK(a.dtype == Dtype::f32);
  CHECK(a.shape == std::vector<uint64_t>{3});
  CHECK(a.plain());
  CHECK(content.substr(a.extent.offset, a.extent.bytes) == counting(12));
  const Tensor& b = checkpoint.tensors[2];
  CHECK(b.dtype == Dtype::f16);
  CHECK(b.shape == std::vector<uint64_t>{2, 2});
  CHECK(b.plain());
  CHECK(elements(checkpoint, 2) == counting(12).substr(4));
  REQUIRE(checkpoint.checksums.size() == 3);  // the pickle's too
  CHECK(checkpoint.checksums[1].what == "member \"archive/data/0\"");
  CHECK_NOTHROW(verify_checksums(checkpoint));
  CHECK(checkpoint.remarks.empty());
}

TEST_CASE("a storage that was changed is found when its CRC-32 is verified; 0 stands for none") {
  std::string content = torch_zip(dict({{text("a"), floats("0", 3)}}), {{"0", counting(12)}});
  content[content.find(counting(12))] = 'x';
  const TemporaryFolder folder;
  const Checkpoint changed = opened(folder, content);
  CHECK_THROWS_WITH(verify_checksums(changed), ContainsSubstring("member \"archive/data/0\" with the CRC-32"));

  // torch.serialization.set_crc32_options(False)
  const std::string none = zip({{.name = "m/data.pkl", .content = pickle(floats("0", 3)), .crc32 = 0u},
                                {.name = "m/data/0", .content = counting(12), .crc32 = 0u}});
  const Checkpoint unguarded = opened(folder, none);
  CHECK(unguarded.checksums.empty());
  CHECK(elements(unguarded, 0) == counting(12));
}

TEST_CASE("tensors that are the same view of a storage are one, other views of it are not") {
  const std::string whole = tensor(storage_id("FloatStorage", "0", 4), 0, {2, 2}, {2, 1});
  const std::string turned = tensor(storage_id("FloatStorage", "0", 4), 0, {2, 2}, {1, 2});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = opened(
      folder, torch_zip(dict({{text("w"), whole}, {text("tied"), whole}, {text("t"), turned}, {text("t2"), turned}}),
                        {{"0", counting(16)}}));
  REQUIRE(checkpoint.tensors.size() == 4);
  CHECK(checkpoint.tensors[named(checkpoint, "w")].same_as == Tensor::kItself);
  CHECK(checkpoint.tensors[named(checkpoint, "tied")].same_as == named(checkpoint, "w"));
  CHECK(checkpoint.tensors[named(checkpoint, "t")].same_as == Tensor::kItself);
  CHECK(checkpoint.tensors[named(checkpoint, "t2")].same_as == named(checkpoint, "t"));
  CHECK(checkpoint.stored_bytes() == 32);
  const Tensor& t = checkpoint.tensors[named(checkpoint, "t")];
  REQUIRE_FALSE(t.plain());
  CHECK(t.encoding->reason() == "Fortran order");
  const std::string in_file = counting(16);
  CHECK(elements(checkpoint, named(checkpoint, "t")) ==
        in_file.substr(0, 4) + in_file.substr(8, 4) + in_file.substr(4, 4) + in_file.substr(12, 4));
}

TEST_CASE("both byte orders are read, and deflated members") {
  const std::string value = dict({{text("a"), tensor(storage_id("ShortStorage", "0", 3), 0, {3}, {1})}});
  const TemporaryFolder folder;
  const Checkpoint big = opened(folder, torch_zip(value, {{"0", "abcdef"}}, {{"byteorder", "big"}}));
  CHECK(big.tensors[0].encoding->reason() == "big-endian");
  CHECK(elements(big, 0) == "badcfe");
  const Checkpoint deflated = opened(folder, torch_zip(value, {{"0", "abcdef"}}, {{"byteorder", "little"}}, true));
  CHECK(deflated.tensors[0].encoding->reason() == "compressed with deflate");
  CHECK(elements(deflated, 0) == "abcdef");
  CHECK(deflated.checksums.empty());
}

TEST_CASE("the old form's storages follow its pickles in the order of their keys") {
  const std::string content = torch_legacy(
      dict({{text("b"), tensor(storage_id("ByteStorage", "7", 4), 0, {4}, {1})}, {text("a"), floats("123", 2)}}),
      {{"123", counting(8)}, {"7", "wxyz", 4}});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = opened(folder, content);
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].name == "a");
  CHECK(checkpoint.tensors[0].plain());
  CHECK(checkpoint.tensors[0].extent.offset == content.size() - 4 - 8 - 8);
  CHECK(elements(checkpoint, 0) == counting(8));
  CHECK(elements(checkpoint, 1) == "wxyz");
  CHECK(checkpoint.remarks.empty());
}

TEST_CASE("an id in the old form may mean a part of a storage") {
  const std::string part = tuple({text("8"), integer(2), integer(3)});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = opened(
      folder, torch_legacy(tensor(storage_id("FloatStorage", "0", 6, part), 1, {2}, {1}), {{"0", counting(24)}}));
  REQUIRE(checkpoint.tensors.size() == 1);
  CHECK(checkpoint.tensors[0].name.empty());
  CHECK(elements(checkpoint, 0) == counting(24).substr(12, 8));
}

TEST_CASE("what follows a save in the old form is left out, as torch does, and said") {
  const std::string one = torch_legacy(floats("0", 1), {{"0", "abcd"}});
  const TemporaryFolder folder;
  const Checkpoint checkpoint = opened(folder, one + one);
  CHECK(checkpoint.tensors.size() == 1);
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "left-out");
  CHECK(checkpoint.remarks[0].text ==
        fmt::format("{0} bytes after the checkpoint (byte {0}) left out, as torch.load does", one.size()));
}

TEST_CASE("tensors that Python's own pickle wrote have their storages in the pickle") {
  const std::string inside = torch_legacy(storage_id("FloatStorage", "5", 3), {{"5", counting(12)}});
  const std::string storage =
      call(global("torch.storage", "_load_from_bytes"), {"B" + little_endian(inside.size(), 4) + inside});
  const std::string content =
      "\x80\x04" +
      dict({{text("a"), tensor(storage + "q\x01", 1, {2}, {1})}, {text("b"), tensor("h\x01", 0, {3}, {1})}}) + ".";
  const TemporaryFolder folder;
  const Checkpoint checkpoint = open_checkpoint(folder.write("model.pkl", content));
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].plain());
  CHECK(elements(checkpoint, named(checkpoint, "a")) == counting(12).substr(4));
  CHECK(elements(checkpoint, named(checkpoint, "b")) == counting(12));
}

TEST_CASE("a tensor may bring a dtype of its own, over a storage that counts bytes") {
  const auto v3 = [](std::string_view dtype, int64_t bytes, const std::vector<int64_t>& shape,
                     const std::vector<int64_t>& strides) {
    return call(
        global("torch._utils", "_rebuild_tensor_v3"),
        {tuple({text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), integer(bytes)}) +
             "Q",
         integer(1), numbers(shape), numbers(strides), "\x89", call(global("collections", "OrderedDict"), {}),
         global("torch", dtype)});
  };
  const TemporaryFolder folder;
  const Checkpoint checkpoint =
      opened(folder,
             torch_zip(dict({{text("u16"), v3("uint16", 8, {3}, {1})}, {text("f8"), v3("float8_e4m3fn", 8, {4}, {1})}}),
                       {{"0", counting(8)}}));
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[named(checkpoint, "u16")].dtype == Dtype::u16);
  CHECK(elements(checkpoint, named(checkpoint, "u16")) == counting(8).substr(2));
  CHECK(checkpoint.tensors[named(checkpoint, "f8")].dtype == Dtype::f8_e4m3);
  CHECK(elements(checkpoint, named(checkpoint, "f8")) == counting(8).substr(1, 4));
}

TEST_CASE("a storage that stands by itself is a row of its elements") {
  const TemporaryFolder folder;
  const Checkpoint checkpoint =
      opened(folder, torch_zip(list({storage_id("IntStorage", "0", 2)}), {{"0", counting(8)}}));
  REQUIRE(checkpoint.tensors.size() == 1);
  CHECK(checkpoint.tensors[0].name == "0");
  CHECK(checkpoint.tensors[0].dtype == Dtype::i32);
  CHECK(checkpoint.tensors[0].shape == std::vector<uint64_t>{2});
}

TEST_CASE("a view may be of nothing, of one, or expanded") {
  const std::string storage = storage_id("FloatStorage", "0", 2);
  const TemporaryFolder folder;
  const Checkpoint checkpoint =
      opened(folder, torch_zip(dict({{text("empty"), tensor(storage, 0, {0, 5}, {5, 1})},
                                     {text("scalar"), tensor(storage, 1, {}, {})},
                                     {text("expanded"), tensor(storage, 0, {2, 3}, {1, 0})},
                                     {text("ones"), tensor(storage, 0, {1, 2, 1}, {9, 1, 7})}}),
                               {{"0", "aaaabbbb"}}));
  CHECK(checkpoint.tensors[named(checkpoint, "empty")].bytes() == 0);
  CHECK(elements(checkpoint, named(checkpoint, "scalar")) == "bbbb");
  CHECK(elements(checkpoint, named(checkpoint, "expanded")) == "aaaaaaaaaaaabbbbbbbbbbbb");
  CHECK(checkpoint.tensors[named(checkpoint, "ones")].plain());
}

TEST_CASE("an index joins the shards that torch wrote") {
  const TemporaryFolder folder;
  folder.write("pytorch_model-00001-of-00002.bin",
               torch_zip(dict({{text("a"), floats("0", 1)}, {text("unlisted"), floats("1", 1)}}),
                         {{"0", "aaaa"}, {"1", "uuuu"}}));
  folder.write("pytorch_model-00002-of-00002.bin", torch_legacy(dict({{text("b"), floats("0", 1)}}), {{"0", "bbbb"}}));
  folder.write("pytorch_model.bin.index.json",
               R"({"weight_map":{"a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin"}})");
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  CHECK(checkpoint.format == "pytorch");
  CHECK(checkpoint.files.size() == 2);
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(elements(checkpoint, named(checkpoint, "a")) == "aaaa");
  CHECK(elements(checkpoint, named(checkpoint, "b")) == "bbbb");
}

TEST_CASE("files are recognised by what is in them, whatever their name, and others' files are let be") {
  const TemporaryFolder folder;
  const auto recognised = [&](const std::string& content) {
    return kPytorch.recognises(File(folder.write("weights", content)));
  };
  CHECK(recognised(torch_zip(floats("0", 1), {{"0", "aaaa"}})));
  CHECK(recognised(torch_legacy(floats("0", 1), {{"0", "aaaa"}})));
  CHECK(recognised(pickle("N")));
  CHECK_FALSE(recognised(""));
  CHECK_FALSE(recognised(zip({{.name = "a.npy", .content = "x"}})));
  CHECK_FALSE(
      recognised(zip({{.name = "config.json", .content = "{}"}, {.name = "model.weights.h5", .content = "x"}})));
  CHECK_FALSE(recognised(zip({{.name = "data.pkl", .content = "x"}})));
  CHECK_FALSE(recognised("PK\3\4 and nothing that an archive has"));
  CHECK_FALSE(recognised("(dp0\n."));  // protocol 0: only its name tells
}

TEST_CASE("nothing in a pickle is run, what stands beside it is read, and that it asks is said") {
  const TemporaryFolder folder;
  const std::string marker = folder / "marker";
  const std::string hostile = call(global("posix", "system"), {text("touch " + marker)});
  for (const std::string& content :
       {torch_zip(dict({{text("a"), hostile}, {text("w"), floats("0", 1)}}), {{"0", "aaaa"}}),
        torch_legacy(dict({{text("a"), hostile}, {text("w"), floats("0", 1)}}), {{"0", "aaaa"}})}) {
    const Checkpoint checkpoint = opened(folder, content);
    struct stat status {};
    CHECK(::stat(marker.c_str(), &status) != 0);
    REQUIRE(checkpoint.tensors.size() == 1);
    CHECK(elements(checkpoint, 0) == "aaaa");
    REQUIRE(checkpoint.remarks.size() == 1);
    CHECK(checkpoint.remarks[0].id == "asks-to-run-code");
    CHECK(
        checkpoint.remarks[0].text ==
        fmt::format("this file asks to run posix.system (byte {}), which was not done and which torch.load does unless "
                    "weights_only is set",
                    content.find("cposix")));
  }
}
