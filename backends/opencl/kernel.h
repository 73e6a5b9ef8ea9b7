// Kernels of this backend before a device has loaded them: OpenCL C text and what a launch must know. Plain data, no
// OpenCL headers: compiling needs no device at hand.
//
// A kernel is a 1-D NDRange. When the schedule uses lanes, each work-group of LoweredKernel::lanes work-items runs one
// grid index; else the work-items share the grid among themselves with a loop, so every number of them is right, and
// resolve() picks one. Arguments of the entry, in order:
//   for each operand, inputs first:  __global memory, long: byte offset into it, a multiple of the element's size
//   for each symbol:                 long: its value
//   long:                            number of grid indices
//   if Signature::scratch:           __global memory of LaunchShape::scratch_bytes, long: bytes of one slice
//   if Signature::status:            __global memory of one int, 0 before the launch; a runtime::KernelError after it
// Operands do not overlap. Memory of an operand without elements is never touched and may be null.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/tensor/kernel.h"
#include "compiler/tensor/target.h"
#include "runtime/kernel.h"

namespace sardonyx::opencl {

// An OpenCL program: the text of several kernels, to be built once per device.
struct Source {
  std::string text;
  std::string options;  // of clBuildProgram; what the text relies on
};
using SourcePtr = std::shared_ptr<const Source>;

struct Signature {
  int inputs = 0, outputs = 0, symbols = 0;
  bool scratch = false, status = false;
};

// The launch of a kernel with concrete dims.
struct LaunchShape {
  int64_t grid = 0;                         // grid indices; 0: nothing to launch
  int64_t global_size = 0, local_size = 1;  // work-items; global_size is a multiple of local_size
  int64_t scratch_slice = 0;                // bytes of a work-item, a multiple of 64
  int64_t scratch_bytes = 0;                // of all of them; 0 without Signature::scratch
  double cost_ns = 0;                       // estimate on the whole device
};

class Kernel final : public runtime::Kernel {
 public:
  // `lowered` is kept without its body.
  Kernel(const tensor::LoweredKernel& lowered, SourcePtr source, std::string entry, Signature signature,
         const tensor::Target& target);

  std::string name() const override { return name_; }
  // Throws Error(InternalError): only the kernel that Device::load makes of this one can run.
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override;

  const SourcePtr& source() const { return source_; }
  // The function's name inside the text.
  const std::string& entry() const { return entry_; }
  const Signature& signature() const { return signature_; }
  // `dims`: the values of the symbols in order. Throws Error when their number is wrong. Thread-safe.
  LaunchShape resolve(std::span<const int64_t> dims) const;

 private:
  std::string name_;
  SourcePtr source_;
  std::string entry_;
  Signature signature_;
  int64_t lanes_;  // 1: each work-item takes grid indices of its own
  std::vector<expr::VarPtr> symbols_;
  std::vector<tensor::Axis> grid_;
  expr::Expr scratch_bytes_, points_;
  double ns_per_point_;
  bool cpu_device_;
  int64_t cores_;
};

}  // namespace sardonyx::opencl
