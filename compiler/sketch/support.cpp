#include "compiler/sketch/support.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

using expr::Kind;

int64_t typical(const Expr& e) {
  if (auto value = expr::as_int(e)) return *value;
  std::unordered_map<const expr::Variable*, int64_t> values;
  expr::visit(e, [&](const Expr& x) {
    if (x->kind == Kind::Var) {
      const expr::Facts& facts = x->var->facts;
      int64_t guess = std::clamp<int64_t>(64, std::max<int64_t>(facts.min, 0), std::max<int64_t>(facts.max, 1));
      values[x->var.get()] = std::max<int64_t>(1, guess - guess % std::max<int64_t>(1, facts.multiple_of));
    }
    return true;
  });
  return std::max<int64_t>(0, expr::evaluate(e, values));
}

int64_t typical_points(const std::vector<Axis>& axes) {
  int64_t points = 1;
  for (const Axis& axis : axes) points *= typical(axis.extent);
  return points;
}

Expr points_of(const std::vector<Axis>& axes) {
  Expr points = 1;
  for (const Axis& axis : axes) points = points * axis.extent;
  return expr::simplify(points);
}

namespace {

// Relative to a scalar at 3 GHz; vectors divide it by their lanes. Measured on an AVX-512 core.
double function_cost_ns(const Expr& x) {
  using expr::Function;
  switch (x->function) {
    case Function::Abs:
    case Function::Sign:
    case Function::Floor:
    case Function::Ceil:
    case Function::Round:
    case Function::Trunc:
    case Function::Scale:
    case Function::Fma:
    case Function::Dot4:
    case Function::Dot2:
    case Function::IsNan:
    case Function::IsInf:
    case Function::BitAnd:
    case Function::BitOr:
    case Function::BitXor:
    case Function::BitNot:
    case Function::ShiftLeft:
    case Function::ShiftRight:
    case Function::Checked:
      return 0.3;
    case Function::Sqrt:
      return 2;
    case Function::Exp:
      return 3;
    case Function::Expm1:
    case Function::Log:
    case Function::Log1p:
    case Function::Sigmoid:
    case Function::Tanh:
    case Function::Erf:
      return 6;
    case Function::Pow:
    case Function::Fmod:
      return is_integer(x->type.dtype) ? 5 : 45;
    default:
      return 12;
  }
}

}  // namespace

double scalar_cost_ns(const Expr& body) {
  double ns = 0.3;  // the store
  std::unordered_set<const expr::Node*> seen;
  expr::visit(body, [&](const Expr& x) {
    if (!seen.insert(x.get()).second) return false;
    if (x->kind == Kind::Call) ns += function_cost_ns(x);
    if (x->kind == Kind::Div || x->kind == Kind::Mod || x->kind == Kind::TruncDiv) ns += 1;
    if (!x->args.empty()) ns += 0.15;
    return true;
  });
  return ns;
}

double typical_bytes(const expr::Buffer& buffer) {
  double bytes = double(size_of(buffer.dtype));
  for (const Expr& d : buffer.dims) bytes *= double(typical(d));
  return bytes;
}

VarPtr loop_var(const std::string& name, const Expr& extent) {
  auto known = expr::as_int(extent);
  return expr::make_var(name, {0, known ? std::max<int64_t>(*known - 1, 0) : INT64_MAX, 1});
}

std::optional<int64_t> constant(const Expr& extent) { return expr::as_int(extent); }

bool mentions(const Expr& e, const VarPtr& var) { return var && expr::uses_var(e, var.get()); }

bool is_output(const Program& program, const BufferPtr& buffer) {
  return std::find(program.outputs.begin(), program.outputs.end(), buffer) != program.outputs.end();
}

BufferPtr make_buffer(const std::string& name, DType dtype, std::vector<Expr> dims, expr::Buffer::Scope scope) {
  auto buffer = std::make_shared<expr::Buffer>();
  buffer->name = name;
  buffer->dtype = dtype;
  buffer->dims = std::move(dims);
  buffer->scope = scope;
  return buffer;
}

std::vector<Expr> distinct_nodes(const Expr& e, Kind kind) {
  std::vector<Expr> found;
  std::unordered_set<const expr::Node*> seen;
  expr::visit(e, [&](const Expr& x) {
    if (!seen.insert(x.get()).second) return false;
    if (x->kind == kind) found.push_back(x);
    return true;
  });
  return found;
}

