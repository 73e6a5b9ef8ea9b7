// Family "winograd": which convolutions, with which knobs, at which cost.
//
// Knobs: outputs, the n of F(n x n, 3 x 3); nv, vectors of output channels per panel; tiles per grid index; splits, how
// many grid indices share the output channels of one group of tiles, each of which transforms the input for itself.
#include "compiler/sketch/winograd.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "compiler/sketch/families.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Kind;

namespace {

constexpr int64_t fewest_inputs = 16, fewest_outputs = 32;  // below, the transforms cost more than they save

bool is_var(const Expr& e, const VarPtr& var) { return e->kind == Kind::Var && e->var == var; }

// A condition that holds between two corners of a tile when it holds at both.
bool affine_comparison(const Expr& condition, const VarPtr& row, const VarPtr& column) {
  if (condition->kind != Kind::Lt && condition->kind != Kind::Le) return false;
  const Expr difference = expr::simplify(condition->args[1] - condition->args[0]);
  const auto in_row = expr::linear_in(difference, row);
  if (!in_row || !expr::as_int(in_row->coefficient)) return false;
  const auto in_column = expr::linear_in(in_row->rest, column);
  if (!in_column || !expr::as_int(in_column->coefficient)) return false;
  bool plain = true;
  expr::visit(in_column->rest, [&](const Expr& x) { return plain = plain && x->kind != Kind::Load; });
  return plain;
}

// The axes of the result that walk with the taps: `other` is the same at tap (ky, kx) as at (row + ky, column + kx) and
// no tap.
bool slides(const Expr& other, const VarPtr& row, const VarPtr& column, const VarPtr& ky, const VarPtr& kx) {
  const Expr still = tensor::substitute_shared(other, {{ky.get(), Expr(0)}, {kx.get(), Expr(0)}});
  const Expr moved =
      tensor::substitute_shared(still, {{row.get(), Expr(row) + Expr(ky)}, {column.get(), Expr(column) + Expr(kx)}});
  return expr::equal(tensor::simplify_index(moved, {}), tensor::simplify_index(other, {}));
}

// Nanoseconds on one core, with weights from memory.
double cost(const WinogradProblem& problem, const WinogradShape& shape, const Target& target) {
  const Winograd winograd{shape.outputs};
  const double lanes = tile_lanes(problem.tile, target), n = shape.outputs, products = winograd.products();
  const double ghz = target.flops_per_ns / (lanes * 4);
  const double ic = double(typical(problem.inputs.extent)), oc = double(typical(problem.channel.extent));
  double images = double(typical_points(problem.images));
  const double tiles =
      std::ceil(double(typical(problem.row.extent)) / n) * std::ceil(double(typical(problem.column.extent)) / n);
  const double groups = std::ceil(tiles / shape.tiles), padded = groups * shape.tiles;
  const double blocks = std::ceil(shape.tiles / double(most_rows(shape.nv, target)));
  const double rows = shape.tiles / blocks;  // of a block, on average
  // A step of a register block: multiply-adds on two units, loads on two ports, sums with a latency of four cycles.
  // Measured, panels of two vectors come nearest to that, and blocks that leave some registers free.
  constexpr double beyond_units[] = {0, 1.11, 1.06, 1.1, 1.155};
  const double step = std::max({rows * shape.nv / 2, (rows + shape.nv) / 2, 4.5}) * beyond_units[shape.nv] *
                      (rows * shape.nv > 24 ? 1.02 : 1);
  const double panels = std::ceil(oc / (lanes * shape.nv));
  const double product = groups * blocks * panels * products * (ic * step + 2 * rows * shape.nv + 80);
  const double input = padded * shape.splits * ic / lanes * products * 3.2;
  const double output = tiles * oc / lanes * (products * 3.0 + n * n * 3);
  // Weights come from memory once. Then they are in L2, where everything fits, else in the last cache, if that: half of
  // it hides behind the sums. The rest of L2 is for pixels and results that pass through it.
  const double weights = products * ic * oc * 4, image = products * shape.tiles * ic * 4;
  const double sums = products * shape.tiles * lanes * shape.nv * 4, l2 = double(target.l2_bytes) * 0.5;
  const double again = weights + image + sums <= l2 ? 0.08 : weights < double(target.l3_bytes) / 2 ? 0.25 : 1;
  double memory = weights * (1 + (groups * images - 1) * again) / target.bytes_per_ns * 0.25;
  // What does not fit L2 beside them comes from the last cache for every panel.
  const double beyond = std::max(0.0, image + sums - l2);
  memory += groups * images * beyond * panels / target.bytes_per_ns * 0.1;
  return images * (product + input + output) / ghz + memory;
}

std::vector<WinogradShape> shapes(const WinogradProblem& problem, const Target& target) {
  const int64_t lanes = tile_lanes(problem.tile, target), vectors = typical(problem.channel.extent) / lanes;
  std::vector<WinogradShape> list;
  for (int outputs : {4, 2}) {
    const int64_t tiles = ((typical(problem.row.extent) + outputs - 1) / outputs) *
                          ((typical(problem.column.extent) + outputs - 1) / outputs);
    for (int nv : {2, 4, 3, 1}) {
      if (vectors % nv != 0 || most_rows(nv, target) < 2) continue;
      std::set<int> sizes;
      for (int64_t wanted : {14, 28, 42, 56, 84, 112, 196}) {
        const int64_t groups = std::max<int64_t>(1, (tiles + wanted / 2) / wanted);
        sizes.insert(int((tiles + groups - 1) / groups));
      }
      for (int size : sizes) {
        const int64_t groups = (tiles + size - 1) / size * typical_points(problem.images);
        int splits = 1;
        while (groups * splits < target.cores && vectors / nv % (splits * 2) == 0) splits *= 2;
        list.push_back({outputs, nv, size, splits});
      }
    }
  }
  return list;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  auto found = winograd_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&found)) {
    if (why) *why = refusal->reason;
    return {};
  }
  const auto& winograd = std::get<WinogradProblem>(found);
  std::vector<Proposal> proposals;
  for (const WinogradShape& shape : shapes(winograd, target)) {
    proposals.push_back(
        {{{"outputs", shape.outputs}, {"nv", shape.nv}, {"tiles", shape.tiles}, {"splits", shape.splits}},
         cost(winograd, shape, target)});
  }
  if (proposals.empty() && why) *why = "no panel of whole vectors fits the output channels";
  constexpr size_t most_proposals = 4;
  keep_cheapest(proposals, most_proposals);
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  auto found = winograd_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const auto& winograd = std::get<WinogradProblem>(found);
  const WinogradShape shape{int(point.at("outputs")), int(point.at("nv")), int(point.at("tiles")),
                            int(point.at("splits"))};
  return lower_winograd(winograd, shape, target, cost(winograd, shape, target));
}

}  // namespace

