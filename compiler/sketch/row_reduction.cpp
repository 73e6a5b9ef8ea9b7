// Family "row_reduction": softmax, layer norm, reductions and arg-reductions with the maps around them.
//
// All stages share their leading axes, the rows; everything of a row is computed together, so intermediates are as
// large as a row and live in registers or scratch. Two ways to use vectors:
//   along=row      within a row: maps and reductions run over the row's elements, partial sums are combined at the end
//   along=columns  across rows: neighbouring rows are the lanes, for reductions over leading or middle axes
#include <algorithm>
#include <unordered_set>

#include "compiler/sketch/families.h"
#include "compiler/sketch/map.h"
#include "compiler/tensor/lower/lower.h"

namespace sardonyx::sketch {

namespace {

using expr::Buffer;
using expr::Kind;
using tensor::ForKind;
using tensor::Index;

constexpr int along_row = 0, along_columns = 1;

bool costly(const Expr& body) { return scalar_cost_ns(body) > 3; }

// Stages that stay: used in a larger domain than their own, or costly and used twice.
Program inline_cheap(const Program& program) {
  return inline_pointwise(program, [&](const Stage& stage) {
    int uses = 0;
    bool larger = false;
    for (const Stage& user : program.stages) {
      int reads = int(loads_of(user.body, stage.output.get()).size());
      uses += reads;
      larger = larger || (reads && user.axes.size() + user.reduce_axes.size() > stage.axes.size());
    }
    return uses > 0 && (larger || (costly(stage.body) && uses > 1));
  });
}

// How many leading axes all stages share such that intermediates are read at exactly the reader's own row.
int shared_rows(const Program& program) {
  size_t rows = program.stages[0].axes.size();
  for (const Stage& stage : program.stages) {
    rows = std::min(rows, stage.axes.size());
    for (size_t i = 0; i < rows; ++i) {
      if (!expr::prove_equal(stage.axes[i].extent, program.stages[0].axes[i].extent)) rows = i;
    }
  }
  std::unordered_set<const Buffer*> internal;
  for (const Stage& stage : program.stages) internal.insert(stage.output.get());
  for (const Stage& stage : program.stages) {
    for (const Expr& load : loads_of(stage.body)) {
      if (!internal.count(load->buffer.get())) continue;
      for (size_t i = 0; i < rows; ++i) {
        const Expr& at = load->args[i];
        bool own = at->kind == Kind::Var && at->var == stage.axes[i].var;
        bool single = expr::is_const(stage.axes[i].extent, 1) && expr::is_const(at, 0);
        if (!own && !single) rows = i;
      }
    }
  }
  return int(rows);
}

std::optional<Refusal> unfit(const Program& program) {
  bool reduces = false;
  for (const Stage& stage : program.stages) {
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
    reduces = reduces || stage.reduce != tensor::Reduce::None;
  }
  if (!reduces) return Refusal{"nothing is reduced"};
  return std::nullopt;
}

expr::Function horizontal(tensor::Reduce reduce) {
  switch (reduce) {
    case tensor::Reduce::Sum:
      return expr::Function::ReduceAdd;
    case tensor::Reduce::Product:
      return expr::Function::ReduceMul;
    case tensor::Reduce::Min:
      return expr::Function::ReduceMin;
    default:
      return expr::Function::ReduceMax;
  }
}

// Builds the body of one row.
class RowBuilder {
 public:
  RowBuilder(const Program& program, size_t rows, const std::vector<Axis>& row_axes, int along, const Target& target)
      : program_(program), rows_(rows), row_axes_(row_axes), along_(along), target_(target) {}

  Stmt build() {
    std::vector<Stmt> parts;
    for (const Stage& stage : program_.stages) parts.push_back(build_stage(renamed(stage)));
    Stmt body = tensor::make_block(std::move(parts));
    for (size_t i = locals_.size(); i-- > 0;) {
      const Local& local = locals_[i];
      body = tensor::redirect(body, local.from, local.to, [&](const Index& index) {
        Index inner(index.begin() + long(rows_), index.end());
        if (inner.empty()) inner.emplace_back(0);
        return inner;
      });
      body = tensor::make_allocate(local.to, body);
    }
    return body;
  }

 private:
  struct Local {
    BufferPtr from, to;
  };

