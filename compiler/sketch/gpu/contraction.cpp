// Families "gpu_contraction" (matrix products) and "gpu_window" (convolutions as implicit matrix products): tiles.
//
// A work-group computes a tile of the result, block_rows x block_columns. It walks the depth in steps of block_depth:
// its lanes copy the step's part of both factors into Local memory, then each lane multiplies its own tm x tn points
// from there into registers. Factors are any expressions (transposed, padded, gathered, converted), evaluated while
// they are copied. Points beyond an edge count as 0 and are not stored.
#include <algorithm>
#include <cmath>

#include "compiler/sketch/families.h"
#include "compiler/sketch/gpu/group.h"
#include "compiler/sketch/gpu/product.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch::gpu {

using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

// Lanes are lane_rows x lane_columns; each owns tm x tn points, in chunks of neighbouring ones.
struct Tiles {
  int lane_rows, lane_columns, tm, tn, block_depth;
  int lanes() const { return lane_rows * lane_columns; }
  int block_rows() const { return lane_rows * tm; }
  int block_columns() const { return lane_columns * tn; }
};
constexpr Tiles table[] = {
    {16, 16, 8, 8, 8},   // 128 x 128
    {16, 16, 8, 4, 16},  // 128 x 64
    {16, 16, 4, 8, 16},  // 64 x 128
    {16, 16, 4, 4, 16},  // 64 x 64
    {8, 16, 4, 4, 16},   // 32 x 64
    {16, 8, 4, 4, 16},   // 64 x 32
    {8, 8, 4, 4, 16},    // 32 x 32
    {8, 8, 2, 2, 16},    // 16 x 16
    {2, 32, 4, 4, 16},   // 8 x 128
    {1, 64, 4, 2, 16},   // 4 x 128
    {1, 64, 1, 2, 16},   // 1 x 128
};
constexpr size_t most_proposals = 4;
constexpr int chunk = 4;  // neighbouring points of a lane: one wide access to Local memory

Tiles tiles_of(const Point& point) {
  return {int(point.at("lane_rows")), int(point.at("lane_columns")), int(point.at("tm")), int(point.at("tn")),
          int(point.at("block_depth"))};
}

Point point_of(const Tiles& t) {
  return {{"lane_rows", t.lane_rows},
          {"lane_columns", t.lane_columns},
          {"tm", t.tm},
          {"tn", t.tn},
          {"block_depth", t.block_depth}};
}

int64_t bytes_of(const Tiles& t, const Product& p) {
  return int64_t{t.block_depth} * (int64_t{t.block_rows() + 1} * int64_t(size_of(p.left->type.dtype)) +
                                   int64_t{t.block_columns() + 1} * int64_t(size_of(p.right->type.dtype)));
}

class TileKernel {
 public:
  TileKernel(const Product& product, const Tiles& tiles) : p_(product), t_(tiles), group_(tiles.lanes()) {
    rows_ = points_of(p_.rows);
    columns_ = points_of(p_.columns);
    depth_ = points_of(p_.depth);
    left_ = side("left", p_.left, p_.rows, t_.block_rows());
    right_ = side("right", p_.right, p_.columns, t_.block_columns());
    tile_row_ = loop_var("tile_row", left_.tiles);
    tile_column_ = loop_var("tile_column", right_.tiles);
  }

  std::vector<Axis> grid() const {
    std::vector<Axis> axes = p_.batch;
    axes.push_back({tile_row_, left_.tiles});
    axes.push_back({tile_column_, right_.tiles});
    return axes;
  }

  Stmt body() const {
    BufferPtr sums = group_.registers("sums", p_.tile.dtype, {t_.tm, t_.tn});
    Expr zero = tensor::identity_of(p_.tile.reduce, p_.tile.dtype);
    Stmt clear = group_.run(for_points([&](const Expr& i, const Expr& j) {
      return tensor::make_store(sums, {group_.lane(), i, j}, zero);
    }));
    Expr steps = expr::simplify(expr::ceil_div(depth_, t_.block_depth));
    VarPtr step = loop_var("step", steps);
    Expr first = Expr(step) * t_.block_depth;
    Stmt copy =
        group_.run(tensor::make_block({fill(left_, Expr(tile_row_), first), fill(right_, Expr(tile_column_), first)}));
    Stmt walk = tensor::make_for(ForKind::Serial, step, steps, tensor::make_block({copy, group_.run(multiply(sums))}));
    Stmt all = tensor::make_block({clear, walk, group_.run(store(sums))});
    return tensor::make_allocate(left_.tile, tensor::make_allocate(right_.tile, tensor::make_allocate(sums, all)));
  }

 private:
  // One factor: its axes, the tile of it that lies in Local memory as [depth][axes].
  struct Side {
    Expr value;
    std::vector<Axis> axes;
    Expr extent, tiles;
    int64_t block = 1;
    bool along_depth = false;  // neighbouring lanes copy neighbouring depths
    BufferPtr tile;
  };