int most_rows(int nv, const Target& target) {
  constexpr int wide[] = {0, 28, 14, 8, 6}, narrow[] = {0, 12, 6, 4, 1};
  return (target.vector_registers >= 32 ? wide : narrow)[nv];
}

std::variant<WinogradProblem, Refusal> winograd_problem(const Problem& problem, const Target& target) {
  if (target.kind != tensor::TargetKind::Host) return Refusal{"only for the host"};
  auto found = tile_problem(problem);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  WinogradProblem result;
  result.tile = std::move(std::get<TileProblem>(found));
  const TileProblem& tile = result.tile;
  if (tile.reduce != tensor::Reduce::Sum || tile.dtype != DType::F32 || tile.body->kind != Kind::Mul)
    return Refusal{"no sum of F32 products"};
  if (tile.reduce_axes.size() != 3) return Refusal{"no two-dimensional window over channels"};
  const Axis &inputs = tile.reduce_axes[0], &ky = tile.reduce_axes[1], &kx = tile.reduce_axes[2];
  if (!expr::is_const(ky.extent, 3) || !expr::is_const(kx.extent, 3)) return Refusal{"the kernel is not 3 x 3"};
  Expr image;
  for (size_t side = 0; side < 2 && !image.defined(); ++side) {
    const Expr& weights = tile.body->args[side];
    if (weights->kind != Kind::Load || weights->args.size() != 4) continue;
    const int input = constant_input(tile, weights->buffer);
    if (input < 0 || !is_var(weights->args[1], inputs.var) || !is_var(weights->args[2], ky.var) ||
        !is_var(weights->args[3], kx.var))
      continue;
    for (const Axis& axis : tile.axes)
      if (is_var(weights->args[0], axis.var)) result.channel = axis;
    result.weights = input;
    image = tile.body->args[1 - side];
  }
  if (!image.defined() || !result.channel.var) return Refusal{"the weights are no constant of their own"};
  if (expr::uses_var(image, result.channel.var.get())) return Refusal{"output channels read different images"};
  result.inputs = inputs;
  const int64_t lanes = tile_lanes(tile, target);
  const auto ic = constant(inputs.extent), oc = constant(result.channel.extent);
  if (!ic || !oc || *ic % lanes != 0 || *oc % lanes != 0) return Refusal{"channels are no whole vectors"};
  if (*ic < fewest_inputs || *oc < fewest_outputs) return Refusal{"few channels"};
  for (const Axis& row : tile.axes) {
    for (const Axis& column : tile.axes) {
      const bool known = result.row.var != nullptr || row.var == column.var || row.var == result.channel.var ||
                         column.var == result.channel.var;
      if (known || !slides(image, row.var, column.var, ky.var, kx.var)) continue;
      result.row = row;
      result.column = column;
    }
  }
  if (!result.row.var) return Refusal{"the window does not slide by one"};
  for (const Axis& axis : tile.axes)
    if (axis.var != result.channel.var && axis.var != result.row.var && axis.var != result.column.var)
      result.images.push_back(axis);
  // Fresh variables, because the taps reach beyond the bounds of row and column.
  result.y = loop_var("y", expr::simplify(result.row.extent + 2));
  result.x = loop_var("x", expr::simplify(result.column.extent + 2));
  result.pixel = tensor::simplify_index(tensor::substitute_shared(image, {{ky.var.get(), Expr(0)},
                                                                          {kx.var.get(), Expr(0)},
                                                                          {result.row.var.get(), Expr(result.y)},
                                                                          {result.column.var.get(), Expr(result.x)}}),
                                        {});
  if (result.pixel->kind == Kind::Select) {
    const Expr padding = result.pixel->args[2];
    const bool zero = padding->kind == Kind::FloatImm && padding->float_value == 0;
    if (!zero) return Refusal{"padding is not zero"};
    split_conjunction(result.pixel->args[0], result.inside);
    result.pixel = result.pixel->args[1];
  }
  for (const Expr& condition : result.inside)
    if (!affine_comparison(condition, result.y, result.x)) return Refusal{"padding of another shape"};
  // One load of whole vectors of channels: other expressions would be evaluated about twice per element.
  if (result.pixel->kind != Kind::Load) return Refusal{"the image is computed in place"};
  if (!dense_in_blocks(flat_offset(*result.pixel->buffer, result.pixel->args), inputs.var, lanes))
    return Refusal{"channels are not in blocks"};
  return result;
}

const Family winograd_family{"winograd", 1, guarded_propose<propose>, guarded_lower<lower>, false};

}  // namespace sardonyx::sketch
