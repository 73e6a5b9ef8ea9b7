// The loops of family "winograd". One grid index is a group of tiles and a share of the output channels: the input
// tiles are transformed into scratch, then per panel of output channels come one product per element of the transformed
// tile, with the whole sum in registers, and the transform of the results with everything that follows it.
#include <algorithm>

#include "compiler/sketch/winograd.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Buffer;
using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

constexpr double costly_epilogue_ns = 6;  // more is not copied for every element of a tile

class Builder {
 public:
  Builder(const WinogradProblem& problem, const WinogradShape& shape, const Target& target)
      : problem_(problem),
        shape_(shape),
        winograd_{shape.outputs},
        lanes_(tile_lanes(problem.tile, target)),
        rows_(most_rows(shape.nv, target)),
        ic_(*constant(problem.inputs.extent)),
        width_(lanes_ * shape.nv) {
    const int64_t n = shape.outputs;
    columns_ = expr::simplify(expr::ceil_div(problem.column.extent, n));
    tiles_ = expr::simplify(expr::ceil_div(problem.row.extent, n) * columns_);
    groups_ = expr::simplify(expr::ceil_div(tiles_, shape.tiles));
    group_ = loop_var("group", groups_);
    split_ = loop_var("split", shape.splits);
    const int64_t panels = *constant(problem.channel.extent) / width_;
    panels_per_split_ = panels / shape.splits;
    // One vector more than the elements: planes a power of two apart would share their lines in the cache.
    image_ =
        make_buffer("image", DType::F32, {winograd_.products(), ic_ * shape.tiles + lanes_}, Buffer::Scope::Scratch);
    sums_ =
        make_buffer("sums", DType::F32, {winograd_.products(), width_ * shape.tiles + lanes_}, Buffer::Scope::Scratch);
    packed_ =
        make_buffer("winograd_weights", DType::F32, {panels, winograd_.products(), ic_, width_}, Buffer::Scope::Global);
  }

  Lowered build(double cost_ns) {
    const VarPtr panel = loop_var("panel", panels_per_split_);
    Stmt panels = tensor::make_for(ForKind::Serial, panel, panels_per_split_,
                                   tensor::make_block({products(panel_of(panel)), results(panel_of(panel))}));
    Stmt body = tensor::make_block({transformed_image(), panels});
    body = tensor::make_allocate(image_, tensor::make_allocate(sums_, body));
    std::vector<Axis> axes = problem_.images;
    axes.push_back({group_, groups_});
    axes.push_back({split_, shape_.splits});
    const std::vector<Axis> grid = grid_of(axes, body);
    Lowered lowered;
    const Expr points = points_of(problem_.images) * groups_ * Expr(shape_.tiles * ic_) * problem_.channel.extent;
    lowered.launches.push_back(finish_kernel(*problem_.tile.program,
                                             str("winograd ", shape_.outputs, "x", shape_.outputs), grid, body, points,
                                             cost_ns, {packed_}));
    lowered.packed.push_back({problem_.weights, packed_, [winograd = winograd_, width = width_](const Tensor& weights) {
                                return winograd.pack(weights, width);
                              }});
    return lowered;
  }

 private:
  Expr panel_of(const VarPtr& panel) const {
    return shape_.splits == 1 ? Expr(panel) : Expr(split_) * panels_per_split_ + Expr(panel);
  }

  // `f` of every lane of a vector.
  Stmt vector(const std::function<Stmt(const Expr&)>& f) const {
    const VarPtr lane = loop_var("lane", lanes_);
    return tensor::make_for(ForKind::Vector, lane, lanes_, f(Expr(lane)));
  }
  static Stmt unrolled(const char* name, int64_t extent, const std::function<Stmt(const Expr&)>& f) {
    const VarPtr i = loop_var(name, extent);
    return tensor::make_for(ForKind::Unrolled, i, extent, f(Expr(i)));
  }
  static Stmt serial(const char* name, int64_t extent, const std::function<Stmt(const Expr&)>& f) {
    const VarPtr i = loop_var(name, extent);
    return tensor::make_for(ForKind::Serial, i, extent, f(Expr(i)));
  }

  // `f` of the first row and column of the result that tile `t` of the group covers. A group's last tiles may lie
  // beyond the image; `tile` is then not below the number of tiles.
  Stmt at_tile(const Expr& tile, const std::function<Stmt(const Expr& row, const Expr& column)>& f) const {
    const VarPtr row = loop_var("row", problem_.row.extent), column = loop_var("column", problem_.column.extent);
    return tensor::make_let(row, tile / columns_ * shape_.outputs,
                            tensor::make_let(column, tile % columns_ * shape_.outputs, f(Expr(row), Expr(column))));
  }