  Side side(const char* name, const Expr& value, const std::vector<Axis>& axes, int64_t block) const {
    Side s{value, axes, points_of(axes), Expr(), block, along_depth(value, axes), nullptr};
    s.tiles = expr::simplify(expr::ceil_div(s.extent, block));
    // One element more per row, so that lanes that write a column of the tile use different banks.
    s.tile = local_buffer(str(name, "_tile"), value->type.dtype, {t_.block_depth, block + (s.along_depth ? 1 : 0)});
    return s;
  }

  // Whether the factor is dense along the depth rather than along its own axes. A short stride is dense enough.
  bool along_depth(const Expr& value, const std::vector<Axis>& axes) const {
    if (axes.empty()) return true;
    if (p_.depth.empty()) return false;
    bool depth = false;
    for (const Expr& load : loads_of(value)) {
      int64_t own = stride_along(load, axes.back());
      if (own > 0 && own <= 4) return false;
      depth = depth || stride_along(load, p_.depth.back()) == 1;
    }
    return depth;
  }

  // A position that may lie beyond its axis.
  static VarPtr position(const char* name) { return expr::make_var(name, {0, INT64_MAX, 1}); }

  // Every lane copies its share of the factor's tile at depth `first`.
  Stmt fill(const Side& s, const Expr& tile, const Expr& first) const {
    const int64_t elements = s.block * t_.block_depth, share = (elements + t_.lanes() - 1) / t_.lanes();
    const int64_t fast = s.along_depth ? t_.block_depth : s.block;
    VarPtr i = loop_var("i", share), at = position("at"), deep = position("deep");
    Expr e = Expr(i) * t_.lanes() + group_.lane();
    Expr own = s.along_depth ? e / fast : e % fast, down = s.along_depth ? e % fast : e / fast;
    expr::Substitution where = positions(s.axes, Expr(at));
    where.merge(positions(p_.depth, Expr(deep)));
    Expr inside = Expr(at) < s.extent && Expr(deep) < depth_;
    Expr value = expr::select(inside, tensor::substitute_shared(s.value, where), expr::imm(0, s.value->type.dtype));
    Stmt copy = tensor::make_let(at, tile * s.block + own,
                                 tensor::make_let(deep, first + down, tensor::make_store(s.tile, {down, own}, value)));
    if (elements % t_.lanes()) copy = tensor::make_if(e < Expr(elements), copy);
    return tensor::make_for(ForKind::Unrolled, i, share, copy);
  }

  // Point i of a lane's tm (or tn) points, in a block that `lanes` lanes share: chunks of neighbours.
  static Expr spread(const Expr& i, const Expr& lane, int points, int lanes) {
    int neighbours = std::min(chunk, points);
    if (neighbours == points) return lane * points + i;
    return i / neighbours * (neighbours * lanes) + lane * neighbours + i % neighbours;
  }
  Expr own_row(const Expr& i) const { return spread(i, group_.lane() / t_.lane_columns, t_.tm, t_.lane_rows); }
  Expr own_column(const Expr& j) const { return spread(j, group_.lane() % t_.lane_columns, t_.tn, t_.lane_columns); }

  Stmt for_points(const std::function<Stmt(const Expr&, const Expr&)>& f) const {
    VarPtr i = loop_var("i", t_.tm), j = loop_var("j", t_.tn);
    return tensor::make_for(ForKind::Unrolled, i, t_.tm,
                            tensor::make_for(ForKind::Unrolled, j, t_.tn, f(Expr(i), Expr(j))));
  }

  Stmt multiply(const BufferPtr& sums) const {
    VarPtr k = loop_var("k", t_.block_depth), i = loop_var("i", t_.tm), j = loop_var("j", t_.tn);
    BufferPtr left = own_points("left", left_, t_.tm), right = own_points("right", right_, t_.tn);
    Stmt read_left =
        tensor::make_for(ForKind::Unrolled, i, t_.tm,
                         tensor::make_store(left, {Expr(i)}, expr::load(left_.tile, {Expr(k), own_row(Expr(i))})));
    Stmt read_right =
        tensor::make_for(ForKind::Unrolled, j, t_.tn,
                         tensor::make_store(right, {Expr(j)}, expr::load(right_.tile, {Expr(k), own_column(Expr(j))})));
    Stmt multiply = for_points([&](const Expr& r, const Expr& c) {
      Index at{group_.lane(), r, c};
      Expr product = expr::load(left, {r}) * expr::load(right, {c});
      return tensor::make_store(sums, at, expr::load(sums, at) + product);
    });
    Stmt step = tensor::make_allocate(
        left, tensor::make_allocate(right, tensor::make_block({read_left, read_right, multiply})));
    return tensor::make_for(ForKind::Serial, k, t_.block_depth, step);
  }

  static BufferPtr own_points(const char* name, const Side& s, int points) {
    return make_buffer(name, s.tile->dtype, {points}, expr::Buffer::Scope::Register);
  }

