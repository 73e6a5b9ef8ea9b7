// What backend and event handles stand for. Everything is shared: a graph keeps the run-time context of its backend
// alive, a run keeps its events alive, whatever the host releases first.
#pragma once
#include <memory>
#include <vector>

#include "backends/choices.h"
#include "onnxifi/handles.h"
#include "runtime/event.h"
#include "runtime/session.h"

namespace sardonyx::onnxifi {

struct BackendObject {
  static constexpr Kind kind = Kind::Backend;
  static constexpr Status invalid = Status::InvalidBackend;
  static constexpr const char* noun = "backend";

  const backends::BackendChoice* choice = nullptr;
  std::vector<backends::DeviceInfo> devices;  // of the choice, as graphs are compiled for them
  std::shared_ptr<runtime::Context> context;
};

// An event made by onnxInitEvent, or by a run as its output fence.
struct EventObject : runtime::Event {
  static constexpr Kind kind = Kind::Event;
  static constexpr Status invalid = Status::InvalidEvent;
  static constexpr const char* noun = "event";

  explicit EventObject(bool made_by_run) : made_by_run(made_by_run) {}
  // The run will signal it even when the host drops its handle; nobody would signal a host's event after that.
  const bool made_by_run;
};

}  // namespace sardonyx::onnxifi
