/* Libraries that are no plug-in, each in its own way: built once for each with -DCASE=N. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <weighbridge/plugin.h>

static int nothing(const struct weighbridge_load* load, void** state) {
  (void)load, (void)state;
  return WEIGHBRIDGE_OK;
}
static int release(const struct weighbridge_load* load, void* state) {
  (void)load, (void)state;
  return WEIGHBRIDGE_OK;
}

#if CASE == 1 /* of another version, whatever else lies in it */
#define LIBRARY \
  { WEIGHBRIDGE_PLUGIN_ABI + 1, 0, (const char*)1, (const char*)1, (const void*)1, 1 }
#elif CASE == 2 /* more strategies than anybody has */
#define LIBRARY \
  { WEIGHBRIDGE_PLUGIN_ABI, sizeof(struct weighbridge_strategy), "broken", "1", (const void*)1, 1000000000 }
#elif CASE == 3 /* more options */
static const struct weighbridge_strategy strategies[] = {
    {"broken", "m", "c", (const void*)1, 1000000000, nothing, NULL, NULL, release}};
#elif CASE == 4 /* no name */
static const struct weighbridge_strategy strategies[] = {{NULL, NULL, NULL, NULL, 0, nothing, NULL, NULL, release}};
#elif CASE == 5 /* a name that the command line would take apart */
static const struct weighbridge_strategy strategies[] = {
    {"a,b:c=\033[2J", "m", "c", NULL, 0, nothing, NULL, NULL, release}};
#elif CASE == 6 /* a built-in strategy's name */
static const struct weighbridge_strategy strategies[] = {{"eager", "m", "c", NULL, 0, nothing, NULL, NULL, release}};
#elif CASE == 7 /* nothing that loads */
static const struct weighbridge_strategy strategies[] = {{"broken", "m", "c", NULL, 0, NULL, NULL, NULL, release}};
#elif CASE == 8 /* a text that moves the cursor */
static const struct weighbridge_strategy strategies[] = {
    {"broken", "\033[2J", "c", NULL, 0, nothing, NULL, NULL, release}};
#elif CASE == 9 /* a table that is not there */
#define LIBRARY \
  { WEIGHBRIDGE_PLUGIN_ABI, sizeof(struct weighbridge_strategy), "broken", "1", (const void*)1, 1 }
#else
static const struct weighbridge_strategy strategies[] = {{"broken", "m", "c", NULL, 0, nothing, NULL, NULL, release}};
#endif
#ifndef LIBRARY
#define LIBRARY \
  { WEIGHBRIDGE_PLUGIN_ABI, sizeof(struct weighbridge_strategy), "broken", "1", strategies, 1 }
#endif

#if CASE == 10 /* no entry */
const struct weighbridge_strategy* another_function(void) {
  (void)nothing, (void)release;
  return strategies;
}
#elif CASE == 11 /* nothing to say */
const struct weighbridge_library* weighbridge_plugin(void) {
  return strategies[0].load == nothing ? NULL : NULL;
}
#elif CASE == 12 /* ends the process */
const struct weighbridge_library* weighbridge_plugin(void) {
  _exit(strategies[0].name == NULL);
}
#else
const struct weighbridge_library* weighbridge_plugin(void) {
  static const struct weighbridge_library library = LIBRARY;
  (void)nothing, (void)release;
#if CASE == 13   /* never comes back */
  for (;;) pause();
#elif CASE == 14 /* misses a function */
  extern void is_nowhere(void);
  is_nowhere();
#elif CASE == 15 /* leaves a process behind, and is right */
  if (fork() == 0) {
    sleep(20);
    _exit(0);
  }
#endif
  return &library;
}
#endif
