// Plug-ins that must be left out, one per value of BAD.
#include <stdexcept>

#include "onnx/sardonyx_backend.h"

#define NO_SYMBOL 1
#define NO_TABLE 2
#define WRONG_VERSION 3
#define SHORT_TABLE 4
#define NO_ENTRY 5
#define BAD_NAME 6
#define THROWS 7
#define NO_NAME 8

namespace {

onnxStatus discover(void (*)(void*, const sardonyxDevice*), void*, char*, size_t) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus open(const char*, const sardonyxSettings*, sardonyxObject**, char*, size_t) {
  return ONNXIFI_STATUS_BACKEND_UNAVAILABLE;
}
onnxStatus candidates(const char*, const sardonyxGroup*, void (*)(void*, const sardonyxCandidate*),
                      void (*)(void*, const char*), void*, char*, size_t) {
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus compile(const char*, const sardonyxChosen*, size_t, const sardonyxSettings*, sardonyxObject**, char*,
                   size_t) {
  return ONNXIFI_STATUS_INTERNAL_ERROR;
}
onnxStatus allocate(sardonyxObject*, int64_t, sardonyxObject**, char*, size_t) {
  return ONNXIFI_STATUS_NO_DEVICE_MEMORY;
}
onnxStatus load(sardonyxObject*, sardonyxObject* const*, size_t, sardonyxObject**, char*, size_t) {
  return ONNXIFI_STATUS_INTERNAL_ERROR;
}
uint64_t submit(sardonyxObject*, const sardonyxCommand*, size_t, uint64_t) { return 0; }
onnxStatus wait(sardonyxObject*, uint64_t, void (*)(void*, onnxStatus, const char*), void*, char*, size_t) {
  return ONNXIFI_STATUS_SUCCESS;
}

const sardonyxBackend table = {BAD == WRONG_VERSION ? 99u : SARDONYX_BACKEND_VERSION,
                               BAD == SHORT_TABLE ? 16u : uint32_t(sizeof(sardonyxBackend)),
                               BAD == BAD_NAME  ? "Not A Name"
                               : BAD == NO_NAME ? nullptr
                                                : "bad",
                               discover,
                               BAD == NO_ENTRY ? nullptr : open,
                               candidates,
                               compile,
                               allocate,
                               load,
                               submit,
                               wait};

const sardonyxBackend* answer() {
  if (BAD == THROWS) throw std::runtime_error("not today");
  return BAD == NO_TABLE ? nullptr : &table;
}

}  // namespace

#if BAD == NO_SYMBOL
extern "C" ONNXIFI_PUBLIC const sardonyxBackend* sardonyx_backend_v0() { return answer(); }
#else
extern "C" ONNXIFI_PUBLIC const sardonyxBackend* sardonyx_backend_v1() { return answer(); }
#endif
