// What a path can be: a file, an index of shards, a folder; and which files a checkpoint may point at.
#include <fmt/format.h>

#include <filesystem>

#include "tests/strategies/checkpoint/fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace fs = std::filesystem;

namespace {

// A file of one-byte tensors with these names.
std::string file_of(const std::vector<std::string>& names) {
  std::string header;
  for (size_t i = 0; i < names.size(); ++i) {
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i == 0 ? "{" : ",", names[i],
                          i, i + 1);
  }
  return safetensors(names.empty() ? "{}" : header + "}", names.size());
}

std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const Tensor& tensor : checkpoint.tensors) names.push_back(tensor.name);
  return names;
}

using Names = std::vector<std::string>;

constexpr std::string_view kIndex = "model.safetensors.index.json";

// Two shards that hold a, b and c, and their index.
void write_sharded(const TemporaryFolder& folder, const std::string& under = "") {
  folder.write(under + "model-00001-of-00002.safetensors", file_of({"b", "a"}));
  folder.write(under + "model-00002-of-00002.safetensors", file_of({"c"}));
  folder.write(under + std::string(kIndex), R"({"metadata": {"total_size": 3, "more": [{"x": null}]}, "weight_map": {
    "c": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors",
    "b": "model-00001-of-00002.safetensors"}})");
}

}  // namespace

TEST_CASE("an index joins its shards, ordered by name, each tensor in the file that holds it") {
  TemporaryFolder folder;
  write_sharded(folder);
  for (const std::string& path : {folder.path(), folder / kIndex}) {
    const Checkpoint checkpoint = open_checkpoint(path);
    CHECK(checkpoint.path == path);
    CHECK(checkpoint.format == "safetensors");
    REQUIRE(checkpoint.files.size() == 2);
    CHECK(checkpoint.files[0].path == folder / "model-00001-of-00002.safetensors");
    CHECK(checkpoint.files[1].path == folder / "model-00002-of-00002.safetensors");
    CHECK(names_of(checkpoint) == Names{"b", "a", "c"});
    CHECK(checkpoint.tensors[1].extent.file == 0);
    CHECK(checkpoint.tensors[2].extent.file == 1);
    CHECK(checkpoint.stored_bytes() == 3);
  }
}

TEST_CASE("an index is known by its content when it has another name") {
  TemporaryFolder folder;
  write_sharded(folder);
  fs::rename(folder / kIndex, folder / "0a1b2c");
  CHECK(names_of(open_checkpoint(folder / "0a1b2c")) == Names{"b", "a", "c"});
}

TEST_CASE("a safetensors file is known by its content when it has another name") {
  TemporaryFolder folder;
  CHECK(names_of(open_checkpoint(folder.write("0a1b2c", file_of({"a"})))) == Names{"a"});
}

TEST_CASE("a shard that is missing is named in the error, and where the index names it") {
  TemporaryFolder folder;
  write_sharded(folder);
  fs::remove(folder / "model-00002-of-00002.safetensors");
  CHECK(
      refusal(folder.path()) ==
      folder / kIndex +
          ": byte 80: found the shard \"model-00002-of-00002.safetensors\", expected that file beside the index, where "
          "it is missing");
}

TEST_CASE("a shard that is damaged is refused as a file of its own would be") {
  TemporaryFolder folder;
  write_sharded(folder);
  const std::string shard = folder.write("model-00002-of-00002.safetensors", file_of({"c"}) + "x");
  CHECK(refusal(folder.path()) ==
        shard + ": byte 62: found 1 bytes after the last tensor, expected the end of the file");
}

TEST_CASE("a tensor that its shard does not hold is named with the shard") {
  TemporaryFolder folder;
  folder.write("s.safetensors", file_of({"a"}));
  const std::string index =
      folder.write("m.safetensors.index.json", R"({"weight_map":{"a":"s.safetensors","b":"s.safetensors"}})");
  CHECK(refusal(index) ==
        index + ": byte 35: found tensor \"b\", expected it in shard \"s.safetensors\", which does not hold it");
}

