#include "backends/opencl/kernel.h"

#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/tensor/symbol_values.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

namespace {

// A work-group on a CPU should outweigh its launch; a few per core balance.
constexpr double cpu_group_ns = 5000;
constexpr int64_t cpu_groups_per_core = 8;
// On a GPU: enough to fill any device, few enough that scratch stays affordable.
constexpr int64_t gpu_group = 64;
constexpr int64_t gpu_groups_per_core = 64;
constexpr int64_t most_scratch_bytes = int64_t{64} << 20;
constexpr int64_t slice_alignment = 64;

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

Kernel::Kernel(const tensor::LoweredKernel& lowered, SourcePtr source, std::string entry, Signature signature,
               const tensor::Target& target)
    : name_(lowered.name),
      source_(std::move(source)),
      entry_(std::move(entry)),
      signature_(signature),
      lanes_(lowered.lanes),
      symbols_(lowered.symbols),
      grid_(lowered.grid),
      scratch_bytes_(lowered.scratch_bytes),
      points_(lowered.points),
      ns_per_point_(lowered.ns_per_point),
      cpu_device_(target.kind != tensor::TargetKind::OpenClGpu),
      cores_(std::max(1, target.cores)) {}

std::shared_ptr<const runtime::Invocation> Kernel::prepare(std::span<const int64_t>) const {
  fail(Status::InternalError, "internal error: OpenCL kernel '", name_, "' was not loaded on a device");
}

LaunchShape Kernel::resolve(std::span<const int64_t> dims) const {
  const tensor::SymbolValues values = tensor::symbol_values(symbols_, dims, name_);
  LaunchShape shape;
  shape.grid = 1;
  for (const tensor::Axis& axis : grid_) shape.grid *= std::max<int64_t>(0, expr::evaluate(axis.extent, values));
  if (shape.grid == 0) return shape;
  double one_core_ns = ns_per_point_ * double(expr::evaluate(points_, values));
  shape.cost_ns = one_core_ns / double(cores_);
  shape.local_size = lanes_ > 1 || cpu_device_ ? lanes_ : std::min(gpu_group, shape.grid);
  if (lanes_ > 1) {  // a work-group per grid index
    shape.global_size = shape.grid * shape.local_size;
    return shape;
  }
  int64_t groups = (shape.grid + shape.local_size - 1) / shape.local_size;
  int64_t useful = cpu_device_ ? std::min(cores_ * cpu_groups_per_core, 1 + int64_t(one_core_ns / cpu_group_ns))
                               : cores_ * gpu_groups_per_core;
  groups = std::min(groups, useful);
  if (signature_.scratch) {
    shape.scratch_slice = round_up(std::max<int64_t>(1, expr::evaluate(scratch_bytes_, values)), slice_alignment);
    groups = std::clamp<int64_t>(most_scratch_bytes / (shape.scratch_slice * shape.local_size), 1, groups);
    shape.scratch_bytes = shape.scratch_slice * shape.local_size * groups;
  }
  shape.global_size = groups * shape.local_size;
  return shape;
}

}  // namespace sardonyx::opencl
