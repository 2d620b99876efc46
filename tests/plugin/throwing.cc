// A plug-in in C++ that throws across the border.
#include <weighbridge/plugin.h>

#include <cstring>
#include <new>
#include <stdexcept>

namespace {

int load(const weighbridge_load* load, void**) {
  const char* what = load->option(load->host, "what");
  if (std::strcmp(what, "int") == 0) throw 7;
  if (std::strcmp(what, "bad_alloc") == 0) throw std::bad_alloc();
  throw std::runtime_error("there is no more of it");
}
int release(const weighbridge_load*, void*) {
  return WEIGHBRIDGE_OK;
}

const weighbridge_option options[] = {{"what", "error", "that is thrown"}};
const weighbridge_strategy strategies[] = {
    {"throwing", "throws", "nothing", options, 1, load, nullptr, nullptr, release}};

}  // namespace

const weighbridge_library* weighbridge_plugin() {
  static const weighbridge_library library = {
      WEIGHBRIDGE_PLUGIN_ABI, sizeof(weighbridge_strategy), "throwing", "0.1", strategies, 1};
  return &library;
}
