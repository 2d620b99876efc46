/* A plug-in that is right until its option says otherwise: faulty:fault=WHAT,at=CALLBACK,tensor=N. Built by the test as
 * a user would, against the installed header alone.
 *
 * Anywhere:       crash abort exit hang fail silent leak print fork spike
 * In load alone:  wrong null short unmapped small undelivered twice refused beyond release-twice release-foreign
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weighbridge/plugin.h>

enum { kPage = 4096, kThreads = 4, kLeak = 8 << 20, kSpike = 96 << 20 };

static int is(const struct weighbridge_load* load, const char* fault) {
  return strcmp(load->option(load->host, "fault"), fault) == 0;
}

static uint32_t chosen(const struct weighbridge_load* load) {
  return (uint32_t)strtoul(load->option(load->host, "tensor"), NULL, 10);
}

static int misbehave(const struct weighbridge_load* load, const char* here) {
  int* volatile nowhere = NULL;
  if (strcmp(load->option(load->host, "at"), here) != 0) return WEIGHBRIDGE_OK;
  if (is(load, "crash")) *nowhere = 1;
  if (is(load, "abort")) abort();
  if (is(load, "exit")) _exit(0);
  while (is(load, "hang")) pause();
  if (is(load, "fail")) return load->fail(load->host, "the coffee is out\n\033[2J");
  if (is(load, "silent")) return 7;
  if (is(load, "leak")) memset(malloc(kLeak), 1, kLeak);
  if (is(load, "print")) {
    printf("printed by the plug-in\n");
    fflush(stdout);
  }
  if (is(load, "spike")) { /* there and gone before anybody takes a sample */
    void* const pages = mmap(NULL, kSpike, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(pages, 1, kSpike);
    munmap(pages, kSpike);
  }
  if (is(load, "fork") && fork() == 0) { /* holds every descriptor of the worker, and outlives it */
    sleep(20);
    _exit(0);
  }
  return WEIGHBRIDGE_OK;
}

/* Where a tensor's bytes end at the end of what is mapped, `missing` too early. */
static void* at_the_edge(const struct weighbridge_load* load, uint32_t index, const struct weighbridge_tensor* tensor) {
  const size_t bytes = (size_t)tensor->stored_bytes, there = bytes / 2 / kPage * kPage;
  char* const both = mmap(NULL, there + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  load->read(load->host, index, 0, there, both);
  munmap(both + there, kPage);
  return both;
}

/* Delivers the chosen tensor wrongly, where the fault is about that. */
static int deliver(const struct weighbridge_load* load, uint32_t index, const struct weighbridge_tensor* tensor,
                   char* buffer) {
  void* const host = load->host;
  if (index == chosen(load)) {
    if (is(load, "wrong")) buffer[tensor->loaded_bytes / 2] ^= 1;
    if (is(load, "null")) return load->deliver(host, index, NULL, tensor->loaded_bytes);
    if (is(load, "short")) return load->deliver(host, index, buffer, tensor->loaded_bytes - 1);
    if (is(load, "unmapped")) return load->deliver(host, index, (void*)(16 * (size_t)kPage), tensor->loaded_bytes);
    if (is(load, "small")) return load->deliver(host, index, at_the_edge(load, index, tensor), tensor->loaded_bytes);
    if (is(load, "undelivered")) return WEIGHBRIDGE_OK;
    if (is(load, "beyond")) return load->read(host, index, tensor->stored_bytes, 1, buffer);
    if (is(load, "refused"))
      return load->allocate(host, WEIGHBRIDGE_WEIGHTS, (size_t)1 << 60) ? 1 : WEIGHBRIDGE_REFUSED;
    if (is(load, "release-foreign")) return load->release(host, buffer + kPage);
    if (is(load, "twice")) {
      const int status = load->deliver(host, index, (void*)(16 * (size_t)kPage), tensor->loaded_bytes);
      if (status != WEIGHBRIDGE_OK) return status;
    }
  }
  return load->deliver(host, index, buffer, tensor->loaded_bytes);
}

static int load_one(const struct weighbridge_load* load, uint32_t index, char** buffer) {
  struct weighbridge_tensor tensor;
  int status = load->tensor(load->host, index, &tensor);
  if (status != WEIGHBRIDGE_OK || tensor.loaded_bytes == 0) return status;
  *buffer = load->allocate(load->host, WEIGHBRIDGE_WEIGHTS, (size_t)tensor.loaded_bytes);
  if (*buffer == NULL) return WEIGHBRIDGE_REFUSED;
  void* const stored = load->allocate(load->host, WEIGHBRIDGE_STAGING, (size_t)tensor.stored_bytes);
  if (stored == NULL) return WEIGHBRIDGE_REFUSED;
  status = load->read(load->host, index, 0, (size_t)tensor.stored_bytes, stored);
  if (status == WEIGHBRIDGE_OK) {
    status = load->convert(load->host, index, 0, (size_t)tensor.stored_bytes, stored, *buffer);
  }
  if (status == WEIGHBRIDGE_OK) status = load->release(load->host, stored);
  if (status == WEIGHBRIDGE_OK && is(load, "release-twice")) status = load->release(load->host, stored);
  return status == WEIGHBRIDGE_OK ? deliver(load, index, &tensor, *buffer) : status;
}

/* eager: all in load(). */
static int load_all(const struct weighbridge_load* load, void** state) {
  char** const buffers = calloc(load->tensors + 1u, sizeof(*buffers));
  *state = buffers;
  int status = misbehave(load, "load");
  for (uint32_t index = 0; index < load->tensors && status == WEIGHBRIDGE_OK; ++index) {
    status = load_one(load, index, &buffers[index]);
  }
  return status;
}

/* all in load(), by threads that share the host's functions. */
struct part {
  const struct weighbridge_load* load;
  char** buffers;
  uint32_t first;
  int status;
};

static void* load_part(void* argument) {
  struct part* const part = argument;
  for (uint32_t index = part->first; index < part->load->tensors && part->status == WEIGHBRIDGE_OK; index += kThreads) {
    part->status = load_one(part->load, index, &part->buffers[index]);
  }
  return NULL;
}

static int load_by_threads(const struct weighbridge_load* load, void** state) {
  char** const buffers = calloc(load->tensors + 1u, sizeof(*buffers));
  *state = buffers;
  pthread_t threads[kThreads];
  struct part parts[kThreads];
  int status = WEIGHBRIDGE_OK;
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    parts[thread] = (struct part){load, buffers, thread, WEIGHBRIDGE_OK};
    if (pthread_create(&threads[thread], NULL, load_part, &parts[thread]) != 0) abort();
  }
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    pthread_join(threads[thread], NULL);
    if (parts[thread].status != WEIGHBRIDGE_OK) status = parts[thread].status;
  }
  return status;
}

