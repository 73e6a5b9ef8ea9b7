// A library that implements ONNXIFI, opened as any host opens it: dlopen and the names of the C ABI. Nothing else of
// the engine is reachable from the commands, so what they show is what every host gets.
//
//   Library library("");                          // searched as `--help` says
//   Device device = pick_device(library, "cpu");  // by position, or by a part of its name
//   library.check(library.fn().onnxInitBackend(device.id(), nullptr, &backend), "onnxInitBackend");
//
// A failure is an Error with the library's status and its text (onnxxGetLastError) where it offers one.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"
#include "onnx/onnxifi_x.h"

namespace sardonyx::tools {

// The functions every ONNXIFI library has, and those that came with its extension header.
#define SARDONYX_REQUIRED_FUNCTIONS(X)                                                                               \
  X(onnxGetBackendIDs)                                                                                               \
  X(onnxReleaseBackendID)                                                                                            \
  X(onnxGetBackendInfo)                                                                                              \
  X(onnxGetBackendCompatibility)                                                                                     \
  X(onnxInitBackend) X(onnxReleaseBackend) X(onnxInitEvent) X(onnxSignalEvent) X(onnxGetEventState) X(onnxWaitEvent) \
      X(onnxReleaseEvent) X(onnxInitGraph) X(onnxSetGraphIO) X(onnxRunGraph) X(onnxReleaseGraph)
#define SARDONYX_OPTIONAL_FUNCTIONS(X) X(onnxGetExtensionFunctionAddress) X(onnxSetIOAndRunGraph)

struct Functions {
#define SARDONYX_DECLARE(name) decltype(&::name) name = nullptr;
  SARDONYX_REQUIRED_FUNCTIONS(SARDONYX_DECLARE)
  SARDONYX_OPTIONAL_FUNCTIONS(SARDONYX_DECLARE)
#undef SARDONYX_DECLARE
};

class Library {
 public:
  // Opens `path`, or, when it is empty, the first of: SARDONYX_LIBRARY; libonnxifi.so beside the executable, in ../lib
  // (installed) and ../onnxifi (built); the bare name. Throws UsageError when nothing opens. Opening starts nothing in
  // the library.
  explicit Library(const std::string& path);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const Functions& fn() const { return functions_; }
  const std::string& path() const { return path_; }

  // The extension function of that name, or null when the library or the device has none.
  template <class Function>
  Function extension(onnxBackendID id, const char* name) const {
    return reinterpret_cast<Function>(reinterpret_cast<void (*)()>(find_extension(id, name)));
  }

  // From now on check() can ask for the library's texts; they are fetched through a backend ID.
  void load_error_text(onnxBackendID id) const {
    last_error_ = extension<onnxxGetLastErrorFunction>(id, "onnxxGetLastError");
  }
  // Throws Error(status, "call: STATUS: text") unless SUCCESS.
  void check(onnxStatus status, const std::string& call) const;

 private:
  onnxExtensionFunctionPointer find_extension(onnxBackendID id, const char* name) const;
  bool open(const std::string& path, std::string& problem);

  void* handle_ = nullptr;
  std::string path_;
  Functions functions_;
  mutable onnxxGetLastErrorFunction last_error_ = nullptr;
};

// One backend ID. It stays referenced until the process ends, which is what a short-lived tool wants.
class Device {
 public:
  Device(const Library& library, onnxBackendID id) : library_(&library), id_(id) {}
  onnxBackendID id() const { return id_; }
  const Library& library() const { return *library_; }

  // Empty, or nothing, when the device does not report the item.
  std::string text(onnxBackendInfo item) const;
  std::optional<uint64_t> number(onnxBackendInfo item) const;
  // "vendor name (device)" for headings.
  std::string title() const;

 private:
  const Library* library_;
  onnxBackendID id_;
};

std::vector<Device> list_devices(const Library& library);
// "" is the first, a number a position, anything else a part of the name, the device or the kind, in any case.
Device pick_device(const Library& library, const std::string& selector);
// "CPU", "GPU", ... of ONNXIFI_BACKEND_DEVICE_TYPE.
std::string device_kind(const Device& device);

}  // namespace sardonyx::tools
