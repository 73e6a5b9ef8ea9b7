// The loops of family "inverted_residual". The three steps are problems of the tile engine over the rows of one band.
#include <algorithm>

#include "compiler/sketch/inverted_residual.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Buffer;
using tensor::ForKind;
using tensor::Index;

namespace {

TileShape best_shape(const TileProblem& tile, const Target& target) {
  TileShape best;
  double least = 1e300;
  for (const TileShape& shape : tile_shapes(tile, target)) {
    const double cost = tile_cost(tile, shape, target);
    if (cost >= least) continue;
    least = cost;
    best = shape;
  }
  return best;
}

class Builder {
 public:
  Builder(const InvertedResidualProblem& problem, const InvertedResidualShape& shape, const Target& target)
      : problem_(problem),
        shape_(shape),
        target_(target),
        lanes_(tile_lanes(problem.projection, target)),
        blocks_((*constant(problem.channel.extent) + lanes_ - 1) / lanes_) {
    const WindowAxis &rows = problem.rows, &columns = problem.columns;
    slots_ = rows.reach(shape.rows);
    width_ = std::max(columns.reach(columns.outs), columns.pad + columns.in);
    bands_ = (rows.outs + shape.rows - 1) / shape.rows;
    // Odd numbers of vectors: rows and blocks a power of two apart would share their lines in the cache.
    ring_ = make_buffer("expanded", DType::F32, {blocks_, slots_, width_ | 1, lanes_}, Buffer::Scope::Scratch);
    band_ =
        make_buffer("filtered", DType::F32, {blocks_, (shape.rows * columns.outs) | 1, lanes_}, Buffer::Scope::Scratch);
  }

  Lowered build() {
    const VarPtr share = loop_var("share", shape_.shares), first = loop_var("first", bands_),
                 step = loop_var("step", bands_), band = loop_var("band", bands_),
                 row = loop_var("row", problem_.rows.outs);
    const Expr count = (Expr(share) + 1) * bands_ / shape_.shares - Expr(first);
    // The last band ends with the image, so it may begin before the end of the one before: their rows are alike.
    Stmt body = one_band(Expr(row), Expr(band), Expr(step));
    body = tensor::make_let(row, expr::min(Expr(band) * shape_.rows, problem_.rows.outs - shape_.rows), body);
    body = tensor::make_let(band, Expr(first) + Expr(step), body);
    body = tensor::make_for(ForKind::Serial, step, expr::simplify(count), body);
    if (problem_.expansion) body = tensor::make_allocate(ring_, tensor::make_block({empty_columns(), body}));
    body = tensor::make_allocate(band_, tensor::make_let(first, Expr(share) * bands_ / shape_.shares, body));
    std::vector<Axis> grid;
    if (problem_.image.var) grid.push_back(problem_.image);
    if (shape_.shares > 1)
      grid.push_back({share, shape_.shares});
    else
      body = tensor::substitute(body, {{share.get(), Expr(0)}});
    std::vector<BufferPtr> buffers;
    for (const Packed& packed : packed_) buffers.push_back(packed.buffer);
    Lowered lowered;
    const Expr images = problem_.image.var ? problem_.image.extent : Expr(1);
    lowered.launches.push_back(finish_kernel(*problem_.program, str("inverted residual ", shape_.rows), grid, body,
                                             images * (problem_.rows.outs * problem_.columns.outs), cost(), buffers));
    lowered.packed = std::move(packed_);
    return lowered;
  }

  // As if all shares took as long as the longest, and all cores as long as the one with most of them.
  double cost() const {
    const WindowAxis& rows = problem_.rows;
    const int64_t images = problem_.image.var ? typical(problem_.image.extent) : 1;
    const int64_t bands = (bands_ + shape_.shares - 1) / shape_.shares;
    double ns = double(bands) * (cost_of(filter(Expr(0))) + cost_of(projection(Expr(0))));
    double bytes = typical_bytes(*band_);
    if (problem_.expansion) {
      ns += cost_of(expansion(Expr(0), std::min(rows.in, rows.reach(std::min(bands * shape_.rows, rows.outs)))));
      bytes += typical_bytes(*ring_);
    }
    // What does not fit L2 comes from the last cache.
    const double beyond = std::max(0.0, bytes - double(target_.l2_bytes) * 0.8);
    ns += double(bands) * beyond / target_.bytes_per_ns;
    const int64_t all = images * shape_.shares, cores = target_.cores;
    return double((all + cores - 1) / cores * cores) * ns;
  }