  // The stage over the common row variables; intermediate outputs become local buffers.
  Stage renamed(const Stage& stage) {
    expr::Substitution to_row;
    Stage result = stage;
    for (size_t i = 0; i < rows_; ++i) {
      to_row[stage.axes[i].var.get()] = Expr(row_axes_[i].var);
      result.axes[i] = row_axes_[i];
    }
    result.body = by_reciprocals(tensor::substitute_shared(stage.body, to_row));
    if (!is_output(program_, stage.output)) {
      std::vector<Expr> dims(stage.output->dims.begin() + long(rows_), stage.output->dims.end());
      bool scalar = true;
      for (const Expr& d : dims) scalar = scalar && expr::is_const(d, 1);
      if (dims.empty()) dims.emplace_back(1);
      locals_.push_back({stage.output, make_buffer(stage.output->name, stage.output->dtype, dims,
                                                   scalar ? Buffer::Scope::Register : Buffer::Scope::Scratch)});
    }
    return result;
  }

  // A division by a sum of the row, the same for all its elements, becomes a product with the reciprocal: one division
  // per row instead of one per element, at half an ulp.
  Expr by_reciprocals(const Expr& body) const {
    return tensor::mutate_shared(body, [&](const Expr& x) -> Expr {
      if (x->kind != Kind::Div || !is_float(x->type.dtype) || x->args[1]->kind != Kind::Load) return x;
      const Expr& divisor = x->args[1];
      for (const Stage& stage : program_.stages) {
        bool row_value = stage.output == divisor->buffer && stage.axes.size() == rows_;
        if (row_value && stage.reduce == tensor::Reduce::Sum) {
          return x->args[0] * (expr::imm(1, x->type.dtype) / divisor);
        }
      }
      return x;
    });
  }

  Stmt build_stage(const Stage& stage) {
    std::vector<Axis> inner(stage.axes.begin() + long(rows_), stage.axes.end());
    Index index;
    for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
    if (stage.reduce == tensor::Reduce::None) {
      if (along_ == along_columns) {
        return tensor::make_loops(ForKind::Serial, inner, tensor::make_store(stage.output, index, stage.body));
      }
      Map map{inner, {{stage.output, index, stage.body}}};
      map = collapse(map);
      return map_loops(map, choose_vector(map, target_), target_);
    }
    if (along_ == along_columns) return tensor::make_loops(ForKind::Serial, inner, serial_reduction(stage, index));
    // Kept inner axes: either they are the better vectors, or each of their points is a vector reduction.
    if (!inner.empty()) {
      Map kept{inner, {{stage.output, index, stage.body}}};
      VectorChoice outer = choose_vector(kept, target_);
      VectorChoice along = choose_vector(reduction_map(stage), target_);
      if (outer.axis >= 0 && outer.lanes > 1 && outer.ns_per_point <= along.ns_per_point) {
        const Axis& axis = inner[size_t(outer.axis)];
        Stmt body = vector_range(axis.var, 0, axis.extent, outer.lanes, target_, serial_reduction(stage, index));
        for (size_t i = inner.size(); i-- > 0;) {
          if (int(i) != outer.axis) body = tensor::make_for(ForKind::Serial, inner[i].var, inner[i].extent, body);
        }
        return body;
      }
    }
    return tensor::make_loops(ForKind::Serial, inner, vector_reduction(stage, index));
  }

  Stmt serial_reduction(const Stage& stage, const Index& index) {
    BufferPtr acc = make_buffer("acc", stage.output->dtype, {1}, Buffer::Scope::Register);
    Expr identity = tensor::identity_of(stage.reduce, stage.output->dtype);
    Stmt update = tensor::make_store(acc, {0}, tensor::combine(stage.reduce, expr::load(acc, {0}), stage.body));
    return tensor::make_allocate(acc,
                                 tensor::make_block({tensor::make_store(acc, {0}, identity),
                                                     tensor::make_loops(ForKind::Serial, stage.reduce_axes, update),
                                                     tensor::make_store(stage.output, index, expr::load(acc, {0}))}));
  }

  // The reduction's body as a map over its reduction axes (the store is a stand-in with a dense index).
  Map reduction_map(const Stage& stage) {
    std::vector<Expr> dims;
    Index index;
    for (const Axis& axis : stage.reduce_axes) {
      dims.push_back(axis.extent);
      index.emplace_back(axis.var);
    }
    BufferPtr values = make_buffer("values", stage.output->dtype, dims, Buffer::Scope::Scratch);
    return collapse({stage.reduce_axes, {{values, index, stage.body}}});
  }

