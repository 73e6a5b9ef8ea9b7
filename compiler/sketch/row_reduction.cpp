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
#include "compiler/tensor/lower/math.h"

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

// Rows along the last row axis that go through the stages together: while one waits for its own sum, the next begins.
struct RowBlock {
  VarPtr position;  // of a row in the block
  Expr first = 0, count = 1;
  int64_t most = 1;
};

// Builds the body of a row, or of a block of rows.
class RowBuilder {
 public:
  RowBuilder(const Program& program, size_t rows, const std::vector<Axis>& row_axes, RowBlock block, int along,
             const Target& target)
      : program_(program), rows_(rows), row_axes_(row_axes), block_(std::move(block)), along_(along), target_(target) {}

  Stmt build() {
    std::vector<Stage> stages;
    for (const Stage& stage : program_.stages) stages.push_back(renamed(stage));
    std::vector<Stmt> parts;
    for (size_t i = 0; i < stages.size(); ++i) {
      if (i + 1 < stages.size() && made_while_reduced(stages[i], stages[i + 1])) {
        parts.push_back(vector_reduction(stages[i + 1], own_index(stages[i + 1]), &stages[i]));
        ++i;
      } else {
        parts.push_back(build_stage(stages[i]));
      }
      if (block_.most == 1) continue;
      const Stmt row = tensor::make_let(row_axes_.back().var, block_.first + Expr(block_.position), parts.back());
      parts.back() = tensor::make_for(ForKind::Serial, block_.position, block_.count, row);
    }
    Stmt body = tensor::make_block(std::move(parts));
    for (size_t i = locals_.size(); i-- > 0;) {
      const Local& local = locals_[i];
      if (is_output(program_, local.to)) {
        body = tensor::redirect(body, local.from, local.to, [](const Index& index) { return index; });
        continue;
      }
      body = tensor::redirect(body, local.from, local.to, [&](const Index& index) {
        Index inner(index.begin() + long(rows_), index.end());
        if (inner.empty()) inner.emplace_back(0);
        if (block_.most > 1) inner.insert(inner.begin(), Expr(block_.position));
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
    result.body = below_largest(stage, by_reciprocals(tensor::substitute_shared(stage.body, to_row)));
    if (const BufferPtr place = replaced_by(stage)) {
      locals_.push_back({stage.output, place});
    } else if (!is_output(program_, stage.output)) {
      std::vector<Expr> dims(stage.output->dims.begin() + long(rows_), stage.output->dims.end());
      bool scalar = true;
      for (const Expr& d : dims) scalar = scalar && expr::is_const(d, 1);
      if (dims.empty()) dims.emplace_back(1);
      if (block_.most > 1) dims.insert(dims.begin(), block_.most);
      const bool registers = scalar && block_.most == 1;
      locals_.push_back({stage.output, make_buffer(stage.output->name, stage.output->dtype, dims,
                                                   registers ? Buffer::Scope::Register : Buffer::Scope::Scratch)});
    }
    return result;
  }

  // The output whose elements, made last, replace those of an intermediate map one by one: they may share its memory.
  BufferPtr replaced_by(const Stage& stage) const {
    const Stage& last = program_.stages.back();
    if (along_ == along_columns || stage.reduce != tensor::Reduce::None || last.reduce != tensor::Reduce::None ||
        is_output(program_, stage.output) || !is_output(program_, last.output) || stage.axes.size() == rows_ ||
        stage.axes.size() != last.axes.size() || stage.output->dtype != last.output->dtype)
      return nullptr;
    const Index own = own_index(last);
    for (size_t i = 0; i < own.size(); ++i)
      if (!expr::prove_equal(stage.axes[i].extent, last.axes[i].extent)) return nullptr;
    const std::vector<Expr> loads = loads_of(last.body, stage.output.get());
    const bool one_by_one = std::all_of(loads.begin(), loads.end(), [&](const Expr& load) {
      return std::equal(own.begin(), own.end(), load->args.begin(), load->args.end(), expr::equal);
    });
    const bool taken =
        std::any_of(locals_.begin(), locals_.end(), [&](const Local& local) { return local.to == last.output; });
    return one_by_one && !loads.empty() && !taken ? last.output : nullptr;
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

  static Index own_index(const Stage& stage) {
    Index index;
    for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
    return index;
  }

  // Whether a reduction reads the elements of the map in front of it one by one: one pass over the row does both.
  bool made_while_reduced(const Stage& map, const Stage& reduction) const {
    if (along_ == along_columns || map.reduce != tensor::Reduce::None || reduction.reduce == tensor::Reduce::None ||
        reduction.axes.size() != rows_ || map.axes.size() != rows_ + reduction.reduce_axes.size())
      return false;
    Index element = own_index(reduction);
    for (size_t i = 0; i < reduction.reduce_axes.size(); ++i) {
      element.emplace_back(reduction.reduce_axes[i].var);
      if (!expr::prove_equal(map.axes[rows_ + i].extent, reduction.reduce_axes[i].extent)) return false;
    }
    const std::vector<Expr> loads = loads_of(reduction.body, map.output.get());
    return !loads.empty() && std::all_of(loads.begin(), loads.end(), [&](const Expr& load) {
      return std::equal(element.begin(), element.end(), load->args.begin(), load->args.end(), expr::equal);
    });
  }

  // Exponentials of what is less the largest of its row, in a body of `stage`: they need no care for large numbers.
  Expr below_largest(const Stage& stage, const Expr& body) const {
    std::vector<Axis> inner(stage.axes.begin() + long(rows_), stage.axes.end());
    inner.insert(inner.end(), stage.reduce_axes.begin(), stage.reduce_axes.end());
    const auto is_largest = [&](const Expr& load, const Expr& of) {
      for (const Stage& s : program_.stages) {
        if (s.output != load->buffer || !tensor::is_maximum(s.reduce) || s.axes.size() != rows_ ||
            s.reduce_axes.size() != inner.size())
          continue;
        expr::Substitution here;
        for (size_t i = 0; i < rows_; ++i) here[s.axes[i].var.get()] = Expr(row_axes_[i].var);
        for (size_t i = 0; i < inner.size(); ++i) here[s.reduce_axes[i].var.get()] = Expr(inner[i].var);
        return expr::equal(tensor::substitute_shared(s.body, here), of);
      }
      return false;
    };
    return tensor::mutate_shared(body, [&](const Expr& x) {
      if (x->kind != Kind::Call || x->function != expr::Function::Exp || x->type.dtype != DType::F32) return x;
      const Expr& difference = x->args[0];
      if (difference->kind != Kind::Sub || difference->args[1]->kind != Kind::Load) return x;
      return is_largest(difference->args[1], difference->args[0]) ? tensor::math::exp_below(difference) : x;
    });
  }

  Stmt build_stage(const Stage& stage) {
    std::vector<Axis> inner(stage.axes.begin() + long(rows_), stage.axes.end());
    const Index index = own_index(stage);
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
  Map reduction_map(const Stage& stage, const Stage* made = nullptr) {
    std::vector<Expr> dims;
    Index index;
    for (const Axis& axis : stage.reduce_axes) {
      dims.push_back(axis.extent);
      index.emplace_back(axis.var);
    }
    BufferPtr values = make_buffer("values", stage.output->dtype, dims, Buffer::Scope::Scratch);
    Map map{stage.reduce_axes, {{values, index, stage.body}}};
    if (made) {
      expr::Substitution to_reduced;
      Index element(made->axes.size());
      for (size_t i = 0; i < made->axes.size(); ++i) {
        element[i] = Expr(i < rows_ ? made->axes[i].var : stage.reduce_axes[i - rows_].var);
        to_reduced[made->axes[i].var.get()] = element[i];
      }
      map.outputs.push_back({made->output, element, tensor::substitute_shared(made->body, to_reduced)});
    }
    return collapse(map);
  }

  // Partial results per lane in `unroll` vectors, combined at the end. `made`: the map that is computed on the way.
  Stmt vector_reduction(const Stage& stage, const Index& index, const Stage* made = nullptr) {
    Map map = reduction_map(stage, made);
    VectorChoice choice = choose_vector(map, target_);
    if (choice.axis < 0 || choice.lanes == 1) {
      Stmt reduction = serial_reduction(stage, index);
      return made ? tensor::make_block({build_stage(*made), reduction}) : reduction;
    }
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
      const expr::Substitution here{{axis.var.get(), position}};
      Expr element = tensor::substitute_shared(value, here);
      const BufferPtr fresh = made ? make_buffer("fresh", made->output->dtype, {1}, Buffer::Scope::Register) : nullptr;
      if (made) element = tensor::redirect(element, made->output, fresh, [](const Index&) { return Index{0}; });
      Expr next = tensor::combine(stage.reduce, expr::load(acc, {at}), element);
      Stmt update =
          tensor::make_store(acc, {at}, guard.defined() ? expr::select(guard, next, expr::load(acc, {at})) : next);
      if (!made) return update;
      const Map::Output& out = map.outputs[1];
      Index to;
      for (const Expr& e : out.index) to.push_back(tensor::substitute_shared(e, here));
      Expr now = tensor::substitute_shared(out.value, here);
      if (guard.defined()) now = expr::select(guard, now, expr::imm(0, now->type.dtype));
      Stmt keep = tensor::make_store(made->output, to, expr::load(fresh, {0}));
      if (guard.defined()) keep = tensor::make_if(guard, keep);
      return tensor::make_allocate(fresh, tensor::make_block({tensor::make_store(fresh, {0}, now), keep, update}));
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
    Stmt finish = tensor::make_store(stage.output, index, expr::call(tensor::across_lanes(stage.reduce), {total}));
    return tensor::make_allocate(acc, tensor::make_block({init, accumulate, finish}));
  }

  const Program& program_;
  size_t rows_;
  std::vector<Axis> row_axes_;
  RowBlock block_;
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
      if (neighbours_along(load, stage.axes[rows - 1].var)) return true;
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
  sort_by_cost(proposals);
  // Sums along a row are of as many parts as vectors have lanes, sums across rows are of one. Costs depend on the
  // number of rows, so the way that is the same for all of them is chosen by strides.
  if (target.deterministic && rows > 0) {
    const int wanted = rows_are_dense(program, rows) ? along_columns : along_row;
    std::erase_if(proposals, [&](const Proposal& p) { return p.point.at("along") != wanted; });
  }
  return proposals;
}

constexpr int64_t most_rows = 4;      // of a block
constexpr int64_t most_vectors = 16;  // of a row: longer ones hardly wait for their own sums, and want one stream

// The rows of a grid index, while there are enough for every core.
int64_t rows_together(const Program& program, size_t rows, const Target& target) {
  if (rows == 0 || target.kind != tensor::TargetKind::Host) return 1;
  double bytes = 0;
  for (const Stage& stage : program.stages) {
    const std::vector<Axis> inner(stage.axes.begin() + long(rows), stage.axes.end());
    bytes = std::max(bytes, double(typical_points(inner) * typical_points(stage.reduce_axes)) *
                                double(size_of(stage.output->dtype)));
  }
  const auto& axes = program.stages[0].axes;
  const int64_t all = typical_points({axes.begin(), axes.begin() + long(rows)}), last = typical(axes[rows - 1].extent);
  const int64_t shared = std::min(all / (16 * int64_t{target.cores}), last);
  return bytes > double(most_vectors * target.vector_bytes) ? 1 : std::clamp(shared, int64_t{1}, most_rows);
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
  RowBlock block;
  if (along == along_row) block.most = rows_together(program, rows, target);
  const std::vector<Axis> row_axes = grid;
  if (block.most > 1) {
    const Axis last = grid.back();
    const Expr blocks = expr::simplify(expr::ceil_div(last.extent, block.most));
    grid.back() = {loop_var("block", blocks), blocks};
    block.position = loop_var("position", block.most);
    block.first = Expr(grid.back().var) * block.most;
    const bool even = expr::prove_divisible(last.extent, block.most);
    block.count = even ? Expr(block.most) : expr::min(block.most, last.extent - block.first);
  }
  Stmt body = RowBuilder(program, rows, row_axes, block, along, target).build();
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
