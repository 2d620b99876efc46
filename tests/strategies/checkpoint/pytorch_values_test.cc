// What a pickle's values mean: the names that tensors get, and what a person is told of the rest.
#include <fmt/format.h>

#include <set>

#include "tests/strategies/checkpoint/fixture.h"
#include "tests/strategies/checkpoint/torch_fixture.h"

using namespace weighbridge;
using namespace weighbridge::testing;

namespace {

Checkpoint opened(const std::string& value) {
  const TemporaryFolder folder;
  return open_checkpoint(
      folder.write("model.pt", torch_zip(value, {{"0", "aaaa"}, {"1", "bbbb"}, {"2", "cccc"}, {"8", counting(32)}})));
}

std::set<std::string> names(const std::string& value) {
  const Checkpoint checkpoint = opened(value);
  std::set<std::string> all;
  for (const Tensor& tensor : checkpoint.tensors) all.insert(tensor.name);
  CHECK(all.size() == checkpoint.tensors.size());
  return all;
}

using Names = std::set<std::string>;

std::vector<std::pair<std::string, std::string>> remarks(const std::string& value) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Remark& remark : opened(value).remarks) all.emplace_back(remark.id, remark.text);
  return all;
}

const std::string kOne = floats("0", 1);

std::string ordered(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string opcodes = global("collections", "OrderedDict") + ")R(";
  for (const auto& [key, value] : pairs) opcodes += key + value;
  return opcodes + "u";
}

// An object of a class, with its state.
std::string made(const std::string& type, const std::string& state) {
  return type + ")\x81" + state + "b";
}

}  // namespace

TEST_CASE("a tensor's name is its path through dicts, lists and tuples") {
  CHECK(names(kOne) == Names{""});
  CHECK(names(ordered({{text("a.weight"), kOne}, {text("b"), floats("1", 1)}})) == Names{"a.weight", "b"});
  CHECK(names(dict({{text("m"), list({kOne, tuple({"N", floats("1", 1)})})}})) == Names{"m.0", "m.1.1"});
  CHECK(names(dict({{integer(7), kOne}, {"\x88", floats("1", 1)}, {"N", floats("2", 1)}})) ==
        Names{"7", "True", "None"});
  CHECK(names(dict({{text(""), dict({{text(""), kOne}, {text("x"), floats("1", 1)}})}})) == Names{".", ".x"});
  CHECK(names(dict({{tuple({text("a"), integer(1)}), kOne}})) == Names{"(a, 1)"});
  CHECK(names(dict({{text("f"), "G" + std::string("\x3f\xe0") + std::string(6, '\0')}, {text("w"), kOne}})) ==
        Names{"w"});
}

TEST_CASE("calls that wrap a tensor stand for it") {
  const std::string parameter = call(global("torch._utils", "_rebuild_parameter"), {kOne, "\x88", "N"});
  CHECK(names(dict({{text("p"), parameter}})) == Names{"p"});
  CHECK(names(dict({{text("p"), call(global("torch._utils", "_rebuild_parameter_with_state"),
                                     {kOne, "\x88", "N", "}"})}})) == Names{"p"});
  const std::string old =
      global("torch.nn.parameter", "Parameter") + tuple({kOne}) + "\x81" + tuple({"\x88", "\x89", "N"}) + "b";
  CHECK(names(dict({{text("p"), old}})) == Names{"p"});
  const std::string subclass =
      call(global("torch._tensor", "_rebuild_from_type_v2"),
           {global("torch._utils", "_rebuild_tensor_v2"), global("torch", "Tensor"),
            tuple({storage_id("FloatStorage", "0", 1), integer(0), numbers({1}), numbers({1}), "\x89", "N"}),
            dict({{text("note"), "N"}})});
  CHECK(names(dict({{text("p"), subclass}})) == Names{"p"});
  CHECK(opened(dict({{text("p"), subclass}})).remarks.empty());
}