  // Partial results per lane in `unroll` vectors, combined at the end.
  Stmt vector_reduction(const Stage& stage, const Index& index) {
    Map map = reduction_map(stage);
    VectorChoice choice = choose_vector(map, target_);
    if (choice.axis < 0 || choice.lanes == 1) return serial_reduction(stage, index);
    const Axis axis = map.axes[size_t(choice.axis)];
    Expr value = map.outputs[0].value;
    int lanes = choice.lanes;
    int unroll = typical(axis.extent) >= 8 * lanes ? 4 : 1;
    DType dtype = stage.output->dtype;
    BufferPtr acc = make_buffer("partial", dtype, {Expr(unroll * lanes)}, Buffer::Scope::Register);
    Expr identity = tensor::identity_of(stage.reduce, dtype);
    VarPtr u = loop_var("u", unroll), l = loop_var("l", lanes);
    auto vectors = [&](const Stmt& body) {
      return tensor::make_for(ForKind::Unrolled, u, unroll, tensor::make_for(ForKind::Vector, l, lanes, body));
    };
    Expr slot = Expr(u) * lanes + Expr(l);
    Stmt init = vectors(tensor::make_store(acc, {slot}, identity));
    auto update = [&](const Expr& at, const Expr& position, const Expr& guard) {
      Expr element = tensor::substitute_shared(value, {{axis.var.get(), position}});
      Expr next = tensor::combine(stage.reduce, expr::load(acc, {at}), element);
      return tensor::make_store(acc, {at}, guard.defined() ? expr::select(guard, next, expr::load(acc, {at})) : next);
    };
    std::vector<Stmt> parts;
    Expr block = unroll * lanes;
    Expr blocks = expr::simplify(axis.extent / block);
    VarPtr j = loop_var("j", blocks);
    if (!expr::is_const(blocks, 0)) {
      parts.push_back(
          tensor::make_for(ForKind::Serial, j, blocks, vectors(update(slot, Expr(j) * block + slot, Expr()))));
    }
    Expr after_blocks = blocks * block;
    Expr vectors_left = expr::simplify((axis.extent - after_blocks) / lanes);
    if (unroll > 1 && !expr::is_const(vectors_left, 0)) {
      VarPtr i = loop_var("i", vectors_left);
      parts.push_back(
          tensor::make_for(ForKind::Serial, i, vectors_left,
                           tensor::make_for(ForKind::Vector, l, lanes,
                                            update(Expr(l), after_blocks + Expr(i) * lanes + Expr(l), Expr()))));
    }
    Expr rest = expr::simplify(axis.extent % lanes);
    if (!expr::is_const(rest, 0)) {
      Expr begin = expr::simplify(axis.extent - rest);
      if (target_.vector_bytes == 64) {
        parts.push_back(tensor::make_for(ForKind::Vector, l, lanes, update(Expr(l), begin + Expr(l), Expr(l) < rest)));
      } else {
        VarPtr t = loop_var("t", rest);
        parts.push_back(tensor::make_for(ForKind::Serial, t, rest, update(Expr(0), begin + Expr(t), Expr())));
      }
    }
    Stmt accumulate = tensor::make_block(std::move(parts));
    for (size_t i = map.axes.size(); i-- > 0;) {
      if (int(i) != choice.axis) {
        accumulate = tensor::make_for(ForKind::Serial, map.axes[i].var, map.axes[i].extent, accumulate);
      }
    }
    Expr total;
    for (int i = 0; i < unroll; ++i) {
      Expr part = expr::load(acc, {expr::ramp(Expr(i * lanes), 1, lanes)});
      total = i == 0 ? part : tensor::combine(stage.reduce, total, part);
    }
    Stmt finish = tensor::make_store(stage.output, index, expr::call(horizontal(stage.reduce), {total}));
    return tensor::make_allocate(acc, tensor::make_block({init, accumulate, finish}));
  }

