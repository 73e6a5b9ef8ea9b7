#include "compiler/sketch/tile_reduction.h"

#include <algorithm>
#include <unordered_map>

#include "compiler/tensor/lower/lower.h"

namespace sardonyx::sketch {

using expr::Kind;

namespace {

constexpr int64_t most_edge_copies = 48;  // keeps code, and the time to compile it, bounded

}  // namespace

TileReduction::TileReduction(const TileProblem& tile, int64_t most_rows, const Target& target)
    : tile_(tile),
      most_rows_(most_rows),
      deterministic_(target.deterministic),
      vector_(tile.axes[size_t(tile.vector_axis)].var),
      body_(tile.body) {
  if (tile.row_axis >= 0) row_ = tile.axes[size_t(tile.row_axis)];
  order_loops();
  separate_conditions();
}

// Channels first in the program become: outer spatial loops, channel blocks, the innermost spatial loop, channels of
// a block. Blocked operands index channels by quotient and remainder; the loop is split accordingly. Deterministic
// sums run over all channels of one tap after the other, whatever the layout.
void TileReduction::order_loops() {
  std::vector<Axis> axes = tile_.reduce_axes;
  if (axes.empty()) return;
  Axis channel = axes[0];
  std::vector<Axis> spatial(axes.begin() + 1, axes.end());
  int64_t block = 0;
  for (const Expr& e : distinct_nodes(body_, Kind::Mod)) {
    if (e->args[0]->kind == Kind::Var && e->args[0]->var == channel.var) block = expr::as_int(e->args[1]).value_or(0);
  }
  std::vector<Axis> ordered;
  Expr partial_block;  // how many channels the last block has
  if (block > 1 && constant(channel.extent)) {
    Expr blocks = expr::simplify(expr::ceil_div(channel.extent, block));
    Axis outer{loop_var(channel.var->name + "o", blocks), blocks},
        inner{loop_var(channel.var->name + "i", block), block};
    bool single = expr::is_const(blocks, 1);
    Expr first = single ? Expr(0) : Expr(outer.var) * block;
    body_ =
        tensor::simplify_index(tensor::substitute_shared(body_, {{channel.var.get(), first + Expr(inner.var)}}), {});
    if (!spatial.empty()) ordered.assign(spatial.begin(), spatial.end() - 1);
    if (!single) ordered.push_back(outer);
    if (!spatial.empty()) ordered.push_back(spatial.back());
    ordered.push_back(inner);
    if (!expr::prove_divisible(channel.extent, block)) partial_block = expr::min(block, channel.extent - first);
  } else if (spatial.empty()) {
    ordered = {channel};
  } else {
    ordered = {channel};
    ordered.insert(ordered.end(), spatial.begin(), spatial.end());
  }
  const auto is_spatial = [&](const Axis& axis) {
    return std::any_of(spatial.begin(), spatial.end(), [&](const Axis& s) { return s.var == axis.var; });
  };
  if (deterministic_) std::stable_partition(ordered.begin(), ordered.end(), is_spatial);
  for (const Axis& axis : ordered) loops_.push_back({axis, 0, Expr()});
  if (partial_block.defined()) loops_.back().high = partial_block;
}

// Takes the padding condition apart.
void TileReduction::separate_conditions() {
  std::vector<Expr> selects = distinct_nodes(body_, Kind::Select);
  if (selects.size() != 1 || !distinct_nodes(selects[0]->args[0], Kind::Load).empty()) return;
  const Expr select = selects[0];
  if (!neutral(select->args[2])) return;
  std::vector<Expr> parts, kept;
  split_conjunction(select->args[0], parts);
  for (const Expr& part : parts) {
    if (mentions(part, vector_)) {
      kept.push_back(part);
    } else if (mentions(part, row_.var)) {
      row_conditions_.push_back(part);
    } else if (!bound_loop(part)) {
      kept.push_back(part);
    }
  }
  if (!row_conditions_.empty() && !row_conditions_static()) {
    kept.insert(kept.end(), row_conditions_.begin(), row_conditions_.end());
    row_conditions_.clear();
  }
  Expr condition;
  for (const Expr& part : kept) condition = condition.defined() ? condition && part : part;
  body_ = tensor::mutate_shared(body_, [&](const Expr& x) -> Expr {
    if (x.get() != select.get()) return x;
    return condition.defined() ? expr::select(condition, x->args[1], x->args[2]) : x->args[1];
  });
}

// Whether a term with this value instead of the loaded one leaves the reduction as it is.
bool TileReduction::neutral(const Expr& value) const {
  if (tile_.reduce == tensor::Reduce::Sum) {
    bool zero = (value->kind == Kind::FloatImm && value->float_value == 0) || expr::is_const(value, 0);
    return zero && (body_->kind == Kind::Mul || body_->kind == Kind::Select);
  }
  return body_->kind == Kind::Select && expr::equal(value, tensor::identity_of(tile_.reduce, tile_.dtype));
}

// A condition on one reduction variable and grid variables narrows that loop.
bool TileReduction::bound_loop(const Expr& condition) {
  if (condition->kind != Kind::Lt && condition->kind != Kind::Le) return false;
  int64_t slack = condition->kind == Kind::Lt ? 1 : 0;
  Expr difference = expr::simplify(condition->args[1] - condition->args[0]);  // must be at least slack
  ReductionLoop* loop = nullptr;
  for (ReductionLoop& l : loops_) {
    if (!mentions(difference, l.axis.var)) continue;
    if (loop) return false;
    loop = &l;
  }
  if (!loop) return false;
  auto linear = expr::linear_in(difference, loop->axis.var);
  if (!linear) return false;
  auto c = expr::as_int(linear->coefficient);
  if (!c || *c == 0) return false;
  if (!loop->high.defined()) loop->high = loop->axis.extent;
  if (*c > 0) {
    loop->low = expr::max(loop->low, expr::ceil_div(Expr(slack) - linear->rest, *c));
  } else {
    loop->high = expr::min(loop->high, (linear->rest - Expr(slack)) / Expr(-*c) + 1);
  }
  return true;
}

bool TileReduction::row_conditions_static() {
  if (!constant(row_.extent)) return false;
  row_loops_.clear();
  for (const Expr& condition : row_conditions_) {
    bool pure = true;
    expr::visit(condition, [&](const Expr& x) {
      if (x->kind == Kind::Load) pure = false;
      if (x->kind != Kind::Var || x->var == row_.var) return true;
      bool loop = false;
      for (size_t i = 0; i < loops_.size(); ++i) {
        if (loops_[i].axis.var != x->var) continue;
        loop = constant(loops_[i].axis.extent).has_value() && !loops_[i].high.defined();
        if (loop && std::find(row_loops_.begin(), row_loops_.end(), i) == row_loops_.end()) row_loops_.push_back(i);
      }
      pure = pure && loop;
      return true;
    });
    if (!pure) return false;
  }
  return row_loops_.size() <= 1 && edge_copies() <= most_edge_copies;
}

// How many copies of the inner loops the edge tiles would make.
int64_t TileReduction::edge_copies() const {
  int64_t extent = *constant(row_.extent), blocks = (extent + most_rows_ - 1) / most_rows_, copies = 0;
  for (int64_t b = 0; b < blocks && copies <= most_edge_copies; ++b) {
    int64_t start = b * extent / blocks, rows = (b + 1) * extent / blocks - start;
    if (edge(start, rows)) copies += taps();
  }
  return copies;
}

bool TileReduction::holds(int64_t row, int64_t tap) const {
  std::unordered_map<const expr::Variable*, int64_t> values{{row_.var.get(), row}};
  if (!row_loops_.empty()) values[loops_[row_loops_[0]].axis.var.get()] = tap;
  for (const Expr& condition : row_conditions_) {
    if (!expr::evaluate(condition, values)) return false;
  }
  return true;
}

int64_t TileReduction::taps() const { return row_loops_.empty() ? 1 : *constant(loops_[row_loops_[0]].axis.extent); }

bool TileReduction::edge(int64_t start, int64_t rows) const {
  for (int64_t i = start; i < start + rows; ++i) {
    for (int64_t t = 0; t < taps(); ++t) {
      if (!holds(i, t)) return true;
    }
  }
  return false;
}

}  // namespace sardonyx::sketch
