// Calls into a plug-in: its statuses and texts become our errors, what it throws is caught, its objects are owned.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onnx/sardonyx_backend.h"
#include "runtime/base/status.h"

namespace sardonyx::plugin {

inline constexpr size_t error_size = 1024;

// A status that a plug-in may fail with; anything else is InternalError.
inline Status failure_status(onnxStatus status) {
  const bool failure = status != 0 && Status(status) != Status::Fallback;
  return failure && std::string_view(status_name(Status(status))) != "UNKNOWN" ? Status(status) : Status::InternalError;
}

// Runs `entry(error, error_size)`, which returns an onnxStatus. Throws Error with the plug-in's status and text, behind
// "plug-in 'name': entry: ", unless it succeeds.
template <class F>
void call(std::string_view plugin, std::string_view name, F&& entry) {
  char text[error_size] = "";
  onnxStatus status = int32_t(Status::InternalError);
  try {
    status = entry(text, error_size);
  } catch (const std::exception& error) {
    fail(Status::InternalError, "plug-in '", plugin, "': ", name, " threw: ", error.what());
  } catch (...) {
    fail(Status::InternalError, "plug-in '", plugin, "': ", name, " threw an exception");
  }
  text[error_size - 1] = '\0';
  if (status == int32_t(Status::Success)) return;
  const Status code = failure_status(status);
  fail(code, "plug-in '", plugin, "': ", name, ": ", *text != '\0' ? text : status_name(code), " (status ", status,
       ")");
}

struct ReleaseObject {
  void operator()(sardonyxObject* object) const { object->release(object); }
};
using Object = std::unique_ptr<sardonyxObject, ReleaseObject>;

// Room for objects that an entry stores, whether it succeeds or not: those that nobody takes are released.
class Slots {
 public:
  explicit Slots(size_t count) : objects_(count) {}
  ~Slots() {
    for (sardonyxObject* object : objects_)
      if (object != nullptr && object->release != nullptr) object->release(object);
  }
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;
  sardonyxObject** data() { return objects_.data(); }
  // Throws Error(InternalError), saying which entry of which plug-in it was, when there is none.
  Object take(size_t i, std::string_view plugin, std::string_view entry) {
    check(objects_[i] != nullptr && objects_[i]->release != nullptr, "plug-in '", plugin, "': ", entry,
          " succeeded without an object that can be released");
    return Object(std::exchange(objects_[i], nullptr));
  }

 private:
  std::vector<sardonyxObject*> objects_;
};

}  // namespace sardonyx::plugin
