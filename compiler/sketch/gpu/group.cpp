#include "compiler/sketch/gpu/group.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/sketch/map.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch::gpu {

using expr::Buffer;
using expr::Kind;
using tensor::ForKind;

namespace {

constexpr int preferred_group = 256;
constexpr double items_per_core = 512;  // in flight, so that the latency of memory is hidden

}  // namespace

Group::Group(int lanes) : lanes_(lanes), lane_(loop_var("lane", lanes)) {}

Stmt Group::run(Stmt body) const { return tensor::make_for(ForKind::Lane, lane_, lanes_, std::move(body)); }

BufferPtr Group::registers(const std::string& name, DType dtype, std::vector<Expr> dims) const {
  dims.insert(dims.begin(), lanes_);
  return make_buffer(name, dtype, std::move(dims), Buffer::Scope::Register);
}

BufferPtr local_buffer(const std::string& name, DType dtype, std::vector<Expr> dims) {
  return make_buffer(name, dtype, std::move(dims), Buffer::Scope::Local);
}

int64_t local_bytes(const Stmt& body) {
  int64_t total = 0;
  tensor::visit(body, [&](const Stmt& s) {
    if (s->kind == tensor::StmtKind::Allocate && s->buffer->scope == Buffer::Scope::Local) {
      int64_t bytes = int64_t(size_of(s->buffer->dtype));
      for (const Expr& d : s->buffer->dims) bytes *= *expr::as_int(d);
      total += bytes;
    }
    return true;
  });
  return total;
}

int largest_group(const Target& target) { return std::min(preferred_group, target.max_group); }

expr::Substitution positions(const std::vector<Axis>& axes, const Expr& flat) {
  expr::Substitution at;
  std::vector<Axis> wide;
  for (const Axis& axis : axes) {
    if (expr::is_const(axis.extent, 1)) {
      at[axis.var.get()] = 0;
    } else {
      wide.push_back(axis);
    }
  }
  Expr rest = flat;
  for (size_t i = wide.size(); i-- > 0;) {
    at[wide[i].var.get()] = i == 0 ? rest : rest % wide[i].extent;
    rest = rest / wide[i].extent;
  }
  return at;
}

Stmt guarded(const Expr& condition, Stmt body) {
  return condition.defined() ? tensor::make_if(condition, std::move(body)) : body;
}

Expr both(const Expr& a, const Expr& b) { return !a.defined() ? b : !b.defined() ? a : a && b; }

int64_t stride_along(const Expr& load, const Axis& axis) {
  Expr offset = flat_offset(*load->buffer, load->args);
  if (!expr::uses_var(offset, axis.var.get())) return 0;
  auto linear = expr::linear_in(offset, axis.var);
  return linear ? expr::as_int(expr::simplify(linear->coefficient)).value_or(-1) : -1;
}

double cost_ns(const Target& target, double flops, double efficiency, double bytes, double items) {
  double cores = std::max(1, target.cores);
  double busy = std::clamp(items / (cores * items_per_core), 1 / (cores * 16), 1.0);  // of the device
  double compute = flops / (cores * target.flops_per_ns * efficiency * busy);
  double memory = bytes / (cores * target.bytes_per_ns * std::min(1.0, busy * 2));
  return std::max(compute, memory) * cores;
}

tensor::LoweredKernel finish(const Program& program, std::string name, std::vector<Axis> grid, int lanes, Stmt body,
                             const Expr& points, double typical_ns, const Target& target) {
  int64_t bytes = local_bytes(body);
  check(bytes <= target.local_bytes, name, " needs ", bytes, " bytes of local memory, the device has ",
        target.local_bytes);
  check(lanes <= target.max_group, name, " needs ", lanes, " lanes, the device has ", target.max_group);
  tensor::verify(tensor::make_loops(ForKind::Grid, grid, body), program.symbols);
  tensor::LoweredKernel kernel =
      finish_kernel(program, std::move(name), std::move(grid), std::move(body), points, typical_ns);
  kernel.lanes = lanes;
  return kernel;
}

}  // namespace sardonyx::sketch::gpu