  const Program& program_;
  size_t rows_;
  std::vector<Axis> row_axes_;
  int along_;
  const Target& target_;
  std::vector<Local> locals_;
};

constexpr double measured = 0.4;  // measured time over the estimate per element

double cost_of(const Program& program, size_t rows, int along, const Target& target) {
  double ns = 0;
  for (const Stage& stage : program.stages) {
    Map map{stage.axes, {}};
    map.axes.insert(map.axes.end(), stage.reduce_axes.begin(), stage.reduce_axes.end());
    std::vector<Expr> dims;
    Index index;
    // The element access pattern along the vector decides; the store counts once per reduction.
    size_t first = along == along_columns ? rows - 1 : rows;
    size_t last = along == along_columns ? rows : map.axes.size();
    Map inner{{map.axes.begin() + long(first), map.axes.begin() + long(last)}, {}};
    for (const Axis& axis : inner.axes) {
      dims.push_back(axis.extent);
      index.emplace_back(axis.var);
    }
    auto stand_in = make_buffer("cost", stage.output->dtype, dims, Buffer::Scope::Scratch);
    inner.outputs.push_back({stand_in, index, stage.body});
    VectorChoice choice = choose_vector(inner, target);
    ns += double(typical_points(map.axes)) * choice.ns_per_point * measured;
  }
  return ns + double(typical_points({program.stages[0].axes.begin(), program.stages[0].axes.begin() + long(rows)})) *
                  (along == along_row ? 12.0 * double(program.stages.size()) : 0.5);
}

// Whether a reduction reads neighbouring elements for neighbouring rows, and so wants rows as lanes.
bool rows_are_dense(const Program& program, size_t rows) {
  for (const Stage& stage : program.stages) {
    if (stage.reduce == tensor::Reduce::None) continue;
    for (const Expr& load : loads_of(stage.body)) {
      const auto linear = expr::linear_in(flat_offset(*load->buffer, load->args), stage.axes[rows - 1].var);
      if (linear && expr::is_const(expr::simplify(linear->coefficient), 1)) return true;
    }
  }
  return false;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  if (auto refusal = unfit(problem.program)) {
    if (why) *why = refusal->reason;
    return {};
  }
  Program program = inline_cheap(problem.program);
  size_t rows = size_t(shared_rows(program));
  std::vector<Proposal> proposals{{{{"along", along_row}}, cost_of(program, rows, along_row, target)}};
  if (rows > 0) proposals.push_back({{{"along", along_columns}}, cost_of(program, rows, along_columns, target)});
  std::stable_sort(proposals.begin(), proposals.end(),
                   [](const Proposal& a, const Proposal& b) { return a.cost_ns < b.cost_ns; });
  // Sums along a row are of as many parts as vectors have lanes, sums across rows are of one. Costs depend on the number
  // of rows, so the way that is the same for all of them is chosen by strides.
  if (target.deterministic && rows > 0) {
    const int wanted = rows_are_dense(program, rows) ? along_columns : along_row;
    std::erase_if(proposals, [&](const Proposal& p) { return p.point.at("along") != wanted; });
  }
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  if (auto refusal = unfit(problem.program)) return *refusal;
  Program program = inline_cheap(problem.program);
  size_t rows = size_t(shared_rows(program));
  int along = int(point.at("along"));
  if (along == along_columns && rows == 0) return Refusal{"stages share no row axis"};
  std::vector<Axis> grid;
  for (size_t i = 0; i < rows; ++i) {
    const Axis& axis = program.stages[0].axes[i];
    grid.push_back({loop_var(axis.var->name, axis.extent), axis.extent});
  }
  Stmt body = RowBuilder(program, rows, grid, along, target).build();
  Expr points = 0;
  for (const Stage& stage : program.stages) points = points + points_of(stage.axes) * points_of(stage.reduce_axes);
  if (along == along_columns) {
    const Axis lane_axis = grid.back();
    grid.pop_back();
    size_t widest = 1;
    for (const Stage& stage : program.stages) widest = std::max(widest, size_of(stage.output->dtype));
    int lanes = target.vector_bytes / int(widest);
    // Blocks of columns make a second grid axis.
    int64_t block = 4 * lanes;
    Expr blocks = expr::simplify(expr::ceil_div(lane_axis.extent, block));
    VarPtr b = loop_var("block", blocks);
    Expr begin = Expr(b) * block, left = lane_axis.extent - begin;
    Stmt full = vector_range(lane_axis.var, begin, block, lanes, target, body);
    if (!expr::prove_divisible(lane_axis.extent, block)) {
      full = tensor::make_if(Expr(block) <= left, full, vector_range(lane_axis.var, begin, left, lanes, target, body));
    }
    body = full;
    grid.push_back({b, blocks});
  }
  Lowered lowered;
  lowered.launches.push_back(finish_kernel(program, along == along_row ? "row_reduction" : "column_reduction", grid,
                                           body, points, cost_of(program, rows, along, target)));
  return lowered;
}

}  // namespace

const Family row_reduction_family{"row_reduction", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
