// What the executor can launch. JIT code, vendor calls and library kernels all come as Kernel objects, so the replay
// loop knows one way to run anything.
//
// Life: a backend makes a Kernel at compile time (immutable, thread-safe, shared by all runs); the planner calls
// prepare() once per set of concrete dims. Invocations of the host are run by the executor over ranges of the grid,
// possibly from several workers at once with disjoint ranges; those of other devices go to their queue (device.h).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

namespace sardonyx::runtime {

// The entry point of generated code: runs grid indices [begin, end). `buffers` are the kernel's operands in order
// (inputs, then outputs), `dims` the values of the dim expressions that it asked for, `scratch` at least the declared
// bytes of private memory per worker (64-byte aligned). Returns 0, or an error code >= 1 (see KernelError).
// Generated code imports nothing and calls nothing.
using KernelFunction = int32_t (*)(void* const* buffers, const int64_t* dims, void* scratch, int64_t begin,
                                   int64_t end);

enum KernelError : int32_t { KernelOk = 0, IndexOutOfRange = 1, DivisionByZero = 2, KernelFailed = 3, OutOfMemory = 4 };
Status kernel_error_status(int32_t code);
const char* kernel_error_text(int32_t code);

// A kernel made ready for concrete dims.
class Invocation {
 public:
  virtual ~Invocation() = default;
  // Number of independent grid indices; 0 means nothing to do.
  int64_t grid = 1;
  // Private scratch per worker.
  int64_t scratch_bytes = 0;
  // Estimated nanoseconds of the whole grid on one core; decides inline or split execution.
  double cost_ns = 0;
};

// A kernel that the host's own cores run.
class HostInvocation : public Invocation {
 public:
  // Smallest sensible number of grid indices per claimed chunk; the last may have fewer.
  int64_t grain = 1;
  // Thread-safe for disjoint ranges. noexcept: failures are return codes (KernelError).
  virtual int32_t run(void* const* buffers, const int64_t* dims, void* scratch, int64_t begin,
                      int64_t end) const noexcept = 0;
};

// The planner has checked that the invocation is one of the host's.
inline const HostInvocation& on_host(const Invocation& invocation) {
  return static_cast<const HostInvocation&>(invocation);
}

class Kernel {
 public:
  virtual ~Kernel() = default;
  // For traces and explain: "contraction 14x2", "onednn.conv", ...
  virtual std::string name() const = 0;
  // `dims`: values of the step's dim operands in order. Throws Error. May be called from any thread.
  virtual std::shared_ptr<const Invocation> prepare(std::span<const int64_t> dims) const = 0;
};

using KernelPtr = std::shared_ptr<const Kernel>;

// A host operator whose output shapes depend on values (NonZero, TopK with run-time k, ...): it allocates its outputs.
// `inputs` view run-time memory; returned tensors are dense. Throws Error. Thread-safe.
class HostFunction {
 public:
  virtual ~HostFunction() = default;
  virtual std::string name() const = 0;
  virtual std::vector<Tensor> call(std::span<const Tensor> inputs) const = 0;
};

}  // namespace sardonyx::runtime
