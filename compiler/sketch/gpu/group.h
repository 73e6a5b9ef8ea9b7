// What the families for GPUs share: work-groups, flattened axes, the cost of a launch.
//
// A kernel of theirs either has one work-item per grid index, or one work-group, whose lanes (compiler/tensor/loop.h)
// share Local memory. Neighbouring lanes, and neighbouring grid indices of single work-items, should touch neighbouring
// addresses: devices fetch them together.
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch::gpu {

// A work-group. Statements written with lane() run in Lane loops that run() makes; a loop's end is a barrier.
class Group {
 public:
  explicit Group(int lanes);
  int size() const { return lanes_; }
  Expr lane() const { return Expr(lane_); }
  Stmt run(Stmt body) const;
  // A register buffer with a part per lane; indices start with lane().
  BufferPtr registers(const std::string& name, DType dtype, std::vector<Expr> dims) const;

 private:
  int lanes_;
  VarPtr lane_;
};

BufferPtr local_buffer(const std::string& name, DType dtype, std::vector<Expr> dims);
// Bytes of the Local buffers that `body` allocates.
int64_t local_bytes(const Stmt& body);

// The largest work-group that families use on this device.
int largest_group(const Target& target);

// The value of each axis at position `flat` of their row-major product. An axis of one point is 0.
expr::Substitution positions(const std::vector<Axis>& axes, const Expr& flat);

// `body` under `condition`; plain `body` where the condition is undefined.
Stmt guarded(const Expr& condition, Stmt body);
Expr both(const Expr& a, const Expr& b);  // either may be undefined

// The constant stride of an access along `axis`: 0 when it does not move, -1 when it is not a constant.
int64_t stride_along(const Expr& load, const Axis& axis);

constexpr double flops_per_scalar_ns = 4;  // scalar_cost_ns counts a simple operation as 0.15 to 0.3 ns

// What a launch costs: `flops` floating-point operations at `efficiency` of the peak, `bytes` of memory traffic, and
// `items` work-items that have to fill the device. Nanoseconds of one core, as LoweredKernel and Proposal have them.
double cost_ns(const Target& target, double flops, double efficiency, double bytes, double items);

// finish_kernel for a body over `lanes` lanes (1: without Lane loops). Verifies the rules of lanes; throws Error when
// the body needs more Local memory than the device has.
tensor::LoweredKernel finish(const Program& program, std::string name, std::vector<Axis> grid, int lanes, Stmt body,
                             const Expr& points, double typical_ns, const Target& target);

}  // namespace sardonyx::sketch::gpu
