// Running a program: Context (threads of one backend handle) and Session (one onnxGraph).
//
//   auto context = Context::create(settings, devices);            // onnxInitBackend
//   auto session = std::make_shared<Session>(program, context);   // onnxInitGraph
//   auto binding = session->bind(inputs, outputs);                // onnxSetGraphIO: plan
//   session->submit(binding, input_event, output_event);          // onnxRunGraph: replay, asynchronous
//   session->wait_idle();                                         // onnxReleaseGraph
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/settings.h"
#include "runtime/base/tensor.h"
#include "runtime/device.h"
#include "runtime/event.h"
#include "runtime/program.h"

namespace sardonyx::runtime {

class Dispatcher;  // owns the worker team and the queue of ready runs

// The threads and open devices behind one backend handle. Threads start with the first run that needs them and are
// joined when the last owner goes away (also when that owner is one of the dispatcher's own callbacks).
class Context {
 public:
  // `devices`: by the numbers that programs give them; [0], the host, is null.
  static std::shared_ptr<Context> create(const Settings& settings, std::vector<DevicePtr> devices = {});
  ~Context();
  const Settings& settings() const { return settings_; }
  const std::vector<DevicePtr>& devices() const { return devices_; }
  Dispatcher& dispatcher() { return *dispatcher_; }

 private:
  Context(const Settings& settings, std::vector<DevicePtr> devices);
  Settings settings_;
  std::vector<DevicePtr> devices_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

// A buffer of the host application with the shape that it described. Order follows Program::inputs / outputs.
struct HostTensor {
  void* data = nullptr;
  Dims dims;
  // Instead of `data`: memory of a device of the program, large enough. It is used in place where the program copies
  // between it and a temporary of that device, else copied. Two tensors overlap when `memory` is the same object.
  DeviceMemoryPtr memory{};
  int32_t device = 0;
  // What `data` belongs to, kept alive until the last run is done; its elements are the library's own, never packed.
  // The results of a run (Event::results) have it in the place of this output.
  Tensor owner{};
  // An output that the run allocates itself, and hands out as a result: `data` and `dims` are not looked at.
  bool collect = false;
};

class Binding;  // a plan with host buffers; immutable after bind, shared by the runs submitted with it

class Session : public std::enable_shared_from_this<Session> {
 public:
  // Loads the kernels and constants of the program's devices, if it has any; throws Error when that fails.
  Session(std::shared_ptr<const Program> program, std::shared_ptr<Context> context);
  ~Session();

  const Program& program() const { return *program_; }

  // Plans for the shapes and remembers the buffers. Plans are cached by shape (LRU), so re-binding other buffers of a
  // known shape costs well under a microsecond. Does not touch buffers. Never waits for runs.
  // Throws MismatchingShape (rank, static dim, one symbol with two values, output shape not the one that follows from
  // the inputs; for data-dependent outputs only the rank counts), UnsupportedShape, NoSystemMemory, NoDeviceMemory.
  std::shared_ptr<Binding> bind(std::span<const HostTensor> inputs, std::span<const HostTensor> outputs);

  // Output shapes for input shapes; data-dependent dims are -1. Throws MismatchingShape.
  std::vector<Dims> infer(std::span<const Dims> inputs);

  // Starts a run once `input` is signalled; returns at once. A small run may execute inline: on the calling thread when
  // its input is signalled already, else on the thread that signals it. Signals `output` with the run's status. If
  // `input` carries a failure the run fails with that status. Waiting for a device takes no thread, except inside If
  // and Loop. Runs that share buffers execute in order of submission; a run whose input is unsignalled does not stop
  // others. Several threads may submit. The session stays alive until its runs are done.
  void submit(std::shared_ptr<Binding> binding, EventPtr input, EventPtr output);

  // Returns once every submitted run has signalled its output.
  void wait_idle();

 private:
  struct State;
  std::shared_ptr<Context> context_;
  std::unique_ptr<State> state_;
  std::shared_ptr<const Program> program_;
};

}  // namespace sardonyx::runtime