  Stmt store(const BufferPtr& sums) const {
    VarPtr row = position("row"), column = position("column");
    return for_points([&](const Expr& i, const Expr& j) {
      expr::Substitution where = positions(p_.rows, Expr(row));
      where.merge(positions(p_.columns, Expr(column)));
      Expr sum = expr::load(sums, {group_.lane(), i, j});
      std::vector<Stmt> stores;
      for (const Map::Output& out : p_.tile.epilogue) {
        Index index;
        for (const Expr& e : out.index) index.push_back(tensor::substitute_shared(e, where));
        Expr value = tensor::mutate_shared(
            out.value, [&](const Expr& x) { return x->kind == Kind::Load && x->buffer == p_.tile.result ? sum : x; });
        stores.push_back(tensor::make_store(out.buffer, index, tensor::substitute_shared(value, where)));
      }
      Stmt all = tensor::make_if(Expr(row) < rows_ && Expr(column) < columns_, tensor::make_block(std::move(stores)));
      Expr first_row = Expr(tile_row_) * left_.block, first_column = Expr(tile_column_) * right_.block;
      return tensor::make_let(row, first_row + own_row(i), tensor::make_let(column, first_column + own_column(j), all));
    });
  }

  const Product& p_;
  Tiles t_;
  Group group_;
  Expr rows_, columns_, depth_;
  Side left_, right_;
  VarPtr tile_row_, tile_column_;
};

double cost_of(const Product& p, const Tiles& t, const Target& target) {
  double rows = double(typical_points(p.rows)), columns = double(typical_points(p.columns));
  double depth = double(typical_points(p.depth)), batch = double(typical_points(p.batch));
  double tiles = std::ceil(rows / t.block_rows()) * std::ceil(columns / t.block_columns()) * batch;
  // A step of one lane reads tm + tn values for tm * tn multiply-adds; factors are evaluated once per tile.
  double points = t.tm * t.tn,
         evaluated = scalar_cost_ns(p.left) / t.block_columns() + scalar_cost_ns(p.right) / t.block_rows();
  double efficiency = 0.8 * points / (points + t.tm + t.tn + points * evaluated);
  double flops = 2 * tiles * t.block_rows() * t.block_columns() * depth;
  double element = double(size_of(p.tile.dtype));
  double copied = tiles * (t.block_rows() + t.block_columns()) * depth * element;
  constexpr double from_cache = 4;  // times faster than from memory
  double bytes = copied / from_cache + rows * columns * batch * element;
  return cost_ns(target, flops, efficiency, bytes, tiles * t.lanes());
}

bool fits(const Tiles& t, const Product& p, const Target& target) {
  return t.lanes() <= target.max_group && bytes_of(t, p) <= target.local_bytes;
}

bool windowed(const Product& p) { return p.depth.size() > 1; }

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why, bool window) {
  auto refuse = [&](const std::string& text) {
    if (why) *why = text;
    return std::vector<Proposal>{};
  };
  auto found = product_of(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return refuse(refusal->reason);
  const Product& product = std::get<Product>(found);
  if (windowed(product) != window) return refuse(window ? "reduces over one axis" : "reduces over several axes");
  if (window && product.rows.empty()) return refuse("no tile: one factor depends on every axis");
  std::vector<Proposal> proposals;
  for (const Tiles& t : table) {
    if (fits(t, product, target)) proposals.push_back({point_of(t), cost_of(product, t, target)});
  }
  if (proposals.empty()) return refuse("no tile fits the device");
  keep_cheapest(proposals, most_proposals);
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target, bool window) {
  auto found = product_of(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const Product& product = std::get<Product>(found);
  if (windowed(product) != window) return Refusal{"not of this family"};
  Tiles tiles = tiles_of(point);
  TileKernel kernel(product, tiles);
  Expr points =
      points_of(product.batch) * points_of(product.rows) * points_of(product.columns) * points_of(product.depth);
  Lowered lowered;
  lowered.launches.push_back(finish(
      problem.program, str(window ? "window " : "contraction ", tiles.block_rows(), "x", tiles.block_columns()),
      kernel.grid(), tiles.lanes(), kernel.body(), expr::simplify(points), cost_of(product, tiles, target), target));
  return lowered;
}

std::vector<Proposal> propose_product(const Problem& problem, const Target& target, std::string* why) {
  return propose(problem, target, why, false);
}
Result lower_product(const Problem& problem, const Point& point, const Target& target) {
  return lower(problem, point, target, false);
}
std::vector<Proposal> propose_window(const Problem& problem, const Target& target, std::string* why) {
  return propose(problem, target, why, true);
}
Result lower_window(const Problem& problem, const Point& point, const Target& target) {
  return lower(problem, point, target, true);
}

}  // namespace

const Family contraction_family{"gpu_contraction", 1, guarded_propose<propose_product>, guarded_lower<lower_product>};
const Family window_family{"gpu_window", 1, guarded_propose<propose_window>, guarded_lower<lower_window>};

}  // namespace sardonyx::sketch::gpu
