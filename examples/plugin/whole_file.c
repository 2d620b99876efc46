/* whole-file: a loader of one's own as a plug-in for weighbridge, to start from.
 *
 *     cc -std=c99 -O2 -shared -fPIC -I<prefix>/include -o whole_file.so whole_file.c
 *     weighbridge run model.safetensors --plugin whole_file.so --strategy eager,whole-file
 *
 * Mechanism: each file is read whole into one malloc'ed block, as a program does that wants its model "in memory"; a
 * tensor is then a pointer into the block. One that is converted, or does not lie plainly in the file, gets a buffer of
 * its own. The blocks stay until the end, even where every tensor was converted.
 * Need: S native, S + T converted. It shows as overhead, since malloc knows no purpose.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weighbridge/plugin.h>

struct whole_file {
  char** blocks;  /* by file */
  void** buffers; /* by tensor; NULL where it lies in a block */
};

static int fail_errno(const struct weighbridge_load* load, const char* call, const char* path) {
  const int number = errno;
  char message[512];
  snprintf(message, sizeof(message), "%s %.300s: %s", call, path, strerror(number));
  load->fail(load->host, message);
  return number == ENOMEM ? WEIGHBRIDGE_REFUSED : WEIGHBRIDGE_FAILED;
}

/* The whole file in pieces of `step` bytes. */
static int read_whole(const struct weighbridge_load* load, const struct weighbridge_file* file, uint64_t step,
                      char* to) {
  const int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail_errno(load, "open", file->path);
  int status = WEIGHBRIDGE_OK;
  for (uint64_t done = 0; done < file->bytes && status == WEIGHBRIDGE_OK;) {
    const uint64_t left = file->bytes - done;
    const ssize_t got = pread(descriptor, to + done, (size_t)(left < step ? left : step), (off_t)done);
    if (got > 0) {
      done += (uint64_t)got;
    } else if (got == 0) {
      status = load->fail(load->host, "the file has become shorter while it was read");
    } else if (errno != EINTR) {
      status = fail_errno(load, "pread", file->path);
    }
  }
  close(descriptor);
  return status;
}

/* A tensor that its block does not hold as it has to be delivered. */
static int make_buffer(const struct weighbridge_load* load, const struct weighbridge_tensor* tensor, uint32_t index,
                       const char* block, void** buffer) {
  *buffer = malloc((size_t)tensor->loaded_bytes);
  if (*buffer == NULL) return fail_errno(load, "malloc", "of a tensor");
  if (tensor->plain) {
    return load->convert(load->host, index, 0, (size_t)tensor->stored_bytes, block + tensor->offset, *buffer);
  }
  if (!tensor->converted) return load->read(load->host, index, 0, (size_t)tensor->stored_bytes, *buffer);
  void* const stored = malloc((size_t)tensor->stored_bytes);
  if (stored == NULL) return fail_errno(load, "malloc", "of a tensor as it is stored");
  int status = load->read(load->host, index, 0, (size_t)tensor->stored_bytes, stored);
  if (status == WEIGHBRIDGE_OK) {
    status = load->convert(load->host, index, 0, (size_t)tensor->stored_bytes, stored, *buffer);
  }
  free(stored);
  return status;
}

static int load_blocks(const struct weighbridge_load* load, struct whole_file* whole) {
  uint64_t step = 0;
  int status = load->option_bytes(load->host, "read", &step);
  for (uint32_t index = 0; index < load->files && status == WEIGHBRIDGE_OK; ++index) {
    struct weighbridge_file file;
    status = load->file(load->host, index, &file);
    if (status != WEIGHBRIDGE_OK) break;
    whole->blocks[index] = malloc((size_t)file.bytes);
    if (whole->blocks[index] == NULL && file.bytes > 0) return fail_errno(load, "malloc", "of a whole file");
    status = read_whole(load, &file, step, whole->blocks[index]);
  }
  return status;
}

static int load_whole_file(const struct weighbridge_load* load, void** state) {
  struct whole_file* const whole = calloc(1, sizeof(*whole));
  if (whole == NULL) return fail_errno(load, "calloc", "of the state");
  *state = whole;
  whole->blocks = calloc(load->files + 1u, sizeof(*whole->blocks));
  whole->buffers = calloc(load->tensors + 1u, sizeof(*whole->buffers));
  if (whole->blocks == NULL || whole->buffers == NULL) return fail_errno(load, "calloc", "of the tables");
  int status = load_blocks(load, whole);
  for (uint32_t index = 0; index < load->tensors && status == WEIGHBRIDGE_OK; ++index) {
    struct weighbridge_tensor tensor;
    status = load->tensor(load->host, index, &tensor);
    if (status != WEIGHBRIDGE_OK || tensor.loaded_bytes == 0) continue;
    const char* const block = whole->blocks[tensor.file];
    const void* at = block + tensor.offset;
    if (tensor.same_as != index && whole->buffers[tensor.same_as] != NULL) {
      at = whole->buffers[tensor.same_as]; /* tied weights are converted once */
    } else if (tensor.converted || !tensor.plain) {
      status = make_buffer(load, &tensor, index, block, &whole->buffers[index]);
      at = whole->buffers[index];
    }
    if (status == WEIGHBRIDGE_OK) status = load->deliver(load->host, index, at, tensor.loaded_bytes);
  }
  return status;
}

static int release_whole_file(const struct weighbridge_load* load, void* state) {
  struct whole_file* const whole = state;
  for (uint32_t index = 0; index < load->tensors; ++index) free(whole->buffers[index]);
  for (uint32_t index = 0; index < load->files; ++index) free(whole->blocks[index]);
  free(whole->buffers);
  free(whole->blocks);
  free(whole);
  return WEIGHBRIDGE_OK;
}

const struct weighbridge_library* weighbridge_plugin(void) {
  static const struct weighbridge_option options[] = {{"read", "8MiB", "bytes read at a time"}};
  static const struct weighbridge_strategy strategies[] = {
      {"whole-file", "each file read whole into one malloc'ed block, tensors are pointers into it",
       "S native, S + T converted", options, 1, load_whole_file, NULL, NULL, release_whole_file}};
  static const struct weighbridge_library plugin = {
      WEIGHBRIDGE_PLUGIN_ABI, sizeof(struct weighbridge_strategy), "whole-file-example", "1.0", strategies, 1};
  return &plugin;
}