TEST_CASE("an ordered dict may be made of a list of pairs, as Python 2 wrote it; sets stand for what is in them") {
  CHECK(names(call(global("collections", "OrderedDict"),
                   {list({list({text("a"), kOne}), list({text("b"), floats("1", 1)}), list({text("c")})})})) ==
        Names{"a", "b"});
  CHECK(names(dict({{text("s"), call(global("__builtin__", "set"), {list({kOne})})}})) == Names{"s.0"});
  CHECK(names(dict({{text("d"), call(global("collections", "defaultdict"), {global("builtins", "list")}) + text("k") +
                                    kOne + "s"}})) == Names{"d.k"});
}

TEST_CASE("of a key that comes twice the last value counts, as in Python") {
  const Checkpoint checkpoint =
      opened("}" + text("a") + kOne + "s" + text("b") + floats("1", 1) + "s" + text("a") + floats("2", 1) + "s");
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].name == "b");
  CHECK(checkpoint.tensors[1].name == "a");
}

TEST_CASE("a state dict under two names is two sets of names for one set of tensors") {
  const Checkpoint checkpoint = opened("}" + text("m") + dict({{text("w"), kOne}}) + "q\x01s" + text("ema") + "h\x01s");
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[1].same_as == 0);
  CHECK(checkpoint.stored_bytes() == 4);
}

TEST_CASE("containers that hold each other over and over are refused, or passed where they hold no tensor") {
  // Each list holds the one before it ten times: 10^30 paths.
  const auto laughs = [](const std::string& innermost) {
    std::string opcodes = innermost + "q\x01";
    for (int level = 0; level < 30; ++level) {
      opcodes += "0](";
      for (int i = 0; i < 10; ++i) opcodes += "h\x01";
      opcodes += "eq\x01";
    }
    return opcodes;
  };
  const TemporaryFolder folder;
  CHECK_THAT(refusal(folder.write("m.pt", torch_zip(laughs(kOne), {{"0", "aaaa"}}))),
             ContainsSubstring("found a pickle and 131072 tensors whose tables take more than "));
  // 1000 numbers and one tensor, 1200 times.
  std::string opcodes = "](";
  for (int i = 0; i < 1000; ++i) opcodes += "K\x01";
  opcodes += kOne + "eq\x01" + "0](";
  for (int i = 0; i < 1200; ++i) opcodes += "h\x01";
  CHECK_THAT(refusal(folder.write("m.pt", torch_zip(opcodes + "e", {{"0", "aaaa"}}))),
             ContainsSubstring("found containers that hold each other over and over, expected a state dict, in which "
                               "little is shared"));
  CHECK(names(dict({{text("joke"), laughs("K\x01")}, {text("w"), kOne}})) == Names{"w"});
  // A list that holds itself.
  CHECK(names(dict({{text("self"),
                     "]q\x01h\x01"
                     "a"},
                    {text("w"), kOne}})) == Names{"w"});
}

TEST_CASE("containers deeper than any model are refused") {
  const auto nested = [](size_t levels) {
    std::string opcodes;
    for (size_t i = 0; i < levels; ++i) opcodes += "](";
    opcodes += kOne;
    for (size_t i = 0; i < levels; ++i) opcodes += "e";
    return opcodes;
  };
  CHECK(opened(nested(500)).tensors.size() == 1);
  const TemporaryFolder folder;
  CHECK_THAT(refusal(folder.write("m.pt", torch_zip(nested(513), {{"0", "aaaa"}}))),
             ContainsSubstring("found containers more than 512 levels deep, expected a state dict"));
}

TEST_CASE("names longer than any model's are refused") {
  const TemporaryFolder folder;
  const std::string longer(70'000, 'k');
  CHECK_THAT(refusal(folder.write("m.pt", torch_zip(dict({{text(longer), kOne}}), {{"0", "aaaa"}}))),
             ContainsSubstring("found a name of more than 65536 bytes, \"kkk"));
}

TEST_CASE("each global that is no part of a state dict is told once, up to eight") {
  std::vector<std::string> globals;
  for (int i = 0; i < 12; ++i) globals.push_back(call(global("m", fmt::format("f{}", i)), {}));
  globals.push_back(call(global("m", "f0"), {}));
  const auto told = remarks(dict({{text("g"), list(globals)}, {text("w"), kOne}}));
  REQUIRE(told.size() == 8);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(told[i].first == "asks-to-run-code");
    CHECK_THAT(told[i].second, Catch::Matchers::StartsWith(fmt::format("this file asks to run m.f{} (byte ", i)));
  }
  CHECK_THAT(told[7].second, ContainsSubstring("; and 4 more"));
}