static int release_all(const struct weighbridge_load* load, void* state) {
  char** const buffers = state;
  int status = misbehave(load, "release");
  for (uint32_t index = 0; index < load->tensors && status == WEIGHBRIDGE_OK; ++index) {
    status = load->release(load->host, buffers[index]);
  }
  free(buffers);
  return status;
}

/* one at a time: each tensor while it is used. */
static int load_none(const struct weighbridge_load* load, void** state) {
  *state = calloc(load->tensors + 1u, sizeof(char*));
  return misbehave(load, "load");
}

static int fetch_one(const struct weighbridge_load* load, void* state, uint32_t index) {
  const int status = index == chosen(load) ? misbehave(load, "fetch") : WEIGHBRIDGE_OK;
  return status == WEIGHBRIDGE_OK ? load_one(load, index, &((char**)state)[index]) : status;
}

static int done_with_one(const struct weighbridge_load* load, void* state, uint32_t index) {
  char** const buffers = state;
  const int status = load->release(load->host, buffers[index]);
  buffers[index] = NULL;
  return status == WEIGHBRIDGE_OK && index == chosen(load) ? misbehave(load, "done") : status;
}

/* a mapping, dropped tensor by tensor: native alone. */
static int load_mapped(const struct weighbridge_load* load, void** state) {
  const void* const mapping = load->map(load->host, 0);
  if (mapping == NULL) return WEIGHBRIDGE_REFUSED;
  *state = (void*)(size_t)mapping;
  int status = WEIGHBRIDGE_OK;
  for (uint32_t index = 0; index < load->tensors && status == WEIGHBRIDGE_OK; ++index) {
    struct weighbridge_tensor tensor;
    status = load->tensor(load->host, index, &tensor);
    if (status != WEIGHBRIDGE_OK) return status;
    if (tensor.converted || !tensor.plain || tensor.file != 0)
      return load->fail(load->host, "native in one file alone");
    status = load->deliver(load->host, index, (const char*)mapping + tensor.offset, tensor.loaded_bytes);
  }
  return status;
}

static int stay(const struct weighbridge_load* load, void* state, uint32_t index) {
  (void)load, (void)state, (void)index;
  return WEIGHBRIDGE_OK;
}

static int drop_one(const struct weighbridge_load* load, void* state, uint32_t index) {
  struct weighbridge_tensor tensor;
  const int status = load->tensor(load->host, index, &tensor);
  if (status != WEIGHBRIDGE_OK) return status;
  return load->drop(load->host, (const char*)state + tensor.offset, (size_t)tensor.stored_bytes);
}

static int release_mapped(const struct weighbridge_load* load, void* state) {
  return load->unmap(load->host, state);
}

const struct weighbridge_library* weighbridge_plugin(void) {
  static const struct weighbridge_option options[] = {
      {"fault", "none", "what goes wrong"}, {"at", "load", "where"}, {"tensor", "0", "with which tensor"}};
  static const struct weighbridge_strategy strategies[] = {
      {"faulty", "all at once, or as the option says", "T + L", options, 3, load_all, NULL, NULL, release_all},
      {"faulty-lazy", "one tensor at a time", "L", options, 3, load_none, fetch_one, done_with_one, release_all},
      {"faulty-map", "a mapping", "0", NULL, 0, load_mapped, stay, drop_one, release_mapped},
      {"faulty-threads", "all at once, by four threads", "T + 4 L", options, 3, load_by_threads, NULL, NULL,
       release_all}};
  static const struct weighbridge_library library = {
      WEIGHBRIDGE_PLUGIN_ABI, sizeof(struct weighbridge_strategy), "faulty", NULL, strategies, 4};
  return &library;
}