TEST_CASE("a tensor of the index that a second shard holds as well is refused") {
  TemporaryFolder folder;
  folder.write("1.safetensors", file_of({"a"}));
  const std::string second = folder.write("2.safetensors", file_of({"b", "a"}));
  const std::string index =
      folder.write("m.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  const uint64_t at = fs::file_size(second) - 1;
  CHECK(refusal(index) ==
        fmt::format(
            "{}: byte {}: found tensor \"a\", expected it only in shard \"1.safetensors\", where the index has it",
            second, at));
}

TEST_CASE("tensors that the index does not name are left out, as transformers does") {
  TemporaryFolder folder;
  folder.write("1.safetensors", file_of({"extra", "a", "mask"}));
  folder.write("2.safetensors", file_of({"b", "extra"}));
  const Checkpoint checkpoint = open_checkpoint(
      folder.write("m.safetensors.index.json", R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"));
  CHECK(names_of(checkpoint) == Names{"a", "b"});
  CHECK(checkpoint.stored_bytes() == 2);
}

TEST_CASE("an index that is no index is refused with its offset") {
  TemporaryFolder folder;
  const auto refused = [&](std::string_view index) {
    const std::string path = folder.write(kIndex, index);
    return refusal(path).substr(path.size() + 2);
  };
  CHECK(refused("") == "byte 0: found the end of the JSON text, expected a JSON object with \"weight_map\"");
  CHECK(refused("[]") == "byte 0: found an array, expected a JSON object with \"weight_map\"");
  CHECK(refused("{}") ==
        "byte 0: found a JSON object without \"weight_map\", expected the index of a sharded checkpoint");
  CHECK(refused(R"({"weight_map":[]})") == "byte 14: found an array, expected an object that maps tensors to shards");
  CHECK(refused(R"({"weight_map":{"a":1}})") == "byte 19: found a number, expected the name of a shard");
  CHECK(refused(R"({"weight_map":{"a":"s","a":"s"}})") ==
        "byte 23: found tensor \"a\" a second time, expected each name once");
  CHECK(refused(R"({"weight_map":{},"weight_map":{}})") ==
        "byte 17: found \"weight_map\" a second time, expected it once");
  CHECK(refused(R"({"weight_map":{}} x)") ==
        "byte 18: found 'x', expected nothing but whitespace after the JSON value");
  CHECK(refused("{\"metadata\":" + std::string(1'000'000, '[')) ==
        "byte 76: found JSON nested more than 64 levels deep, expected at most 64 levels");
}

TEST_CASE("an index without tensors is an empty checkpoint") {
  TemporaryFolder folder;
  CHECK(open_checkpoint(folder.write(kIndex, R"({"weight_map":{}})")).tensors.empty());
}

TEST_CASE("a shard's name must be that of a file beside the index") {
  TemporaryFolder folder;
  folder.write("elsewhere/s.safetensors", file_of({"a"}));
  for (const std::string& shard :
       {folder / "elsewhere/s.safetensors", std::string("../elsewhere/s.safetensors"), std::string(".."),
        std::string("."), std::string(""), std::string("sub/s.safetensors"), std::string("s\\u0000.safetensors")}) {
    const std::string index =
        folder.write("model/" + std::string(kIndex), fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", shard));
    INFO(shard);
    CHECK_THAT(refusal(index), Catch::Matchers::StartsWith(index + ": byte 19: found the shard name \""));
    CHECK_THAT(refusal(index), ContainsSubstring("expected the plain name of a file beside the index"));
  }
}

TEST_CASE("a link that leads out of the folder is refused, one that stays inside is followed") {
  TemporaryFolder folder;
  const std::string outside = folder.write("outside.safetensors", file_of({"c"}));
  write_sharded(folder, "model/");
  const std::string shard = folder / "model/model-00002-of-00002.safetensors";
  fs::rename(shard, folder / "model/real");
  fs::create_symlink("real", shard);
  CHECK(open_checkpoint(folder / "model").tensors.size() == 3);

  const std::string reason =
      ": found a link to " + outside +
      ", expected a file inside the checkpoint's folder; to read it all the same, name that file itself";
  for (const std::string& target : {outside, std::string("../outside.safetensors")}) {
    fs::remove(shard);
    fs::create_symlink(target, shard);
    CHECK(refusal(folder / "model") == shard + reason);
  }
  fs::create_directory(folder / "single");
  fs::create_symlink(outside, folder / "single/model.safetensors");
  CHECK(refusal(folder / "single") == folder / "single/model.safetensors" + reason);
  // What the user names is the user's choice.
  CHECK(open_checkpoint(folder / "single/model.safetensors").tensors.size() == 1);
  // A folder that is itself reached through a link is no way out.
  fs::create_symlink(folder / "model", folder / "alias");
  fs::remove(shard);
  fs::create_symlink("real", shard);
  CHECK(open_checkpoint(folder / "alias").tensors.size() == 3);
}

TEST_CASE("a folder whose name begins with the checkpoint's is not inside it") {
  TemporaryFolder folder;
  folder.write("model-other/model.safetensors", file_of({"a"}));
  fs::create_directory(folder / "model");
  fs::create_symlink("../model-other/model.safetensors", folder / "model/model.safetensors");
  CHECK_THAT(refusal(folder / "model"), ContainsSubstring("found a link to"));
}

TEST_CASE("a snapshot of the Hugging Face cache is read through its links into blobs, and no further") {
  TemporaryFolder folder;
  const std::string repository = "hub/models--openai--gpt2/";
  folder.write(repository + "blobs/11", file_of({"b", "a"}));
  folder.write(repository + "blobs/22", file_of({"c"}));
  folder.write(repository + "blobs/33",
               R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}})");
  const std::string snapshot = folder / (repository + "snapshots/abc123");
  for (const std::string& below : {std::string("/"), std::string("/unet/")}) {
    const std::string blobs = below == "/" ? "../../blobs/" : "../../../blobs/";
    fs::create_directories(snapshot + below);
    fs::create_symlink(blobs + "11", snapshot + below + "1.safetensors");
    fs::create_symlink(blobs + "22", snapshot + below + "2.safetensors");
    fs::create_symlink(blobs + "33", snapshot + below + std::string(kIndex));
    CHECK(names_of(open_checkpoint(snapshot + below)) == Names{"b", "a", "c"});
    CHECK(names_of(open_checkpoint(snapshot + below + std::string(kIndex))) == Names{"b", "a", "c"});
  }
  // Another repository's blobs are not this one's.
  folder.write("hub/models--other/blobs/22", file_of({"c"}));
  fs::remove(snapshot + "/2.safetensors");
  fs::create_symlink("../../../models--other/blobs/22", snapshot + "/2.safetensors");
  CHECK_THAT(refusal(snapshot), ContainsSubstring("found a link to"));
}

TEST_CASE("a folder is read through model.safetensors, else its index, else its only safetensors file") {
  TemporaryFolder folder;
  folder.write("adapter.safetensors", file_of({"only"}));
  folder.write("config.json", "{}");
  folder.write(".hidden.safetensors", "");
  CHECK(names_of(open_checkpoint(folder.path())) == Names{"only"});
  write_sharded(folder);
  CHECK(names_of(open_checkpoint(folder.path())) == Names{"b", "a", "c"});
  folder.write("model.safetensors", file_of({"whole"}));
  CHECK(names_of(open_checkpoint(folder.path())) == Names{"whole"});
}

TEST_CASE("a folder of several files is read through its only index, whatever that is called") {
  TemporaryFolder folder;
  write_sharded(folder);
  fs::rename(folder / kIndex, folder / "diffusion_pytorch_model.safetensors.index.json");
  CHECK(names_of(open_checkpoint(folder.path())) == Names{"b", "a", "c"});
}

TEST_CASE("a folder of several checkpoints asks which") {
  TemporaryFolder folder;
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) folder.write(std::string(1, name) + ".safetensors", file_of({}));
  CHECK(refusal(folder.path()) ==
        folder.path() +
            ": found 5 checkpoints and no index that joins them (a.safetensors, b.safetensors, c.safetensors and "
            "2 more), expected one; name the file to be read");
}

TEST_CASE("a folder without a checkpoint says what was looked for") {
  TemporaryFolder folder;
  folder.write("README.md", "");
  CHECK(refusal(folder.path()) ==
        folder.path() +
            ": found no checkpoint, expected model.safetensors, model.safetensors.index.json, pytorch_model.bin or a "
            "single file of a known format");
}

TEST_CASE("what a folder's checkpoint was, beside others, is said") {
  TemporaryFolder folder;
  folder.write("adapter.safetensors", file_of({"other"}));
  CHECK(open_checkpoint(folder.path()).remarks.at(0).text == "of this folder adapter.safetensors was read");
  folder.write("model.safetensors", file_of({"whole"}));
  write_sharded(folder);
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "chosen");
  CHECK(checkpoint.remarks[0].text ==
        "of this folder model.safetensors was read, and not adapter.safetensors, model.safetensors.index.json");
}