TEST_CASE("plain data beside tensors is no finding, a function that leads elsewhere is") {
  const auto quiet = [](const std::string& value) {
    return remarks(dict({{text("x"), value}, {text("w"), kOne}})).empty();
  };
  CHECK(quiet(call(global("argparse", "Namespace"), {}) + dict({{text("lr"), "N"}}) + "b"));
  CHECK(quiet(call(global("torch", "Size"), {numbers({1, 2})})));
  CHECK(quiet(call(global("torch", "device"), {text("cuda"), integer(0)})));
  CHECK(quiet(global("torch", "float32")));
  CHECK(quiet(call(global("numpy.core.multiarray", "scalar"), {call(global("numpy", "dtype"), {text("f8")}), "N"})));
  CHECK(quiet(call(global("_codecs", "encode"), {text("x"), text("latin1")})));
  CHECK(quiet(call(global("pathlib", "PosixPath"), {text("/a")})));
  CHECK_FALSE(quiet(global("__builtin__", "getattr")));
  CHECK_FALSE(quiet(global("torch", "load")));
  CHECK_FALSE(quiet(call(global("torch", "float32"), {})));
  CHECK_FALSE(quiet(global("torch.serialization", "load")));
  // A function of torch.nn that is only named is an argument, called it is code.
  CHECK_FALSE(quiet(call(global("torch.nn.functional", "relu"), {})));
  CHECK(quiet(global("torch.nn.functional", "relu")));
  // A change to a function of torch's own is code as well.
  CHECK_FALSE(quiet(global("os", "environ") + dict({{text("A"), text("b")}}) + "b"));
}

TEST_CASE("a module that was pickled whole has its tensors under their names in a state dict, and that is said") {
  const auto module = [](const std::string& type, const std::string& parameters, const std::string& modules) {
    return made(type, dict({{text("training"), "\x88"},
                            {text("_parameters"), ordered({{text("weight"), parameters}})},
                            {text("_buffers"), ordered({})},
                            {text("_modules"), modules}}));
  };
  const std::string inner = module(global("torch.nn.modules.linear", "Linear"), floats("1", 1), ordered({}));
  const std::string outer =
      module(global("torch.nn.modules.container", "Sequential"), kOne, ordered({{text("0"), inner}}));
  CHECK(names(outer) == Names{"weight", "0.weight"});
  const auto told = remarks(outer);
  REQUIRE(told.size() == 1);
  CHECK(told[0].first == "whole-module");
  CHECK(told[0].second ==
        "this file holds a whole module (torch.nn.modules.container.Sequential), not a state dict: loading it runs the "
        "code of its classes; torch.save(model.state_dict(), ...) writes the tensors alone");
  // The old form names the class through an id.
  const std::string through_id = tuple({text("module"), global("net", "Net"), text("net.py"), text("class Net")}) + "Q";
  const auto of_own_class = remarks(module(through_id, kOne, ordered({})));
  REQUIRE(of_own_class.size() == 2);
  CHECK_THAT(of_own_class[0].second, ContainsSubstring("asks to run net.Net"));
  CHECK_THAT(of_own_class[1].second, ContainsSubstring("a whole module (net.Net)"));
}