std::vector<Expr> loads_of(const Expr& e, const expr::Buffer* buffer) {
  std::vector<Expr> loads = distinct_nodes(e, Kind::Load);
  if (buffer) std::erase_if(loads, [&](const Expr& load) { return load->buffer.get() != buffer; });
  return loads;
}

void split_conjunction(const Expr& e, std::vector<Expr>& parts) {
  if (e->kind != Kind::And) return parts.push_back(e);
  split_conjunction(e->args[0], parts);
  split_conjunction(e->args[1], parts);
}

bool dense_in_blocks(const Expr& offset, const VarPtr& var, int64_t lanes) {
  const VarPtr block = loop_var("block", int64_t{1} << 20), lane = loop_var("lane", lanes);
  const Expr local =
      tensor::simplify_index(tensor::substitute_shared(offset, {{var.get(), Expr(block) * lanes + Expr(lane)}}), {});
  const auto linear = expr::linear_in(local, lane);
  return linear && expr::is_const(expr::simplify(linear->coefficient), 1);
}

void sort_by_cost(std::vector<Proposal>& proposals) {
  std::stable_sort(proposals.begin(), proposals.end(),
                   [](const Proposal& a, const Proposal& b) { return a.cost_ns < b.cost_ns; });
}

void keep_cheapest(std::vector<Proposal>& proposals, size_t most) {
  sort_by_cost(proposals);
  if (proposals.size() > most) proposals.resize(most);
}

std::vector<Axis> grid_of(const std::vector<Axis>& axes, Stmt& body) {
  std::vector<Axis> grid;
  for (const Axis& axis : axes) {
    if (expr::is_const(axis.extent, 1))
      body = tensor::substitute(body, {{axis.var.get(), Expr(0)}});
    else
      grid.push_back(axis);
  }
  return grid;
}

tensor::LoweredKernel finish_kernel(const Program& program, std::string name, std::vector<Axis> grid, Stmt body,
                                    const Expr& points, double typical_ns, const std::vector<BufferPtr>& more_buffers) {
  tensor::LoweredKernel kernel;
  kernel.name = std::move(name);
  kernel.grid = std::move(grid);
  kernel.symbols = program.symbols;
  expr::Scope scope;
  for (const Axis& axis : kernel.grid) {
    expr::Facts extent = expr::facts_of(axis.extent);
    scope[axis.var.get()] = {0, extent.max == INT64_MAX ? INT64_MAX : std::max<int64_t>(0, extent.max - 1), 1};
  }
  kernel.body = tensor::lower(tensor::simplify(body, scope), scope);
  tensor::scratch_layout(kernel.body, &kernel.scratch_bytes);
  kernel.points = points;
  kernel.ns_per_point = typical_ns / double(std::max<int64_t>(1, typical(points)));

  std::unordered_set<const expr::Buffer*> read, written;
  for (const BufferPtr& output : program.outputs) {  // stores to what has no elements are gone by now
    const auto& dims = output->dims;
    if (std::any_of(dims.begin(), dims.end(), [](const Expr& dim) { return expr::is_const(dim, 0); }))
      written.insert(output.get());
  }
  tensor::visit_exprs(kernel.body, [&](const Expr& e) {
    tensor::mutate_shared(e, [&](const Expr& x) {
      if (x->kind == Kind::Load) read.insert(x->buffer.get());
      return x;
    });
  });
  tensor::visit(kernel.body, [&](const Stmt& s) {
    if (s->kind == tensor::StmtKind::Store) written.insert(s->buffer.get());
    if (s->kind == tensor::StmtKind::Prefetch) read.insert(s->buffer.get());
    return true;
  });
  std::vector<BufferPtr> all = program.inputs;
  all.insert(all.end(), more_buffers.begin(), more_buffers.end());
  for (const Stage& stage : program.stages) all.push_back(stage.output);
  for (const BufferPtr& b : all) {
    bool known = std::find(kernel.buffers.begin(), kernel.buffers.end(), b) != kernel.buffers.end();
    if (!known && read.count(b.get()) && !written.count(b.get())) kernel.buffers.push_back(b);
  }
  kernel.outputs = 0;
  for (const BufferPtr& b : all) {
    bool known = std::find(kernel.buffers.begin(), kernel.buffers.end(), b) != kernel.buffers.end();
    if (known || !written.count(b.get())) continue;
    kernel.buffers.push_back(b);
    ++kernel.outputs;
  }
  return kernel;
}

}  // namespace sardonyx::sketch
