// Commands on their way through a queue, from enqueueing to what became of them.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/memory.h"
#include "runtime/base/trace.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

// Memory that launches share: a queue runs them one after the other. Used by the thread that submits, under its lock.
struct SharedMemory {
  cl_context context = nullptr;
  cl_device_id device = nullptr;
  MemoryPtr scratch;              // grows as launches ask for more
  std::vector<MemoryPtr> status;  // words that hold 0, for submissions to come

  // Throw Error(NoDeviceMemory).
  MemoryPtr scratch_of(int64_t bytes);
  MemoryPtr take_status();
};

class Submission {
 public:
  explicit Submission(std::span<const runtime::DeviceCommand> commands) : commands_(commands.begin(), commands.end()) {}

  // Enqueues commands up to the first that fails. Never throws: a failure becomes the outcome.
  void enqueue(cl_command_queue queue, SharedMemory& shared);
  // Sets the outcome when there is none yet.
  void fail(Status status, std::string text);
  // Of the command enqueued last; null when there is none.
  cl_event last_event() const { return events_.empty() ? nullptr : events_.back().event.get(); }

  // What follows is for when the last event is done.
  // How it ended: the failure of enqueueing, else of the first command that failed on the device.
  runtime::Completion outcome() const;
  void trace(Trace& trace, const std::string& device) const;
  // The word to be used again; null when there was none or it is not 0 any more.
  MemoryPtr release_status();

 private:
  struct Enqueued {
    size_t command;
    EventOwner event;
  };

  void enqueue_command(size_t index, cl_command_queue queue, SharedMemory& shared);
  void enqueue_launch(size_t index, cl_command_queue queue, SharedMemory& shared);
  std::string describe(size_t command) const;

  // All that the device works on stays alive with it.
  std::vector<runtime::DeviceCommand> commands_;
  std::vector<MemoryPtr> scratch_;
  std::vector<Enqueued> events_;
  int64_t enqueued_ns_ = 0;
  // One word for all kernels with checks, read back after each of them: codes_[i] belongs to command checked_[i].
  MemoryPtr status_;
  std::vector<int32_t> codes_;
  std::vector<size_t> checked_;
  runtime::Completion failure_;
};

}  // namespace sardonyx::opencl
