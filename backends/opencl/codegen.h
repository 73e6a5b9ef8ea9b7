// From lowered kernels to OpenCL C 1.2.
//
// What the text relies on: 64-bit integers, byte stores, and of optional features cl_khr_fp64 only, where F64 occurs.
// F16 and BF16 are storage: their bits travel in ushort and are computed in float. Names are counters, never names of
// the model. No access lies outside a buffer, whatever the data.
#pragma once
#include <optional>
#include <string>

#include "backends/opencl/helpers.h"
#include "backends/opencl/kernel.h"
#include "compiler/tensor/kernel.h"
#include "compiler/tensor/target.h"

namespace sardonyx::opencl {

// What the target lacks to run the kernel ("has no cl_khr_fp64, ..."), or nothing.
std::optional<std::string> refusal(const tensor::LoweredKernel& kernel, const tensor::Target& target);

// A program under construction.
class ProgramText {
 public:
  explicit ProgramText(const tensor::Target& target)
      : target_(target), helpers_(target.kind == tensor::TargetKind::OpenClCpu) {}
  // Adds `kernel` as __kernel function `entry`. Throws Error(InternalError) on a body that was not lowered.
  Signature add(const tensor::LoweredKernel& kernel, const std::string& entry);
  Source finish() const;

 private:
  const tensor::Target& target_;
  Helpers helpers_;
  std::string kernels_;
};

}  // namespace sardonyx::opencl
