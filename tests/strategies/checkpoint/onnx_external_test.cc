// ONNX's external data: what lies in files beside the model, and every way in which a model could reach for others.
#include <fmt/format.h>

#include "strategies/checkpoint/tensor_reader.h"
#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/wire.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

// A folder with a model of these initializers and, beside it, "data.bin" of 16 bytes.
struct Model {
  explicit Model(const std::vector<std::string>& initializers)
      : path(folder.write("models/model.onnx", wire::model(wire::graph(initializers)))) {
    folder.write("models/data.bin", "0123456789abcdef");
    folder.write("secret.bin", "a file outside of the model's folder");
  }
  // Without the path and the place before it.
  std::string refused() const {
    const std::string message = refusal(path);
    REQUIRE_THAT(message, Catch::Matchers::StartsWith(path + ": byte 1"));
    constexpr std::string_view kTensor = ": found tensor \"w\" ";
    const size_t found = message.find(kTensor);
    REQUIRE(found != std::string::npos);
    return message.substr(found + kTensor.size());
  }
  TemporaryFolder folder;
  std::string path;
};

std::string refused_location(std::string_view location) {
  return Model({wire::external_tensor("w", location, 4)}).refused();
}

std::string refused_entries(const std::string& entries, std::string_view more = "") {
  return Model({wire::tensor("w", 1, {4}) + entries + wire::number(14, 1) + std::string(more)}).refused();
}

}  // namespace

TEST_CASE("external tensors lie plainly in their files, each file entered once") {
  const Model model({
      wire::tensor("first", 1, {2}) + wire::external("location", "data.bin") + wire::external("length", "8") +
          wire::number(14, 1),
      wire::tensor("inline", 2, {3}) + wire::raw_data("abc"),
      wire::tensor("last", 2, {2}) + wire::external("offset", "14") + wire::external("location", "./data.bin") +
          wire::external("checksum", "whatever") + wire::external("basepath", "/tmp") + wire::number(14, 1),
      wire::tensor("other", 1, {0}) + wire::external("location", "sub//other.bin") + wire::external("offset", "4") +
          wire::external("length", "0") + wire::number(14, 1),
      wire::tensor("here", 2, {1}) + wire::external("location", "model.onnx") + wire::number(14, 1),
  });
  model.folder.write("models/sub/other.bin", "1234");
  const Checkpoint checkpoint = open_checkpoint(model.path);
  REQUIRE(checkpoint.files.size() == 3);
  CHECK(checkpoint.files[0].path == model.path);
  CHECK(checkpoint.files[1].path == model.folder / "models/data.bin");
  CHECK(checkpoint.files[1].bytes == 16);
  CHECK(checkpoint.files[2].path == model.folder / "models/sub/other.bin");
  std::vector<std::string> names;
  for (const Tensor& tensor : checkpoint.tensors) names.push_back(tensor.name);
  CHECK(names == std::vector<std::string>{"here", "inline", "first", "last", "other"});
  CHECK(checkpoint.tensors[2].extent.file == 1);
  CHECK(checkpoint.tensors[2].extent.offset == 0);
  CHECK(checkpoint.tensors[2].plain());
  CHECK(checkpoint.tensors[3].extent.offset == 14);
  CHECK(checkpoint.tensors[4].extent.offset == 4);
  TensorReader reader(checkpoint);
  char bytes[2];
  reader.read(3, 0, bytes, 2);
  CHECK(std::string(bytes, 2) == "ef");
}

TEST_CASE("tensors of the same external bytes are told to be the same") {
  const std::string place = wire::external("location", "data.bin") + wire::number(14, 1);
  const Model model({wire::tensor("a", 1, {4}) + place, wire::tensor("b", 1, {4}) + place});
  const Checkpoint checkpoint = open_checkpoint(model.path);
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[1].same_as == 0);
  CHECK(checkpoint.stored_bytes() == 16);
}

TEST_CASE("a location that leads out of the model's folder is refused, with its path and the tensor named") {
  const std::string expected = ", expected a relative path that stays in the model's folder";
  CHECK(refused_location("../secret.bin") ==
        "in the external file \"../secret.bin\", which leads out of the folder" + expected);
  CHECK(refused_location("sub/../../secret.bin") ==
        "in the external file \"sub/../../secret.bin\", which leads out of the folder" + expected);
  CHECK(refused_location("sub/..") == "in the external file \"sub/..\", which leads out of the folder" + expected);
  CHECK(refused_location("/etc/hostname") == "in the external file \"/etc/hostname\", which is absolute" + expected);
  CHECK(refused_location("//etc/hostname") == "in the external file \"//etc/hostname\", which is absolute" + expected);
  CHECK(refused_location("") == "in the external file \"\", which is empty" + expected);
  CHECK(refused_location(std::string_view("data.bin\0.txt", 13)) ==
        "in the external file \"data.bin\\x00.txt\", which holds a NUL byte" + expected);
  CHECK_THAT(refused_location("a\nb\x1b[31m"),
             Catch::Matchers::StartsWith("in the external file \"a\\x0ab\\x1b[31m\" ("));
  CHECK_THAT(refused_location(std::string(5000, 'x')), ContainsSubstring("expected a path of at most 4096 bytes"));
}