 private:
  // Of a step alone: its operands are in caches.
  double cost_of(TileProblem tile) const {
    const Program none;
    tile.program = &none;
    return tile_cost(tile, best_shape(tile, target_), target_);
  }

  Stmt loops(const TileProblem& tile) {
    TileLoops made = tile_loops(tile, best_shape(tile, target_), target_);
    packed_.insert(packed_.end(), made.packed.begin(), made.packed.end());
    return made.body;
  }

  // Rows of the result from `row` on, the band of number `band` and the `step`-th of its share.
  Stmt one_band(const Expr& row, const Expr& band, const Expr& step) {
    std::vector<Stmt> steps;
    if (problem_.expansion) steps.push_back(expanded_rows(row, band, step));
    steps.push_back(loops(filter(row)));
    steps.push_back(loops(projection(row)));
    return tensor::make_block(std::move(steps));
  }

  // The rows that this band reads and the one before did not.
  Stmt expanded_rows(const Expr& row, const Expr& band, const Expr& step) {
    const WindowAxis& rows = problem_.rows;
    const Expr start = row * rows.stride - rows.pad, to = start + slots_;
    const Expr known = (band * shape_.rows - 1) * rows.stride - rows.pad + rows.reach(1);
    const VarPtr from = expr::make_var("from", {-rows.pad, INT64_MAX, 1}), inside = loop_var("inside", INT64_MAX);
    const Expr count = expr::max(expr::min(to, rows.in) - Expr(inside), 0);
    const Expr below = expr::max(Expr(from), rows.in);
    Stmt steps = tensor::make_block({empty_rows(Expr(from), expr::min(to, 0) - Expr(from)),
                                     loops(expansion(Expr(inside), count)), empty_rows(below, to - below)});
    steps = tensor::make_let(inside, expr::max(Expr(from), 0), steps);
    return tensor::make_let(from, expr::select(step == Expr(0), start, expr::max(start, known)), steps);
  }

  // Where a row of the expanded image, or of its padding, lies.
  Expr slot(const Expr& row) const { return (row + problem_.rows.pad) % slots_; }

  Stmt vector(const std::function<Stmt(const Expr&)>& f) const {
    const VarPtr lane = loop_var("lane", lanes_);
    return tensor::make_for(ForKind::Vector, lane, lanes_, f(Expr(lane)));
  }

  // Zeros where rows [row, row + count) lie.
  Stmt empty_rows(const Expr& row, const Expr& count) const {
    const Expr many = expr::max(count, 0);
    const std::vector<Axis> axes{
        {loop_var("block", blocks_), blocks_}, {loop_var("y", slots_), many}, {loop_var("x", width_), width_}};
    const Expr block(axes[0].var), y = slot(row + Expr(axes[1].var)), x(axes[2].var);
    return tensor::make_loops(ForKind::Serial, axes, vector([&](const Expr& lane) {
                                return tensor::make_store(ring_, {block, y, x, lane}, expr::imm(0, DType::F32));
                              }));
  }

  // Zeros left and right of all rows.
  Stmt empty_columns() const {
    const WindowAxis& columns = problem_.columns;
    const int64_t right = width_ - columns.pad - columns.in;
    const std::vector<Axis> axes{{loop_var("block", blocks_), blocks_},
                                 {loop_var("y", slots_), slots_},
                                 {loop_var("x", columns.pad + right), columns.pad + right}};
    const Expr block(axes[0].var), y(axes[1].var), x(axes[2].var);
    const Expr at = x + expr::select(x < Expr(columns.pad), Expr(0), Expr(columns.in));
    return tensor::make_loops(ForKind::Serial, axes, vector([&](const Expr& lane) {
                                return tensor::make_store(ring_, {block, y, at, lane}, expr::imm(0, DType::F32));
                              }));
  }