TEST_CASE("an optimizer's state is recognised by its form and by its key, and weighed") {
  const std::string state =
      dict({{text("state"), dict({{integer(0), dict({{text("exp_avg"), kOne}, {text("step"), "N"}})}})},
            {text("param_groups"), list({dict({{text("lr"), "N"}})})}});
  const Checkpoint by_form = opened(dict({{text("opt"), list({state})}, {text("w"), floats("8", 8)}}));
  REQUIRE(by_form.remarks.size() == 1);
  CHECK(by_form.remarks[0].id == "optimizer-state");
  CHECK(by_form.remarks[0].bytes == 4);
  CHECK(by_form.remarks[0].text ==
        "1 tensor, 4 bytes, is an optimizer's state (\"opt.0.state.0.exp_avg\"): training needs "
        "them, inference does not");
  const Checkpoint by_key =
      opened(dict({{text("optimizer_state_dict"), dict({{text("a"), kOne}, {text("b"), floats("1", 1)}})},
                   {text("w"), floats("2", 1)}}));
  REQUIRE(by_key.remarks.size() == 1);
  CHECK(by_key.remarks[0].bytes == 8);
  CHECK(by_key.tensors.size() == 3);
  // A parameter of that name is none.
  CHECK(opened(dict({{text("optimizer.weight"), kOne}, {text("state"), floats("1", 1)}})).remarks.empty());
}

TEST_CASE("tensors that have no plain elements are left out by kind and name") {
  const auto left_out = [](std::string_view function) { return call(global("torch._utils", function), {"N"}); };
  std::string meta =
      tensor(tuple({text("storage"), global("torch", "FloatStorage"), text("9"), text("meta"), integer(3)}) + "Q", 0,
             {3}, {1});
  const auto told = remarks(dict({{text("q1"), left_out("_rebuild_qtensor")},
                                  {text("q2"), left_out("_rebuild_qtensor")},
                                  {text("q3"), left_out("_rebuild_qtensor")},
                                  {text("q4"), left_out("_rebuild_qtensor")},
                                  {text("s"), left_out("_rebuild_sparse_tensor")},
                                  {text("m"), meta},
                                  {text("n"), call(global("numpy.core.multiarray", "_reconstruct"), {"N"})},
                                  {text("w"), kOne}}));
  REQUIRE(told.size() == 1);
  CHECK(told[0].first == "left-out");
  CHECK(told[0].second ==
        "left out, not being tensors with plain elements: 1 NumPy array (\"n\"), 1 meta tensor (\"m\"), 4 quantised "
        "tensors "
        "(\"q1\", \"q2\", \"q3\" and 1 more), 1 sparse tensor (\"s\")");
}

TEST_CASE("a slice that keeps the whole of what it was cut from is told with what nobody uses") {
  const Checkpoint checkpoint = opened(dict({{text("a"), tensor(storage_id("FloatStorage", "8", 8), 2, {2}, {1})},
                                             {text("b"), tensor(storage_id("FloatStorage", "8", 8), 3, {2}, {1})}}));
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "storage-larger-than-tensors");
  CHECK(checkpoint.remarks[0].bytes == 32 - 12);
  CHECK(checkpoint.remarks[0].text ==
        "1 storage holds 20 bytes that no tensor uses, and torch.load reads them whole: the tensors are views of "
        "something larger, and tensor.clone() before torch.save drops the rest");
  CHECK(opened(dict({{text("a"), tensor(storage_id("FloatStorage", "8", 8), 0, {2, 4}, {1, 2})}})).remarks.empty());
}

TEST_CASE("a TorchScript archive's tensors are listed, its own classes are no finding") {
  const std::string value = made(
      global("__torch__.Net", "Net"),
      dict({{text("training"), "\x88"},
            {text("fc"), made(global("__torch__.torch.nn.modules.linear", "Linear"), dict({{text("weight"), kOne}}))},
            {text("list"), call(global("torch.jit._pickle", "build_tensorlist"), {list({floats("1", 1)})})}}));
  const TemporaryFolder folder;
  const Checkpoint checkpoint = open_checkpoint(
      folder.write("m.pt", torch_zip(value, {{"0", "aaaa"}, {"1", "bbbb"}}, {{"constants.pkl", pickle(")")}})));
  REQUIRE(checkpoint.tensors.size() == 2);
  CHECK(checkpoint.tensors[0].name == "fc.weight");
  CHECK(checkpoint.tensors[1].name == "list.0");
  REQUIRE(checkpoint.remarks.size() == 1);
  CHECK(checkpoint.remarks[0].id == "torchscript");
}
