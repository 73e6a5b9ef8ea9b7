// The timeline of a device: an in-order command queue, and a thread that ends submissions.
//
// A submission is enqueued by the thread that submits it and never waited for there. When its last command is done, the
// driver wakes our thread, which works out how it ended, lets go of what it held, and tells who waits. The thread
// exists because OpenCL forbids nearly everything inside its callbacks, and because waiting inside some drivers burns a
// core.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "backends/opencl/cl.h"
#include "runtime/base/trace.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

class Queue {
 public:
  // `name` is for texts and traces. With a trace the queue measures its commands and writes them there. Throws Error.
  Queue(ContextOwner context, cl_device_id device, std::string name, Trace* trace);
  // Waits for all submissions, unless called by a `done` of wait or in a fork of the process that made the queue.
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  cl_context context() const;
  // Throws Error(BackendUnavailable) when the device is lost or this process is a fork of the one that opened it.
  void require_alive() const;

  // As in runtime::Device.
  runtime::Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t run);
  runtime::Completion wait(runtime::Point point, std::function<void(const runtime::Completion&)> done);

 private:
  struct Core;
  std::shared_ptr<Core> core_;
  std::thread thread_;
};

}  // namespace sardonyx::opencl