TEST_CASE("a link that leads out of the model's folder is refused, one that stays in it is followed") {
  const Model model({wire::external_tensor("w", "link.bin", 4)});
  const std::string link = model.folder / "models/link.bin";
  std::filesystem::create_symlink("data.bin", link);
  CHECK(open_checkpoint(model.path).tensors.at(0).extent.bytes == 16);
  std::filesystem::remove(link);
  std::filesystem::create_symlink("../secret.bin", link);
  CHECK_THAT(model.refused(), ContainsSubstring("in the external file \"link.bin\" (" + link + ": found a link to " +
                                                (model.folder / "secret.bin") + ", expected a file inside"));
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink("..", model.folder / "models/up");
  const std::string through = model.folder.write(
      "models/through.onnx", wire::model(wire::graph({wire::external_tensor("w", "up/secret.bin", 4)})));
  CHECK_THAT(refusal(through), ContainsSubstring("found a link to " + (model.folder / "secret.bin")));
}

TEST_CASE("in the Hugging Face hub cache model and data are links to blobs, and are read") {
  TemporaryFolder folder;
  folder.write("repo/blobs/1111", wire::model(wire::graph({wire::external_tensor("w", "model.onnx_data", 4)})));
  folder.write("repo/blobs/2222", "0123456789abcdef");
  const std::string snapshot = folder / "repo/snapshots/main/onnx";
  std::filesystem::create_directories(snapshot);
  std::filesystem::create_symlink("../../../blobs/1111", snapshot + "/model.onnx");
  std::filesystem::create_symlink("../../../blobs/2222", snapshot + "/model.onnx_data");
  const Checkpoint checkpoint = open_checkpoint(snapshot);
  REQUIRE(checkpoint.tensors.size() == 1);
  CHECK(checkpoint.files.at(checkpoint.tensors[0].extent.file).path == snapshot + "/model.onnx_data");
}

TEST_CASE("a file that is missing, or no file, is refused with the tensor named") {
  CHECK_THAT(
      refused_location("gone.bin"),
      ContainsSubstring("in the external file \"gone.bin\" (realpath ") &&
          ContainsSubstring("/models/gone.bin: No such file or directory), expected a file in the model's folder"));
  const Model folder({wire::external_tensor("w", "sub", 4)});
  std::filesystem::create_directory(folder.folder / "models/sub");
  CHECK_THAT(folder.refused(), ContainsSubstring("in the external file \"sub\" ("));
  CHECK_THAT(refused_location("."), ContainsSubstring("in the external file \".\" ("));
  CHECK_THAT(refused_location("data.bin/"), ContainsSubstring("in the external file \"data.bin/\" ("));
  CHECK_THAT(refused_location("data.bin/more"), ContainsSubstring("in the external file \"data.bin/more\" ("));
}

TEST_CASE("offsets and lengths that the file does not hold are refused") {
  const std::string data = wire::external("location", "data.bin");
  CHECK(Model({wire::external_tensor("w", "data.bin", 5)}).refused() ==
        "of 20 bytes at byte 0 of the external file \"data.bin\", expected an end within the 16 bytes that the file "
        "holds");
  CHECK(refused_entries(data + wire::external("offset", "1")) ==
        "of 16 bytes at byte 1 of the external file \"data.bin\", expected an end within the 16 bytes that the file "
        "holds");
  CHECK(
      refused_entries(data + wire::external("offset", "18446744073709551615")) ==
      "of 16 bytes at byte 18446744073709551615 of the external file \"data.bin\", expected an end within the 16 bytes "
      "that the file holds");
  CHECK(refused_entries(data + wire::external("length", "12")) ==
        "in 12 bytes of an external file, expected the 16 bytes that its dims and type ask for");
  CHECK(refused_entries(data + wire::external("length", "4611686018427387904")) ==
        "in 4611686018427387904 bytes of an external file, expected the 16 bytes that its dims and type ask for");
  for (const std::string_view text : {"-16", "+1", " 1", "1 ", "0x10", "1.5", "", "18446744073709551616"}) {
    CHECK(refused_entries(data + wire::external("offset", text)) ==
          fmt::format("with the offset \"{}\" of its external data, expected a whole number, 0 or more, below 2^64",
                      text));
  }
  CHECK(refused_entries(data + data) == "with a second location of its external data, expected each key once");
  CHECK(refused_entries(data + wire::external("length", "16") + wire::external("length", "16")) ==
        "with a second length of its external data, expected each key once");
}

TEST_CASE("data in two places, or in none, is refused") {
  const std::string data = wire::external("location", "data.bin");
  CHECK(refused_entries("") == "with external data but no location, expected the file that holds it");
  CHECK(refused_entries(wire::external("offset", "0")) ==
        "with external data but no location, expected the file that holds it");
  CHECK(refused_entries(data, wire::raw_data("1234567890123456")) ==
        "with external data and raw_data too, expected its elements in one place");
  // Entries without data_location mean nothing, as in onnx: the data lies in the model.
  const Model model({wire::tensor("w", 2, {1}) + wire::external("location", "../secret.bin") + wire::raw_data("x")});
  CHECK(open_checkpoint(model.path).tensors.at(0).extent.bytes == 1);
}

TEST_CASE("an external file that shrinks after it was listed is refused when it is read") {
  const Model model({wire::external_tensor("w", "data.bin", 4)});
  const Checkpoint checkpoint = open_checkpoint(model.path);
  std::filesystem::resize_file(model.folder / "models/data.bin", 8);
  TensorReader reader(checkpoint);
  char bytes[16];
  CHECK_THROWS_WITH(reader.read(0, 0, bytes, 16), ContainsSubstring("found a file of 8 bytes, expected 16 bytes"));
}