  Stmt transformed_image() const {
    return serial("block", ic_ / lanes_, [&](const Expr& block) {
      return serial("t", shape_.tiles, [&](const Expr& t) {
        const VarPtr tile = loop_var("tile", tiles_);
        const Expr last = expr::min(Expr(group_) * shape_.tiles + t, tiles_ - 1);
        return tensor::make_let(tile, last, at_tile(Expr(tile), [&](const Expr& row, const Expr& column) {
                                  const Expr to = (block * shape_.tiles + t) * lanes_;
                                  return tensor::make_if(interior(row, column),
                                                         transform_input(block, row, column, to, false),
                                                         transform_input(block, row, column, to, true));
                                }));
      });
    });
  }

  Expr pixel_at(const Expr& value, const Expr& row, const Expr& column, const Expr& channel) const {
    return tensor::substitute_shared(
        value, {{problem_.y.get(), row}, {problem_.x.get(), column}, {problem_.inputs.var.get(), channel}});
  }

  // Whether no element of the input tile is padding or belongs to no pixel of the result: the conditions are affine, so
  // the corners decide.
  Expr interior(const Expr& row, const Expr& column) const {
    const Expr reach = winograd_.inputs() - 1;
    Expr all = row + reach <= problem_.row.extent + 1 && column + reach <= problem_.column.extent + 1;
    for (const Expr& condition : problem_.inside) {
      for (const Expr& offset : {Expr(0), reach})
        all = all && pixel_at(condition, row + offset, column + offset, Expr(0));
    }
    return all;
  }

  Stmt transform_input(const Expr& block, const Expr& row, const Expr& column, const Expr& to, bool edge) const {
    const int size = winograd_.inputs();
    const BufferPtr half = make_buffer("half", DType::F32, {size, size, lanes_}, Buffer::Scope::Register);
    const BufferPtr taken = make_buffer("taken", DType::F32, {size, lanes_}, Buffer::Scope::Register);
    const auto element = [&](const Expr& y, const Expr& x, const Expr& lane) {
      Expr at_row = row + y, at_column = column + x;
      if (edge) {  // beyond what any pixel of the result reads, the last line is as good as any
        at_row = expr::min(at_row, problem_.row.extent + 1);
        at_column = expr::min(at_column, problem_.column.extent + 1);
      }
      Expr value = problem_.pixel;
      if (edge && !problem_.inside.empty()) {
        Expr condition = problem_.inside[0];
        for (size_t i = 1; i < problem_.inside.size(); ++i) condition = condition && problem_.inside[i];
        value = expr::select(condition, value, expr::imm(0, DType::F32));
      }
      return pixel_at(value, at_row, at_column, block * lanes_ + lane);
    };
    Stmt columns = unrolled("x", size, [&](const Expr& x) {
      std::vector<Stmt> parts{unrolled("y", size, [&](const Expr& y) {
        return vector([&](const Expr& lane) { return tensor::make_store(taken, {y, lane}, element(y, x, lane)); });
      })};
      for (int i = 0; i < size; ++i) {
        parts.push_back(vector([&](const Expr& lane) {
          std::vector<Expr> d;
          for (int k = 0; k < size; ++k) d.push_back(expr::load(taken, {Expr(k), lane}));
          return tensor::make_store(half, {Expr(i), x, lane}, winograd_.input(i, d));
        }));
      }
      return tensor::make_block(std::move(parts));
    });
    Stmt rows = unrolled("y", size, [&](const Expr& y) {
      std::vector<Stmt> parts;
      for (int i = 0; i < size; ++i) {
        parts.push_back(vector([&](const Expr& lane) {
          std::vector<Expr> d;
          for (int k = 0; k < size; ++k) d.push_back(expr::load(half, {y, Expr(k), lane}));
          return tensor::make_store(image_, {y * size + i, to + lane}, winograd_.input(i, d));
        }));
      }
      return tensor::make_block(std::move(parts));
    });
    return tensor::make_allocate(half, tensor::make_allocate(taken, tensor::make_block({columns, rows})));
  }

