#include "strategies/checkpoint/pytorch/torch_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "strategies/checkpoint/format.h"
#include "strategies/error.h"

namespace weighbridge {
namespace {

constexpr size_t kMostLevels = 512;
constexpr uint64_t kStepsPerItem = 16, kStepsAtLeast = 1 << 20;
constexpr size_t kBytesPerStep = 64;  // of a name: writing it is work too
constexpr size_t kMostName = 64 << 10;
constexpr size_t kMostCompared = 256;    // bytes of a key that may come again later
constexpr uint8_t kOpen = 1, kBare = 2;  // marks: on the path now; holds no tensor

constexpr std::array<std::string_view, 3> kModuleParts{"_parameters", "_buffers", "_modules"};
// Keys that training scripts and libraries keep an optimizer's state under. Most such states are known by their form.
constexpr std::array<std::string_view, 7> kOptimizerKeys{"optimizer",        "optimizers",           "optimizer_state",
                                                         "optimizer_states", "optimizer_state_dict", "optim",
                                                         "optim_state_dict"};

template <size_t N>
bool has(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Walker {
 public:
  Walker(const TorchValues& torch, PickleValues& values, TorchVisitor& visitor)
      : torch_(torch), values_(values), visitor_(visitor) {}

  void walk(PickleRef root) {
    enter(root, false);
    while (!levels_.empty()) step();
  }

 private:
  // What of an object is next: the arguments of the call, what it was filled with, its state.
  enum class Part : uint8_t { args, items, entries, state, end };
  enum class As : uint8_t { itself, state, pairs };  // the state of an object; a list of keys and values

  struct Level {
    PickleRef value = PickleValues::kNone;
    As as = As::itself;
    Part part = Part::args;
    bool began = false;      // `items` is set
    bool optimizer = false;  // within an optimizer's state
    PickleValues::Items items;
    uint32_t index = 0;              // of the next item, or pair
    std::vector<uint32_t> replaced;  // pairs whose key comes again later
    size_t path = 0;                 // length of the path to here
    bool named = false;              // that path has a component
    uint64_t leaves = 0;             // found before it
  };

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    torch_.stream().fail(0, found, expected);
  }

  void count_steps(uint64_t steps) {
    steps_ += steps;
    if (steps_ > kStepsAtLeast + kStepsPerItem * (values_.all_items() + values_.objects().size())) {
      fail("containers that hold each other over and over", "a state dict, in which little is shared");
    }
  }

  std::string_view key_text(PickleRef key) const {
    return values_.is(key, PickleKind::text) ? values_.text(key) : std::string_view();
  }

  // The path gets the value's own component before, if it has one.
  void enter(PickleRef value, bool optimizer, As as = As::itself) {
    count_steps(1);
    if (values_.mark(value) != 0) return;
    const TorchValues::Leaf leaf = torch_.leaf(value);
    if (leaf.what != TorchValues::What::other) {
      ++leaves_;
      visitor_.leaf(leaf, path_, optimizer);
      return;
    }
    Level level;
    level.value = value;
    level.as = as;
    if (values_.is(value, PickleKind::object)) {
      if (is_module(value)) visitor_.module(value);
    } else if (!is_container(value) || values_.count(value) == 0) {
      return;
    }
    if (levels_.size() == kMostLevels) {
      fail(fmt::format("containers more than {} levels deep", kMostLevels), "a state dict");
    }
    values_.set_mark(value, kOpen);
    level.optimizer = optimizer || is_optimizer(value);
    level.path = path_.size();
    level.named = named_;
    level.leaves = leaves_;
    levels_.push_back(std::move(level));
  }

  void leave() {
    const Level& level = levels_.back();
    values_.set_mark(level.value, leaves_ == level.leaves ? kBare : 0);
    visitor_.refund(level.replaced.size() * sizeof(uint32_t));
    levels_.pop_back();
  }

  // One item of the innermost level, or its end.
  void step() {
    Level& level = levels_.back();
    path_.resize(level.path);
    named_ = level.named;
    if (values_.is(level.value, PickleKind::object)) {
      step_object(level);
    } else if (values_.is(level.value, PickleKind::dict)) {
      step_dict(level);
    } else if (level.as == As::pairs) {
      step_pair(level);
    } else {
      step_items(level);
    }
  }

  // An object's parts stand for it, without a component of their own.
  void step_object(Level& level) {
    const PickleValues::Object& object = values_.object(level.value);
    const Part part = level.part;
    level.part = static_cast<Part>(static_cast<uint8_t>(part) + 1);
    const bool optimizer = level.optimizer;
    switch (part) {
      case Part::args:
        return enter_args(level.value, optimizer);
      case Part::items:
        return enter(object.items, optimizer);
      case Part::entries:
        return enter(object.entries, optimizer);
      case Part::state:
        return enter(object.state, optimizer, As::state);
      default:
        return leave();
    }
  }

  // set([...]) and its like stand for what they are made of. Python 2 pickled an ordered dict as a call with a list of
  // pairs.
  void enter_args(PickleRef object, bool optimizer) {
    const TorchMeaning* meaning = torch_.callee(object);
    const PickleRef args = values_.object(object).args;
    if (meaning != nullptr && values_.is(args, PickleKind::tuple) && values_.count(args) > 0) {
      const PickleRef first = values_.item(args, 0);
      if (meaning->what == TorchGlobal::ordered_dict) return enter(first, optimizer, As::pairs);
      if (meaning->what == TorchGlobal::harmless && is_container(first)) return enter(first, optimizer);
    }
    enter(args, optimizer);
  }

  void step_items(Level& level) {
    if (!level.began) level.items = values_.items(level.value);
    level.began = true;
    PickleRef item;
    if (!level.items.next(item)) return leave();
    // Where the items are an object's arguments they have a number too: a named tuple's fields, say.
    add_component(fmt::format("{}", level.index++));
    enter(item, level.optimizer);
  }

  void step_dict(Level& level) {
    if (!level.began) {
      level.items = values_.items(level.value);
      level.replaced = replaced_pairs(level.value);
      level.began = true;
    }
    PickleRef key, value;
    if (!level.items.next(key)) return leave();
    level.items.next(value);
    const uint32_t index = level.index++;
    if (std::binary_search(level.replaced.begin(), level.replaced.end(), index)) return;
    bool optimizer = level.optimizer;
    if (const std::string_view text = key_text(key); !(level.as == As::state && has(kModuleParts, text))) {
      add_component(component(key));
      optimizer = optimizer || has(kOptimizerKeys, text);
    }
    enter(value, optimizer);
  }

  // Of a list of pairs, each a key and a value.
  void step_pair(Level& level) {
    if (!level.began) level.items = values_.items(level.value);
    level.began = true;
    PickleRef pair;
    if (!level.items.next(pair)) return leave();
    if ((!values_.is(pair, PickleKind::tuple) && !values_.is(pair, PickleKind::list)) || values_.count(pair) != 2)
      return;
    PickleValues::Items items = values_.items(pair);
    PickleRef key, value;
    items.next(key);
    items.next(value);
    add_component(component(key));
    enter(value, level.optimizer || has(kOptimizerKeys, key_text(key)));
  }

  // --- names ---

  void add_component(std::string_view component) {
    if (path_.size() + component.size() >= kMostName) {
      fail(fmt::format("a name of more than {} bytes, {}", kMostName, in_quotes(path_.empty() ? component : path_)),
           "shorter names of tensors and what holds them");
    }
    count_steps(component.size() / kBytesPerStep);
    if (named_) path_ += '.';
    path_ += component;
    named_ = true;
  }

  std::string component(PickleRef key) const {
    switch (values_.kind(key)) {
      case PickleKind::text:
        return std::string(values_.text(key));
      case PickleKind::integer:
        return fmt::format("{}", values_.integer(key));
      case PickleKind::boolean:
        return values_.integer(key) != 0 ? "True" : "False";
      case PickleKind::none:
        return "None";
      case PickleKind::real:
        return fmt::format("{}", values_.real(key));
      case PickleKind::tuple: {
        std::string text = "(";
        PickleValues::Items items = values_.items(key);
        for (PickleRef item; items.next(item) && text.size() < 1000;) {
          if (text.size() > 1) text += ", ";
          text += values_.is(item, PickleKind::tuple) ? "()" : component(item);
        }
        return text + ")";
      }
      default:
        return "?";
    }
  }

  // Of pairs whose keys are equal texts or numbers the last one counts, as in Python. Long texts are taken to be
  // different, as comparing them, shared by millions of pairs, could take for ever.
  std::vector<uint32_t> replaced_pairs(PickleRef dict) {
    struct Key {
      PickleRef key;
      uint32_t index;
    };
    const uint64_t heap = values_.count(dict) / 2 * sizeof(Key);
    visitor_.charge(heap);
    std::vector<Key> keys;
    keys.reserve(values_.count(dict) / 2);
    PickleValues::Items items = values_.items(dict);
    uint32_t index = 0;
    for (PickleRef key, value; items.next(key) && items.next(value); ++index) {
      const bool short_text = values_.is(key, PickleKind::text) && values_.text(key).size() <= kMostCompared;
      if (short_text || values_.is(key, PickleKind::integer)) keys.push_back({key, index});
    }
    std::sort(keys.begin(), keys.end(), [&](const Key& left, const Key& right) {
      const int compared = compare(left.key, right.key);
      return compared != 0 ? compared < 0 : left.index < right.index;
    });
    // In place, so that a dict of one key over and over costs no second list.
    size_t count = 0;
    for (size_t i = 0; i + 1 < keys.size(); ++i) {
      if (compare(keys[i].key, keys[i + 1].key) == 0) keys[count++].index = keys[i].index;
    }
    std::vector<uint32_t> replaced;
    visitor_.charge(count * sizeof(uint32_t));
    replaced.reserve(count);
    for (size_t i = 0; i < count; ++i) replaced.push_back(keys[i].index);
    visitor_.refund(heap);
    std::sort(replaced.begin(), replaced.end());
    return replaced;
  }

  // Integers before texts.
  int compare(PickleRef left, PickleRef right) const {
    if (left == right) return 0;
    if (values_.kind(left) != values_.kind(right)) return values_.is(left, PickleKind::integer) ? -1 : 1;
    if (values_.is(left, PickleKind::text)) return values_.text(left).compare(values_.text(right));
    const int64_t a = values_.integer(left), b = values_.integer(right);
    return a == b ? 0 : a < b ? -1 : 1;
  }

  // --- what a value is ---

  bool is_container(PickleRef value) const {
    const PickleKind kind = values_.kind(value);
    return kind == PickleKind::tuple || kind == PickleKind::list || kind == PickleKind::set || kind == PickleKind::dict;
  }

  template <typename Look>
  void look_at_pairs(PickleRef dict, const Look& look) const {
    if (!values_.is(dict, PickleKind::dict)) return;
    PickleValues::Items items = values_.items(dict);
    constexpr unsigned kLookedAt = 64;  // what is looked for stands among the first few
    PickleRef key, value;
    for (unsigned seen = 0; seen < kLookedAt && items.next(key) && items.next(value); ++seen)
      look(key_text(key), value);
  }

  bool is_module(PickleRef object) const {
    unsigned parts = 0;
    look_at_pairs(values_.object(object).state,
                  [&](std::string_view key, PickleRef) { parts += has(kModuleParts, key) ? 1 : 0; });
    return parts == kModuleParts.size();
  }

  // {"state": {...}, "param_groups": [...]}, as Optimizer.state_dict() gives it.
  bool is_optimizer(PickleRef value) const {
    bool state = false, groups = false;
    look_at_pairs(value, [&](std::string_view key, PickleRef held) {
      state = state || (key == "state" && (values_.is(held, PickleKind::dict) || values_.is(held, PickleKind::object)));
      groups = groups || (key == "param_groups" && values_.is(held, PickleKind::list));
    });
    return state && groups;
  }

  const TorchValues& torch_;
  PickleValues& values_;
  TorchVisitor& visitor_;
  std::vector<Level> levels_;
  std::string path_;
  bool named_ = false;
  uint64_t leaves_ = 0, steps_ = 0;
};

}  // namespace

void walk(const TorchValues& torch, PickleValues& values, PickleRef root, TorchVisitor& visitor) {
  Walker(torch, values, visitor).walk(root);
}

}  // namespace weighbridge