  // A sum of products over `channel` and `column`, row by row, stored by channel blocks.
  TileProblem step(const Axis& channel, const Axis& row, const Axis& column, std::vector<Axis> reduce_axes, Expr body,
                   const BufferPtr& sum, Map::Output output) const {
    TileProblem tile;
    tile.program = problem_.program;
    tile.constant = problem_.constant;
    tile.axes = {channel, row, column};
    tile.reduce_axes = std::move(reduce_axes);
    tile.body = tensor::simplify_index(body, {});
    tile.result = sum;
    tile.epilogue = {std::move(output)};
    tile.vector_axis = 0;
    tile.row_axis = 2;
    return tile;
  }

  TileProblem expansion(const Expr& first, const Expr& count) const {
    const auto& expanded = *problem_.expansion;
    const Axis row{loop_var("y", slots_), count};
    const Expr at = first + Expr(row.var), channel(expanded.channel.var);
    const Expr body = tensor::substitute_shared(expanded.body, {{expanded.row.var.get(), at}});
    const Index to{channel / lanes_, slot(at), Expr(expanded.column.var) + problem_.columns.pad, channel % lanes_};
    return step(expanded.channel, row, expanded.column, expanded.reduce_axes, body, expanded.sum,
                {ring_, to, expanded.value});
  }

  TileProblem filter(const Expr& first) const {
    const WindowAxis &rows = problem_.rows, &columns = problem_.columns;
    const Axis row{loop_var("y", shape_.rows), shape_.rows}, column{loop_var("x", columns.outs), columns.outs};
    const Expr channel(problem_.channel.var), y = first + Expr(row.var), x(column.var);
    Expr body = tensor::substitute_shared(problem_.window, {{rows.out.get(), y}, {columns.out.get(), x}});
    if (problem_.expansion) {
      const auto tap = [](const WindowAxis& axis) { return axis.tap ? Expr(axis.tap) * axis.dilation : Expr(0); };
      const Index from{channel / lanes_, slot(y * rows.stride + tap(rows) - rows.pad),
                       x * columns.stride + tap(columns), channel % lanes_};
      body = expr::load(ring_, from) * body;
    }
    const Index to{channel / lanes_, Expr(row.var) * columns.outs + x, channel % lanes_};
    return step(problem_.channel, row, column, problem_.taps, body, problem_.sum, {band_, to, problem_.value});
  }

  TileProblem projection(const Expr& first) const {
    TileProblem tile = problem_.projection;
    const Expr inner(problem_.inner.var);
    const Axis all = tile.axes[size_t(tile.row_axis)];
    const int64_t count = shape_.rows * problem_.columns.outs;
    const Axis pixel{loop_var("pixel", count), count};
    tile.axes[size_t(tile.row_axis)] = pixel;
    tile.body = problem_.weights * expr::load(band_, {inner / lanes_, Expr(pixel.var), inner % lanes_});
    const expr::Substitution at{{all.var.get(), first * problem_.columns.outs + Expr(pixel.var)}};
    for (Map::Output& out : tile.epilogue) {
      for (Expr& e : out.index) e = tensor::simplify_index(tensor::substitute_shared(e, at), {});
      out.value = tensor::simplify_index(tensor::substitute_shared(out.value, at), {});
    }
    return tile;
  }

  const InvertedResidualProblem& problem_;
  InvertedResidualShape shape_;
  const Target& target_;
  int64_t lanes_, blocks_;         // of channels of the window
  int64_t slots_, width_, bands_;  // rows and columns of the ring, bands of the result
  BufferPtr ring_, band_;
  std::vector<Packed> packed_;
};

}  // namespace

Lowered lower_inverted_residual(const InvertedResidualProblem& problem, const InvertedResidualShape& shape,
                                const Target& target) {
  return Builder(problem, shape, target).build();
}

double inverted_residual_cost(const InvertedResidualProblem& problem, const InvertedResidualShape& shape,
                              const Target& target) {
  return Builder(problem, shape, target).cost();
}

}  // namespace sardonyx::sketch
