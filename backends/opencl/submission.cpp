#include "backends/opencl/submission.h"

#include "backends/opencl/loaded_kernel.h"
#include "backends/opencl/vendor_kernel.h"

namespace sardonyx::opencl {

namespace {

using runtime::DeviceCommand;
using Op = DeviceCommand::Op;

const char* op_name(Op op) {
  switch (op) {
    case Op::Launch:
      return "launch";
    case Op::Upload:
      return "upload";
    case Op::Download:
      return "download";
    case Op::Copy:
      return "copy";
  }
  return "command";
}

// Null when the kernel is generated code.
const VendorInvocation* vendor_of(const DeviceCommand& command) {
  return dynamic_cast<const VendorInvocation*>(command.invocation.get());
}

const Launch& launch_of(const DeviceCommand& command) { return static_cast<const Launch&>(*command.invocation); }

std::string kernel_name(const DeviceCommand& command) {
  const VendorInvocation* vendor = vendor_of(command);
  return vendor != nullptr ? vendor->name() : launch_of(command).kernel().name();
}

cl_mem buffer_of(const runtime::DeviceRange& range) { return static_cast<const Memory&>(*range.memory).get(); }

cl_ulong profile(cl_event event, cl_profiling_info what) {
  cl_ulong value = 0;
  check_call(clGetEventProfilingInfo(event, what, sizeof value, &value, nullptr), "clGetEventProfilingInfo");
  return value;
}

}  // namespace

MemoryPtr SharedMemory::scratch_of(int64_t bytes) {
  if (scratch == nullptr || scratch->bytes < bytes) scratch = Memory::allocate(context, device, bytes);
  return scratch;
}

MemoryPtr SharedMemory::take_status() {
  if (status.empty()) return Memory::allocate(context, device, sizeof(cl_int), true);
  MemoryPtr word = std::move(status.back());
  status.pop_back();
  return word;
}

void Submission::enqueue(cl_command_queue queue, SharedMemory& shared) {
  enqueued_ns_ = Trace::now_ns();
  for (size_t i = 0; i < commands_.size(); ++i) {
    try {
      enqueue_command(i, queue, shared);
    } catch (const Error& error) {
      return fail(error.status(), str(describe(i), ": ", error.text()));
    } catch (const std::bad_alloc&) {
      return fail(Status::NoSystemMemory, str(describe(i), ": out of memory"));
    }
  }
}

void Submission::enqueue_command(size_t index, cl_command_queue queue, SharedMemory& shared) {
  const DeviceCommand& command = commands_[index];
  if (command.op == Op::Launch) return enqueue_launch(index, queue, shared);
  if (command.bytes == 0) return;
  const runtime::DeviceRange& first = command.operands.at(0);
  const auto bytes = size_t(command.bytes), offset = size_t(first.offset);
  EventOwner event;
  switch (command.op) {
    case Op::Upload:
      check_call(
          clEnqueueWriteBuffer(queue, buffer_of(first), CL_FALSE, offset, bytes, command.host, 0, nullptr, event.out()),
          "clEnqueueWriteBuffer");
      break;
    case Op::Download:
      check_call(
          clEnqueueReadBuffer(queue, buffer_of(first), CL_FALSE, offset, bytes, command.host, 0, nullptr, event.out()),
          "clEnqueueReadBuffer");
      break;
    default: {
      const runtime::DeviceRange& second = command.operands.at(1);
      check_call(clEnqueueCopyBuffer(queue, buffer_of(first), buffer_of(second), offset, size_t(second.offset), bytes,
                                     0, nullptr, event.out()),
                 "clEnqueueCopyBuffer");
    }
  }
  events_.push_back({index, std::move(event)});
}

void Submission::enqueue_launch(size_t index, cl_command_queue queue, SharedMemory& shared) {
  if (commands_[index].invocation->grid == 0) return;
  if (const VendorInvocation* vendor = vendor_of(commands_[index])) {
    EventOwner event;
    vendor->enqueue(queue, commands_[index].operands, event);
    events_.push_back({index, std::move(event)});
    return;
  }
  const Launch& launch = launch_of(commands_[index]);
  const Signature& signature = launch.kernel().code().signature();
  MemoryPtr scratch;
  if (signature.scratch) scratch_.push_back(scratch = shared.scratch_of(launch.shape().scratch_bytes));
  if (signature.status && status_ == nullptr) {
    status_ = shared.take_status();
    codes_.reserve(commands_.size());  // the device writes there: they must not move
  }
  EventOwner event;
  launch.enqueue(queue, commands_[index].operands, scratch ? scratch->get() : nullptr,
                 signature.status ? status_->get() : nullptr, event);
  events_.push_back({index, std::move(event)});
  if (!signature.status) return;
  codes_.push_back(runtime::KernelOk);
  checked_.push_back(index);
  EventOwner read;
  check_call(
      clEnqueueReadBuffer(queue, status_->get(), CL_FALSE, 0, sizeof(int32_t), &codes_.back(), 0, nullptr, read.out()),
      "clEnqueueReadBuffer");
  events_.push_back({index, std::move(read)});
}

void Submission::fail(Status status, std::string text) {
  if (failure_.status == Status::Success) failure_ = {status, std::move(text)};
}

std::string Submission::describe(size_t command) const {
  const DeviceCommand& at = commands_[command];
  return str(op_name(at.op), " of '", at.label, "'");
}

runtime::Completion Submission::outcome() const {
  for (const Enqueued& enqueued : events_) {
    cl_int state = CL_COMPLETE;
    cl_int code =
        clGetEventInfo(enqueued.event.get(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, nullptr);
    if (code == CL_SUCCESS && state >= 0) continue;
    if (code == CL_SUCCESS) code = state;
    return {error_status(code), str(describe(enqueued.command), " failed: ", error_name(code))};
  }
  for (size_t i = 0; i < codes_.size(); ++i)
    if (codes_[i] != runtime::KernelOk)
      return {runtime::kernel_error_status(codes_[i]),
              str(commands_[checked_[i]].label, ": ", runtime::kernel_error_text(codes_[i]))};
  return failure_;
}

void Submission::trace(Trace& trace, const std::string& device) const {
  std::vector<TraceEvent> lines;
  try {
    for (const Enqueued& enqueued : events_) {
      // The device has a clock of its own; the first command tells how far it is from ours.
      const auto queued = int64_t(profile(events_.front().event.get(), CL_PROFILING_COMMAND_QUEUED));
      const auto start = int64_t(profile(enqueued.event.get(), CL_PROFILING_COMMAND_START));
      const auto end = int64_t(profile(enqueued.event.get(), CL_PROFILING_COMMAND_END));
      const DeviceCommand& command = commands_[enqueued.command];
      const std::string detail =
          command.op == Op::Launch ? kernel_name(command) : str(op_name(command.op), " ", command.bytes, " bytes");
      lines.push_back({std::string(command.label), str(device, " ", op_name(command.op)), detail,
                       std::string(command.group), enqueued_ns_ + start - queued, end - start});
    }
  } catch (const Error&) {
    // A command that failed has no times.
  }
  trace.append(lines);
}

MemoryPtr Submission::release_status() {
  for (const int32_t code : codes_)
    if (code != runtime::KernelOk) return nullptr;
  return failure_.status == Status::Success ? std::move(status_) : nullptr;
}

}  // namespace sardonyx::opencl
