/* Your own loader as a strategy of weighbridge: a shared library that `weighbridge run MODEL --plugin ./libmine.so`
 * weighs beside the built-in ones, in a process of its own, under the same instruments. Plain C99; C++ may include it
 * as well.
 *
 *     cc -shared -fPIC -IPREFIX/include -o libmine.so mine.c
 *     weighbridge run model.safetensors --plugin ./libmine.so --strategy eager,mine
 *
 * It is compiled against this header alone, and linked with nothing of weighbridge.
 *
 * The library exports one function, weighbridge_plugin(), which says what strategies it has. For each trial a worker
 * process loads the library (in the phase `open`, with what it is linked with) and calls, each once and in this order,
 * or over again from load() where it is asked to load several times:
 *
 *     load()      the phase `load`: bring the weights into memory, and deliver() each: say where it lies. A lazy loader
 *                 delivers later, in fetch()
 *     the phase `use`: weighbridge reads every delivered tensor, once a pass, as inference would, and holds its bytes
 *                 against a plain read of the checkpoint. Around each tensor it calls fetch() before and done() after,
 *                 where the strategy has them
 *     release()   the phase `release`: give everything back
 *
 * Memory from allocate() is counted as weights or staging, that from map() as file pages. A library may as well do what
 * a loader does: malloc, mmap, open and read files, start threads. All of it is measured, and what is not from
 * allocate() counts as overhead. (malloc is the worker's own allocator; what is freed may stay resident for some
 * seconds before it goes back to the kernel, as everywhere.) What the library prints goes to standard error.
 *
 * A callback returns WEIGHBRIDGE_OK, or fails the trial with another status; fail() gives the reason. A callback that
 * fails ends the worker process, so nothing has to be given back then. A crash, an exit, a C++ exception and wrong
 * bytes fail the trial, too, and nothing else; a loader that never ends is ended by --timeout, which is off by default.
 * Do not keep processes that you fork: they are ended with the trial only where it runs in a cgroup.
 *
 * The library runs with all rights of the user who asked for it. It is loaded by dlopen(): a weighbridge-worker
 * that is linked statically cannot take one.
 */
#ifndef WEIGHBRIDGE_PLUGIN_H
#define WEIGHBRIDGE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change that is not an addition at the end of struct weighbridge_load. A library of another version
 * is refused. */
#define WEIGHBRIDGE_PLUGIN_ABI 1

enum {
  WEIGHBRIDGE_OK = 0,
  WEIGHBRIDGE_FAILED = 1,
  WEIGHBRIDGE_REFUSED = 2 /* memory was refused: the verdict is `refused`, with the limits behind it */
};

/* What memory from allocate() is for. */
enum weighbridge_purpose {
  WEIGHBRIDGE_WEIGHTS = 0, /* what is kept: tensors as they are delivered */
  WEIGHBRIDGE_STAGING = 1  /* what loading needs on the way */
};

struct weighbridge_file {
  const char* path;
  uint64_t bytes;
};

/* Pointers in here live as long as the load. */
struct weighbridge_tensor {
  const char* name; /* UTF-8 of the checkpoint's making: it may hold any character; a zero follows its last one */
  size_t name_bytes;
  const char* stored_dtype; /* "f32", "bf16", "q8_0", ... as `weighbridge list` names them */
  /* What has to be delivered: the cell's dtype, or the stored one where the tensor has no values to convert. Elements
   * in C order, little-endian, packed; int8: a float scale for each row (of the first dimension; of rank 0 or 1 the
   * whole tensor is one), then the codes of all rows. */
  const char* loaded_dtype;
  const uint64_t* shape;
  size_t rank;
  uint64_t elements;
  uint64_t stored_bytes, loaded_bytes;
  uint64_t unit_bytes; /* convert() takes whole units of so many stored bytes */
  int converted;       /* loaded_dtype is not stored_dtype */
  int plain;           /* its stored bytes lie in the file as they are; 0: only read() can get them (compressed, ...) */
  uint32_t file;       /* where it is plain: at `offset` of this file */
  uint64_t offset;
  uint32_t same_as; /* the earlier tensor that has the same elements (tied weights), else its own index */
};

/* One load of one checkpoint, and what weighbridge does for it. Each function takes `host` first. They may be called
 * from any thread while a callback runs. Those that return a status fail with a message of their own, which the trial
 * reports where the callback returns that status. */