TEST_CASE("what is no checkpoint of any format is named for what it is") {
  TemporaryFolder folder;
  const auto refused = [&](std::string_view name, std::string_view content) {
    const std::string path = folder.write(name, content);
    return refusal(path).substr(path.size() + 2);
  };
  std::string known;
  for (const FormatInfo& format : formats()) known += fmt::format("{}{}", known.empty() ? "" : ", ", format.name);
  CHECK(refused("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n") ==
        "byte 0: found a Git LFS pointer in place of the file (`git lfs pull` fetches it), expected " + known);
  CHECK(refused("model.safetensors", "<!DOCTYPE html><title>404</title>") ==
        "byte 0: found an HTML page in place of the file (download it again), expected " + known);
  CHECK(refused("notes.txt", "") ==
        "byte 0: found an empty file, expected a checkpoint (" + known + "), its index, or its folder");
  CHECK(refused("notes.txt", "some notes, and then some more") ==
        "byte 0: found content that no known format begins with (30 bytes), expected a checkpoint (" + known +
            "), its index, or its folder");
}

TEST_CASE("a path that cannot be opened is told by the call that failed") {
  TemporaryFolder folder;
  CHECK(refusal(folder / "gone.safetensors") ==
        "open " + folder.path() + "/gone.safetensors: No such file or directory");
  fs::create_symlink("nowhere", folder / "model.safetensors");
  CHECK(refusal(folder.path()) == "realpath " + folder.path() + "/model.safetensors: No such file or directory");
}

TEST_CASE("the list of formats names safetensors") {
  REQUIRE(formats().size() >= 1);
  CHECK(formats()[0].name == "safetensors");
}