  // sums[product] = image[product] * weights[panel, product], for all elements of the transformed tile.
  Stmt products(const Expr& panel) const {
    return serial("product", winograd_.products(), [&](const Expr& product) {
      const int64_t blocks = (shape_.tiles + rows_ - 1) / rows_, small = shape_.tiles / blocks;
      const int64_t large_count = shape_.tiles - blocks * small;
      std::vector<Stmt> parts;
      if (large_count > 0) {
        parts.push_back(serial("large", large_count, [&](const Expr& i) {
          return register_block(panel, product, i * (small + 1), small + 1, i, blocks);
        }));
      }
      parts.push_back(serial("small", blocks - large_count, [&](const Expr& i) {
        return register_block(panel, product, i * small + large_count * (small + 1), small, i, blocks);
      }));
      if (!expr::is_const(groups_, 1) && shape_.splits == 1) parts.push_back(next_pixels(panel, product));
      return tensor::make_block(std::move(parts));
    });
  }

  // What the next group of tiles reads and this one does not comes to L2 meanwhile, a part with each product.
  Stmt next_pixels(const Expr& panel, const Expr& product) const {
    const int64_t steps = panels_per_split_ * winograd_.products(), units = ic_ / lanes_ * shape_.tiles;
    const Expr step = panel * winograd_.products() + product, first = step * units / steps;
    const VarPtr ordinal = loop_var("unit", units);
    const Expr unit = first + Expr(ordinal);
    const Expr tile = expr::min((Expr(group_) + 1) * shape_.tiles + unit % shape_.tiles, tiles_ - 1);
    Stmt lines = at_tile(tile, [&](const Expr& row, const Expr& column) {
      return unrolled("y", shape_.outputs, [&](const Expr& y) {
        return unrolled("x", shape_.outputs, [&](const Expr& x) {
          const Expr pixel = pixel_at(problem_.pixel, row + y + 2, column + x + 2, unit / shape_.tiles * lanes_);
          return tensor::make_prefetch(pixel->buffer, pixel->args, tensor::CacheLevel::Second);
        });
      });
    });
    return tensor::make_for(ForKind::Serial, ordinal, (step + 1) * units / steps - first, lines);
  }

  // Tiles [first, first + rows) of a product, the `ordinal`-th of so many blocks.
  Stmt register_block(const Expr& panel, const Expr& product, const Expr& first, int64_t rows, const Expr& ordinal,
                      int64_t blocks) const {
    const BufferPtr sum = make_buffer("sum", DType::F32, {rows, width_}, Buffer::Scope::Register);
    const auto all = [&](const std::function<Stmt(const Expr& row, const Expr& q)>& f) {
      return unrolled("i", rows, [&](const Expr& i) {
        return unrolled("j", shape_.nv, [&](const Expr& j) {
          return vector([&](const Expr& lane) { return f(i, j * lanes_ + lane); });
        });
      });
    };
    Stmt clear = all([&](const Expr& i, const Expr& q) {
      return tensor::make_store(sum, {i, q}, expr::imm(0, DType::F32));
    });
    Stmt accumulate = serial("block", ic_ / lanes_, [&](const Expr& block) {
      return serial("k", lanes_, [&](const Expr& k) {
        Stmt step = all([&](const Expr& i, const Expr& q) {
          const Expr a = expr::load(image_, {product, (block * shape_.tiles + first + i) * lanes_ + k});
          const Expr b = expr::load(packed_, {panel, product, block * lanes_ + k, q});
          return tensor::make_store(sum, {i, q}, expr::load(sum, {i, q}) + a * b);
        });
        // The weights of the next product come to L2, a part with each block of tiles.
        const int64_t lines = (shape_.nv + blocks - 1) / blocks;
        Stmt ahead = unrolled("line", lines, [&](const Expr& line) {
          const Expr part = (ordinal * lines + line) % shape_.nv * lanes_;
          return tensor::make_prefetch(packed_, {panel, product + 1, block * lanes_ + k, part},
                                       tensor::CacheLevel::Second);
        });
        return tensor::make_block({step, ahead});
      });
    });
    Stmt keep = all([&](const Expr& i, const Expr& q) {
      const Expr at = (q / lanes_ * shape_.tiles + first + i) * lanes_ + q % lanes_;
      return tensor::make_store(sums_, {product, at}, expr::load(sum, {i, q}));
    });
    return tensor::make_allocate(sum, tensor::make_block({clear, accumulate, keep}));
  }

  Stmt results(const Expr& panel) const {
    return serial("j", shape_.nv, [&](const Expr& j) {
      return serial("t", shape_.tiles, [&](const Expr& t) {
        const VarPtr tile = expr::make_var("tile", {0, INT64_MAX, 1});
        Stmt code = at_tile(Expr(tile), [&](const Expr& row, const Expr& column) {
          const Expr whole =
              row + shape_.outputs <= problem_.row.extent && column + shape_.outputs <= problem_.column.extent;
          const Expr from = (j * shape_.tiles + t) * lanes_;
          return tensor::make_if(whole, transform_output(panel, j, row, column, from, false),
                                 transform_output(panel, j, row, column, from, true));
        });
        code = tensor::make_if(Expr(tile) < tiles_, code);
        return tensor::make_let(tile, Expr(group_) * shape_.tiles + t, code);
      });
    });
  }

