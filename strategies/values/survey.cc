#include "strategies/values/survey.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

#include "strategies/checkpoint/tensor_reader.h"
#include "strategies/dtype/convert.h"
#include "strategies/values/exact.h"

namespace weighbridge {
namespace {

constexpr size_t kPiece = ExactFit::kPieceElements;
static_assert(kPiece <= kMostNumbers);

using Digest = XXH128_hash_t;

class Hasher {
 public:
  Hasher() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
  }
  void reset() { XXH3_128bits_reset(state_.get()); }
  void update(const std::byte* bytes, size_t size) { XXH3_128bits_update(state_.get(), bytes, size); }
  Digest digest() const { return XXH3_128bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// Rows that are zero throughout, counted as pieces of the tensor come by. A row with another value shows that at one of
// its first elements, mostly, so little is looked at twice.
class ZeroRows {
 public:
  explicit ZeroRows(uint64_t row_elements) : row_elements_(row_elements) {}

  template <class Bits>
  void add(const std::byte* values, size_t count, bool has_zeros) {
    for (size_t done = 0; done < count;) {
      const auto part = static_cast<size_t>(std::min<uint64_t>(count - done, row_elements_ - at_));
      zero_ = zero_ && has_zeros && all_zero<Bits>(values + done * sizeof(Bits), part);
      done += part;
      at_ += part;
      if (at_ < row_elements_) continue;
      rows_ += zero_ ? 1 : 0;
      at_ = 0;
      zero_ = true;
      if (!has_zeros) {  // the next rows are not zero either: to the last one that begins here
        const uint64_t whole = (count - done) / row_elements_ * row_elements_;
        done += static_cast<size_t>(whole);
      }
    }
  }
  uint64_t rows() const { return rows_; }

 private:
  template <class Bits>
  static bool all_zero(const std::byte* values, size_t count) {
    constexpr Bits kSign = Bits{1} << (sizeof(Bits) * 8 - 1);
    for (size_t i = 0; i < count; ++i) {
      Bits bits;
      std::memcpy(&bits, values + i * sizeof bits, sizeof bits);
      if ((bits & ~kSign) != 0) return false;
    }
    return true;
  }

  uint64_t row_elements_, at_ = 0, rows_ = 0;
  bool zero_ = true;
};

// One tensor's values, chunk after chunk.
class Watcher {
 public:
  Watcher(const Tensor& tensor, std::vector<std::byte>& f32)
      : dtype_(tensor.dtype),
        kind_(value_kind(tensor.dtype)),
        unit_(block(tensor.dtype)),
        fit_(tensor.dtype),
        zero_rows_(row_elements(tensor)),
        f32_(f32) {
    values_.constant = unit_.elements == 1;
  }

  // Whole blocks.
  void add(const std::byte* chunk, size_t bytes) {
    constant(chunk, bytes);
    const size_t elements = bytes / unit_.bytes * unit_.elements;
    if (kind_ == ValueKind::elements) values_.numbers.zeros += zero_elements(chunk, elements, unit_.bytes);
    if (kind_ != ValueKind::numbers) return;
    for (size_t done = 0; done < elements; done += kPiece) {
      numbers(chunk + done / unit_.elements * unit_.bytes, std::min(kPiece, elements - done));
    }
  }

  TensorValues values(uint64_t elements) {
    values_.zero_rows = zero_rows_.rows();
    values_.constant = values_.constant && elements > 1;
    values_.fits = elements > 0 ? fit_.fits() : std::vector<Dtype>();
    return values_;
  }

 private:
  static uint64_t row_elements(const Tensor& tensor) {
    const uint64_t elements = element_count(tensor.shape).value();
    return tensor.shape.size() > 1 && elements > 0 ? elements / tensor.shape[0] : std::max<uint64_t>(elements, 1);
  }

  void constant(const std::byte* chunk, size_t bytes) {
    if (!values_.constant || bytes == 0) return;
    const size_t size = unit_.bytes;
    if (first_.empty()) first_.assign(chunk, chunk + size);
    values_.constant =
        std::memcmp(chunk, first_.data(), size) == 0 && std::memcmp(chunk, chunk + size, bytes - size) == 0;
  }

  void numbers(const std::byte* piece, size_t count) {
    fit_.add(piece, count);
    Numbers numbers;
    if (dtype_ == Dtype::f64) {
      numbers = numbers_f64(piece, count);
      zero_rows_.add<uint64_t>(piece, count, numbers.zeros > 0);
    } else {
      const std::byte* values = piece;
      if (dtype_ != Dtype::f32) {
        const std::array<uint64_t, 1> shape{count};
        convert(layout(dtype_, shape, Target{Dtype::f32}), 0, count, piece, f32_.data());
        values = f32_.data();
      }
      numbers = numbers_f32(values, count);
      zero_rows_.add<uint32_t>(values, count, numbers.zeros > 0);
    }
    values_.numbers.add(numbers);
  }

  Dtype dtype_;
  ValueKind kind_;
  Block unit_;
  ExactFit fit_;
  ZeroRows zero_rows_;
  std::vector<std::byte>& f32_;   // a piece
  std::vector<std::byte> first_;  // element
  TensorValues values_;
};

class Surveyor {
 public:
  Surveyor(const Checkpoint& checkpoint, const std::function<void(uint64_t, uint64_t)>& progress)
      : checkpoint_(checkpoint),
        progress_(progress),
        reader_(checkpoint),
        chunk_(kSurveyChunkBytes),
        f32_(kPiece * sizeof(float)) {
    for (const Tensor& tensor : checkpoint.tensors) {
      if (tensor.same_as == Tensor::kItself) total_ += tensor.bytes();
    }
  }

  Survey run() {
    verify_checksums(checkpoint_);
    const size_t count = checkpoint_.tensors.size();
    survey_.tensors.resize(count);
    digests_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      if (checkpoint_.tensors[i].same_as == Tensor::kItself) read(i);
    }
    find_duplicates();
    for (uint32_t i = 0; i < count; ++i) {
      const Tensor& tensor = checkpoint_.tensors[i];
      if (tensor.same_as != Tensor::kItself) survey_.tensors[i] = survey_.tensors[tensor.same_as];
    }
    return std::move(survey_);
  }

 private:
  void told(uint64_t bytes) {
    survey_.bytes_read += bytes;
    progress_(survey_.bytes_read, total_);
  }

  void read(uint32_t index) {
    const Tensor& tensor = checkpoint_.tensors[index];
    const uint64_t bytes = tensor.bytes();
    const uint64_t unit = block(tensor.dtype).bytes;
    const uint64_t whole = chunk_.size() / unit * unit;
    Watcher watcher(tensor, f32_);
    hasher_.reset();
    for (uint64_t begin = 0; begin < bytes; begin += whole) {
      const auto size = static_cast<size_t>(std::min(whole, bytes - begin));
      reader_.read(index, begin, chunk_.data(), size);
      hasher_.update(chunk_.data(), size);
      watcher.add(chunk_.data(), size);
      told(size);
    }
    survey_.tensors[index] = watcher.values(element_count(tensor.shape).value());
    digests_[index] = hasher_.digest();
  }

  bool alike(uint32_t a, uint32_t b) const {
    const auto& tensors = checkpoint_.tensors;
    return tensors[a].dtype == tensors[b].dtype && XXH128_isEqual(digests_[a], digests_[b]) != 0 &&
           tensors[a].shape == tensors[b].shape;
  }

  void find_duplicates() {
    std::vector<uint32_t> candidates;
    for (uint32_t i = 0; i < checkpoint_.tensors.size(); ++i) {
      const Tensor& tensor = checkpoint_.tensors[i];
      if (tensor.same_as == Tensor::kItself && element_count(tensor.shape).value() > 1 &&
          !survey_.tensors[i].constant) {
        candidates.push_back(i);
      }
    }
    std::sort(candidates.begin(), candidates.end(), [&](uint32_t a, uint32_t b) {
      if (const int order = XXH128_cmp(&digests_[a], &digests_[b]); order != 0) return order < 0;
      const Tensor &left = checkpoint_.tensors[a], &right = checkpoint_.tensors[b];
      return std::tie(left.dtype, left.shape, a) < std::tie(right.dtype, right.shape, b);
    });
    std::vector<std::pair<uint32_t, uint32_t>> pairs;  // later, earlier
    for (size_t i = 0, first = 0; i < candidates.size(); ++i) {
      if (!alike(candidates[first], candidates[i])) first = i;
      if (first != i) pairs.emplace_back(candidates[i], candidates[first]);
    }
    for (const auto& [later, earlier] : pairs) total_ += 2 * checkpoint_.tensors[later].bytes();
    std::sort(pairs.begin(), pairs.end());
    TensorReader other(checkpoint_);
    for (const auto& [later, earlier] : pairs) {
      if (equal(later, earlier, other)) survey_.tensors[later].duplicate_of = earlier;
    }
  }

  bool equal(uint32_t later, uint32_t earlier, TensorReader& other) {
    const uint64_t bytes = checkpoint_.tensors[later].bytes();
    const uint64_t half = chunk_.size() / 2;
    bool same = true;
    for (uint64_t begin = 0; begin < bytes && same; begin += half) {
      const auto size = static_cast<size_t>(std::min(half, bytes - begin));
      reader_.read(later, begin, chunk_.data(), size);
      other.read(earlier, begin, chunk_.data() + half, size);
      same = std::memcmp(chunk_.data(), chunk_.data() + half, size) == 0;
      told(2 * size);
    }
    return same;
  }

  const Checkpoint& checkpoint_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  TensorReader reader_;
  Hasher hasher_;
  std::vector<std::byte> chunk_, f32_;
  std::vector<Digest> digests_;
  uint64_t total_ = 0;
  Survey survey_;
};

}  // namespace

ValueKind value_kind(Dtype dtype) {
  if (convertible(dtype)) return ValueKind::numbers;
  switch (dtype) {
    case Dtype::boolean:
    case Dtype::u8:
    case Dtype::i8:
    case Dtype::u16:
    case Dtype::i16:
    case Dtype::u32:
    case Dtype::i32:
    case Dtype::u64:
    case Dtype::i64:
      return ValueKind::elements;
    default:
      return ValueKind::unknown;
  }
}

std::optional<SparseBytes> sparse_bytes_of(const Tensor& tensor, const TensorValues& values) {
  const Block unit = block(tensor.dtype);
  if (value_kind(tensor.dtype) != ValueKind::numbers || unit.elements != 1) return std::nullopt;
  const uint64_t elements = element_count(tensor.shape).value();
  return sparse_bytes(tensor.shape, elements, elements - values.numbers.zeros, unit.bytes);
}

Survey survey_values(const Checkpoint& checkpoint, const std::function<void(uint64_t, uint64_t)>& progress) {
  return Surveyor(checkpoint, progress).run();
}

}  // namespace weighbridge
