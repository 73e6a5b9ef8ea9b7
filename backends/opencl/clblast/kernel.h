// A matrix product that CLBlast runs, as a kernel among those of a device.
#pragma once
#include "backends/opencl/clblast/gemm.h"
#include "backends/opencl/vendor_kernel.h"

namespace sardonyx::opencl::clblast {

// Operands: a, b, then c. `ns_per_point`: of one multiply-add, on the whole device.
class GemmKernel final : public VendorKernel {
 public:
  GemmKernel(Gemm gemm, double ns_per_point) : gemm_(std::move(gemm)), ns_per_point_(ns_per_point) {}
  std::string name() const override { return "clblast.gemm"; }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override;
  void warm_up(cl_context context, cl_command_queue queue) const override;

 private:
  Gemm gemm_;
  double ns_per_point_;
};

}  // namespace sardonyx::opencl::clblast
