// Three ways to load the weights of a model, by what each needs of memory:
//
//   ModelLoader("my_model.h5", "f16").get_weights()
//       every weight, in the dtype asked for: T + L at the peak, then T
//
//   LazyModelLoader("my_model.h5").get_layer_weights("conv1")
//       one layer and nothing else: that layer
//
//   MemoryMappedModelLoader("my_model.h5").get_weights()
//       mapped from the file: next to nothing; pages that are touched can be taken back, until they are written to
//
// T: bytes of the weights as loaded, each rounded up to whole pages; L: the largest tensor as stored, where it is
// converted. A loader's need() says beforehand what its load will take, from the same plan that the load carries out.
//
// A path is a checkpoint file, the index of a sharded set (*.index.json) or a folder, in any format that `weighbridge
// list` names; a file is taken for what its content says. It is untrusted: nothing in it is ever executed, and a file
// that does not hold what it must ends in an Error. A file that somebody changes while it is loaded, or cuts while it
// is mapped (SIGBUS), cannot be guarded against.
//
// A dtype is a text ("native", "f32", "f16", "bf16", "int8", "q8_0", "q4_0", "f8_e4m3") or the Dtype itself. Tensors
// that have no form in it arrive as they are stored, which Weight::dtype() tells: integers, masks and packed types, and
// for q8_0 and q4_0 also scalars, vectors and rows (of the last dimension) that are no multiple of 32. int8 is
// symmetric, with one f32 scale a row (of the first dimension); q8_0 and q4_0 are ggml's blocks.
//
// Loaders read the table of tensors as they are constructed, and the elements later. What they give owns what it needs
// and may outlive them. Every function throws Error (weighbridge/error.h), and leaves nothing behind where it does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weighbridge/dtype.h"
#include "weighbridge/error.h"
#include "weighbridge/weights.h"

namespace weighbridge {

struct Delivered;

// In bytes, above what the process needs already. Need is memory that cannot be given up without swap.
struct Need {
  uint64_t peak_bytes = 0;         // the most of it at one instant, the table of tensors included
  uint64_t reclaimable_bytes = 0;  // the most file pages at one instant, which the kernel can take back
};

// What the three have in common. Copies of a loader share the table.
class Loader {
 public:
  std::string_view format() const;  // "hdf5"
  // What a person should know of a checkpoint that can be read all the same ("asks to run os.system"), a sentence each.
  std::vector<std::string> remarks() const;

 protected:
  explicit Loader(std::shared_ptr<const OpenModel> model);
  static Weights gather(std::shared_ptr<const OpenModel> model, const std::vector<Delivered>& delivered,
                        std::vector<std::shared_ptr<Kept>> kept);

  std::shared_ptr<const OpenModel> model_;
};

// Every weight in memory of its own. Each get_weights() loads anew.
class ModelLoader : public Loader {
 public:
  // `strategy` is a way to load, as `weighbridge list` names them: "eager" takes T + L at the peak, "stream" T and a
  // chunk, "stream:chunk=1MiB" a smaller one. Throws Error: usage (no such dtype or strategy), bad_input, environment.
  explicit ModelLoader(std::string path, std::string_view dtype = "native", std::string_view strategy = "eager");
  ModelLoader(std::string path, Dtype dtype, std::string_view strategy = "eager");

  // Checks the checksums that the files hold (zip members) and loads. Throws Error: bad_input, refused, environment.
  Weights get_weights() const;
  Need need() const;
};

// Layers one at a time. A layer is what one name stands for: every tensor whose name is that name, or goes on after it
// with '/' or '.'; where no name begins so, what stands before it, a wrapper, is passed over. So "conv1" finds
// "conv1/kernel" and, in Keras' files, "model_weights/conv1/conv1/kernel:0"; "h.0", "model.layers.0", "layers.0" and
// "model.layers.0.mlp" each find their tensors. Its functions may be called from several threads; loading is one at a
// time.
class LazyModelLoader : public Loader {
 public:
  explicit LazyModelLoader(std::string path, std::string_view dtype = "native");
  LazyModelLoader(std::string path, Dtype dtype);
  LazyModelLoader(LazyModelLoader&&) noexcept;
  LazyModelLoader& operator=(LazyModelLoader&&) noexcept;
  ~LazyModelLoader();

  // The layers that names suggest, in the checkpoint's order; every tensor is in exactly one of them. Any other name
  // that tensors' names begin with can be asked for just as well.
  const std::vector<std::string>& layers() const;

  // Loads the layer's tensors that are not in memory yet, and nothing else; checks checksums that guard these tensors
  // and little else. The memory is shared: a second call gives the same addresses, and a tensor of two layers is loaded
  // once. It is given back when the loader has released it and no Weights has it. Throws Error: usage (no such layer,
  // with the nearest name; or several wrappers have one), bad_input, refused, environment.
  Weights get_layer_weights(std::string_view layer);
  Need need(std::string_view layer) const;  // with nothing of it loaded yet

  // The loader lets go of the layer's tensors, those that other layers share with it included. Throws Error (usage)
  // where there is no such layer.
  void release(std::string_view layer);
  void release_all();
  // In memory now: kept by the loader, or by a Weights that it gave.
  uint64_t loaded_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What writing to a mapped weight does.
enum class Write : uint8_t {
  copy,     // copy-on-write: the page becomes the process's own, the file stays as it is. A page so written is need
  through,  // the file is changed, for everybody; Weights::flush() waits for the disk
};

// Weights that are the file's own pages. Those that cannot be (compressed, big-endian, or a dtype was asked for that
// they are not stored in) are read into memory, and Weight::why_not_mapped() tells why. Elements lie as the file lays
// them, which may be unaligned. Checksums are not checked, as that would read the file.
class MemoryMappedModelLoader : public Loader {
 public:
  // With Write::through every weight must be mapped: throws Error (usage) that names the tensor and the reason where
  // one cannot be, or where a checksum in the file guards its bytes; the file is opened for writing only then.
  explicit MemoryMappedModelLoader(std::string path, std::string_view dtype = "native", Write write = Write::copy);
  MemoryMappedModelLoader(std::string path, Dtype dtype, Write write = Write::copy);
  MemoryMappedModelLoader(std::string path, Write write);

  // Each call maps anew: what is written to one copy-on-write mapping does not show in another.
  Weights get_weights() const;
  Need need() const;

 private:
  Write write_;
};

}  // namespace weighbridge