  Stmt transform_output(const Expr& panel, const Expr& j, const Expr& row, const Expr& column, const Expr& from,
                        bool edge) const {
    const int size = winograd_.inputs(), n = shape_.outputs;
    const BufferPtr half = make_buffer("half", DType::F32, {n, size, lanes_}, Buffer::Scope::Register);
    Stmt columns = unrolled("x", size, [&](const Expr& x) {
      std::vector<Stmt> parts;
      for (int i = 0; i < n; ++i) {
        parts.push_back(vector([&](const Expr& lane) {
          std::vector<Expr> m;
          for (int k = 0; k < size; ++k) m.push_back(expr::load(sums_, {Expr(k * size) + x, from + lane}));
          return tensor::make_store(half, {Expr(i), x, lane}, winograd_.output(i, m));
        }));
      }
      return tensor::make_block(std::move(parts));
    });
    const auto value = [&](const Expr& y, int x, const Expr& lane) {
      std::vector<Expr> m;
      for (int k = 0; k < size; ++k) m.push_back(expr::load(half, {y, Expr(k), lane}));
      return winograd_.output(x, m);
    };
    const auto stored = [&](const Expr& y, const Expr& x, const Expr& lane, const Expr& result) {
      const Expr channel = panel * width_ + j * lanes_ + lane;
      Stmt all = stores(row + y, column + x, channel, result);
      if (edge) all = tensor::make_if(row + y < problem_.row.extent && column + x < problem_.column.extent, all);
      return all;
    };
    double cost = 0;
    for (const Map::Output& out : problem_.tile.epilogue) cost += scalar_cost_ns(out.value);
    const bool direct = cost < costly_epilogue_ns;
    const BufferPtr tile = make_buffer("tile", DType::F32, {n, n, lanes_}, Buffer::Scope::Scratch);
    Stmt rows = unrolled("y", n, [&](const Expr& y) {
      std::vector<Stmt> parts;
      for (int x = 0; x < n; ++x) {
        parts.push_back(vector([&](const Expr& lane) {
          const Expr result = value(y, x, lane);
          return direct ? stored(y, Expr(x), lane, result) : tensor::make_store(tile, {y, Expr(x), lane}, result);
        }));
      }
      return tensor::make_block(std::move(parts));
    });
    Stmt all = tensor::make_block({columns, rows});
    if (!direct) {
      Stmt finish = serial("y", n, [&](const Expr& y) {
        return serial("x", n, [&](const Expr& x) {
          return vector([&](const Expr& lane) { return stored(y, x, lane, expr::load(tile, {y, x, lane})); });
        });
      });
      all = tensor::make_allocate(tile, tensor::make_block({all, finish}));
    }
    return tensor::make_allocate(half, all);
  }

  // The epilogue of one point of the result.
  Stmt stores(const Expr& row, const Expr& column, const Expr& channel, const Expr& result) const {
    const expr::Substitution at{
        {problem_.row.var.get(), row}, {problem_.column.var.get(), column}, {problem_.channel.var.get(), channel}};
    std::vector<Stmt> list;
    for (const Map::Output& out : problem_.tile.epilogue) {
      Index index;
      for (const Expr& e : out.index) index.push_back(tensor::substitute_shared(e, at));
      const Expr value = tensor::mutate_shared(out.value, [&](const Expr& x) {
        return x->kind == Kind::Load && x->buffer == problem_.tile.result ? result : x;
      });
      list.push_back(tensor::make_store(out.buffer, index, tensor::substitute_shared(value, at)));
    }
    return tensor::make_block(std::move(list));
  }

  const WinogradProblem& problem_;
  WinogradShape shape_;
  Winograd winograd_;
  int64_t lanes_, rows_, ic_, width_;
  Expr columns_, tiles_, groups_;
  VarPtr group_, split_;
  int64_t panels_per_split_ = 1;
  BufferPtr image_, sums_, packed_;
};

}  // namespace

Result lower_winograd(const WinogradProblem& problem, const WinogradShape& shape, const Target& target,
                      double cost_ns) {
  return Builder(problem, shape, target).build(cost_ns);
}

}  // namespace sardonyx::sketch