struct weighbridge_load {
  size_t struct_size; /* of this struct in the weighbridge that runs: it may have more at its end than you know */
  void* host;
  const char* checkpoint; /* the path as given */
  const char* format;     /* "safetensors", "gguf", ... */
  const char* dtype;      /* "native", "f16", ... */
  uint32_t files, tensors;

  int (*file)(void* host, uint32_t index, struct weighbridge_file* out);
  int (*tensor)(void* host, uint32_t index, struct weighbridge_tensor* out);

  /* The value of one of the strategy's options; NULL for a name that it has not. */
  const char* (*option)(void* host, const char* name);
  /* The same as a size: "8MiB", "4096". */
  int (*option_bytes)(void* host, const char* name, uint64_t* bytes);

  /* Whole pages, page-aligned, not touched; NULL where they were refused: return WEIGHBRIDGE_REFUSED then. */
  void* (*allocate)(void* host, enum weighbridge_purpose purpose, size_t bytes);
  int (*release)(void* host, void* address);

  /* Maps a whole file, private and read-only; NULL where that was refused, or the file is empty. */
  const void* (*map)(void* host, uint32_t file);
  int (*unmap)(void* host, const void* address);
  /* Gives pages of a mapping back: they are read again when touched. */
  int (*drop)(void* host, const void* address, size_t bytes);

  /* Reads stored bytes [begin, begin + bytes) of a tensor's elements, plain or not. */
  int (*read)(void* host, uint32_t tensor, uint64_t begin, size_t bytes, void* to);
  /* `from` holds stored bytes [begin, begin + bytes) of a tensor, whole units. They go, converted where they have to
   * be, to their place in `whole`, which has loaded_bytes. No alignment is needed. */
  int (*convert)(void* host, uint32_t tensor, uint64_t begin, size_t bytes, const void* from, void* whole);

  /* The tensor lies at `address` now, `bytes` of it (loaded_bytes, else it fails). Delivered in load(), it stays there
   * until release(); delivered in fetch(), until done() of this tensor, where the strategy has that. Delivered again,
   * the last place counts. Every tensor has to be delivered before it is used, those that have the same elements each;
   * one of 0 bytes need not be. */
  int (*deliver)(void* host, uint32_t tensor, const void* address, uint64_t bytes);

  /* Keeps a message (one line: what, where, what to do) for the trial. Returns WEIGHBRIDGE_FAILED, to be returned. */
  int (*fail)(void* host, const char* message);
};

struct weighbridge_option {
  const char* name;     /* letters, digits, - and _; as in mine:chunk=8MiB */
  const char* fallback; /* its value when it is not given */
  const char* summary;
};

struct weighbridge_strategy {
  const char* name;      /* letters, digits, - and _; of no built-in strategy */
  const char* mechanism; /* one line: what it does */
  const char* cost; /* the need at its peak, as "S + T": S stored bytes, T bytes as loaded, L largest staging copy */
  const struct weighbridge_option* options; /* may be NULL */
  size_t option_count;                      /* at most 64 */

  /* `*state` is NULL before, and handed to the others as load() left it. */
  int (*load)(const struct weighbridge_load* load, void** state);
  int (*fetch)(const struct weighbridge_load* load, void* state, uint32_t tensor); /* may be NULL */
  int (*done)(const struct weighbridge_load* load, void* state, uint32_t tensor);  /* may be NULL */
  int (*release)(const struct weighbridge_load* load, void* state);
};

struct weighbridge_library {
  uint32_t abi;         /* WEIGHBRIDGE_PLUGIN_ABI */
  uint32_t struct_size; /* sizeof(struct weighbridge_strategy) */
  const char* name;     /* of the library, for reports */
  const char* version;  /* "1.0"; may be NULL */
  const struct weighbridge_strategy* strategies;
  size_t strategy_count; /* 1 to 64 */
};

#ifdef __GNUC__
#define WEIGHBRIDGE_EXPORT __attribute__((visibility("default")))
#else
#define WEIGHBRIDGE_EXPORT
#endif

/* What the library exports. Called once in a process; what it returns lives as long as the library. */
WEIGHBRIDGE_EXPORT const struct weighbridge_library* weighbridge_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
