// The loops of family "attention".
#include <algorithm>
#include <cmath>

#include "compiler/sketch/attention.h"
#include "compiler/sketch/map.h"
#include "compiler/tensor/lower/math.h"

namespace sardonyx::sketch {

using expr::Buffer;
using expr::Function;
using tensor::ForKind;

namespace {

constexpr int64_t few_rows = 8;    // of queries: packing the keys takes longer than it saves
constexpr int64_t most_rows = 6;   // of a register tile
constexpr int64_t row_unroll = 4;  // vectors of a row that are reduced side by side
constexpr int64_t keys_at_once = 4;

class AttentionBuilder {
 public:
  AttentionBuilder(const AttentionProblem& problem, const AttentionShape& shape, const Target& target)
      : problem_(problem),
        target_(target),
        splits_(shape.splits),
        pack_(shape.pack),
        lanes_(target.vector_bytes / 4),
        vectors_(target.vector_registers >= 32 ? 4 : 2),
        width_(vectors_ * lanes_),
        inner_(*constant(problem.inner.extent)),
        columns_(*constant(problem.value.extent)),
        keys_(problem.key.extent),
        share_(expr::simplify(expr::ceil_div(problem.query.extent, shape.splits))) {
    tile_rows_ = most_rows;
    if (const auto rows = constant(share_); rows && *rows > 0)
      tile_rows_ = (*rows - 1) / ((*rows + most_rows - 1) / most_rows) + 1;
    block_rows_ = shape.tiles * tile_rows_;
    split_ = loop_var("split", splits_);
    whole_panels_ = expr::simplify(keys_ / width_);
    left_vectors_ = expr::simplify(expr::ceil_div(keys_ - whole_panels_ * width_, lanes_));
    padded_keys_ = expr::simplify(expr::ceil_div(keys_, lanes_) * lanes_);
  }

  Lowered build(double ns) {
    first_ = splits_ == 1 ? Expr(0) : Expr(split_) * share_;
    rows_ = splits_ == 1 ? problem_.query.extent : expr::min(share_, problem_.query.extent - first_);
    Stmt body;
    const auto rows = constant(share_);
    if (rows) {
      body = *rows <= few_rows ? row_by_row() : blocks();
    } else {
      body = tensor::make_if(rows_ <= Expr(few_rows), row_by_row(), blocks());
    }
    std::vector<Axis> all = problem_.batch;
    all.push_back({split_, splits_});
    const std::vector<Axis> grid = grid_of(all, body);
    Lowered lowered;
    const Expr points =
        points_of(problem_.batch) * problem_.query.extent * problem_.key.extent * Expr(inner_ + columns_);
    lowered.launches.push_back(finish_kernel(*problem_.program, "attention", grid, body, expr::simplify(points), ns));
    return lowered;
  }

 private:
  static BufferPtr scratch(const char* name, std::vector<Expr> dims) {
    return make_buffer(name, DType::F32, std::move(dims), Buffer::Scope::Scratch);
  }
  static BufferPtr registers(const char* name, std::vector<Expr> dims) {
    return make_buffer(name, DType::F32, std::move(dims), Buffer::Scope::Register);
  }
  static Expr zero() { return expr::imm(0, DType::F32); }
  static Expr minus_infinity() { return expr::imm(-INFINITY, DType::F32); }

  using At = std::function<Stmt(const Expr&)>;
  static Stmt loop(ForKind kind, const char* name, const Expr& extent, const At& body) {
    const VarPtr i = loop_var(name, extent);
    return tensor::make_for(kind, i, extent, body(Expr(i)));
  }
  static Stmt serial(const char* name, const Expr& extent, const At& body) {
    return loop(ForKind::Serial, name, extent, body);
  }
  static Stmt unrolled(const char* name, int64_t extent, const At& body) {
    return loop(ForKind::Unrolled, name, extent, body);
  }
  Stmt vector(const At& body) const { return loop(ForKind::Vector, "lane", lanes_, body); }
  // Every element of a register tile of `rows` x `vectors`.
  Stmt elements(int64_t rows, int64_t vectors, const std::function<Stmt(const Expr& i, const Expr& q)>& f) const {
    return unrolled("i", rows, [&](const Expr& i) {
      return unrolled("v", vectors,
                      [&](const Expr& v) { return vector([&](const Expr& lane) { return f(i, v * lanes_ + lane); }); });
    });
  }
  static Stmt allocated(const std::vector<BufferPtr>& buffers, Stmt body) {
    for (const BufferPtr& buffer : buffers) body = tensor::make_allocate(buffer, body);
    return body;
  }

  Expr query_at(const Expr& row, const Expr& k) const {
    return problem_.at_point(problem_.queries, problem_.query, row, problem_.inner, k);
  }
  Expr key_at(const Expr& key, const Expr& k) const {
    return problem_.at_point(problem_.keys, problem_.key, key, problem_.inner, k);
  }
  Expr value_at(const Expr& key, const Expr& column) const {
    return problem_.at_point(problem_.values, problem_.key, key, problem_.value, column);
  }
  Expr logit_at(const Expr& row, const Expr& key, const Expr& score) const {
    const Expr placed = problem_.at_point(problem_.logits, problem_.query, row, problem_.key, key);
    return tensor::mutate_shared(
        placed, [&](const Expr& x) { return x->kind == expr::Kind::Load && x->buffer == problem_.scores ? score : x; });
  }

  // ---- many queries ----

  // Where an element of the keys lies among the packed ones: whole panels first, then single vectors.
  Expr in_panel(const Expr& panel, const Expr& k) const { return (panel * inner_ + k) * width_; }
  Expr in_vector(const Expr& vector, const Expr& k) const {
    return whole_panels_ * (inner_ * width_) + (vector * inner_ + k) * lanes_;
  }

  Stmt blocks() {
    packed_keys_ = scratch("keys", {expr::simplify(padded_keys_ * inner_)});
    if (pack_)
      packed_values_ = scratch("values", {expr::simplify(keys_ * ((columns_ + lanes_ - 1) / lanes_ * lanes_))});
    queries_ = scratch("queries", {block_rows_, inner_});
    // One vector more than the elements: rows a power of two apart would share their lines in the cache.
    scores_ = scratch("scores", {block_rows_, expr::simplify(padded_keys_ + lanes_)});
    factors_ = scratch("factors", {block_rows_});
    largest_ = scratch("largest", {block_rows_});
    const Expr count = expr::simplify(expr::ceil_div(rows_, block_rows_));
    Stmt all = serial("block", count, [&](const Expr& block) {
      const VarPtr first = expr::make_var("first", {0, INT64_MAX, 1});
      const VarPtr rows = expr::make_var("rows", {0, block_rows_, 1});
      const Expr at = first_ + Expr(first);
      const Expr tiles = expr::ceil_div(Expr(rows), tile_rows_);
      Stmt steps = tensor::make_block({
          serial("i", expr::simplify(tiles * tile_rows_), [&](const Expr& i) { return pack_query(at, Expr(rows), i); }),
          products(tiles),
          softmax(at, Expr(rows)),
          serial("tile", tiles,
                 [&](const Expr& tile) { return weighted(at, Expr(rows), tile * tile_rows_, tile_rows_, 1); }),
      });
      steps = tensor::make_let(rows, expr::min(rows_ - Expr(first), Expr(block_rows_)), steps);
      return tensor::make_let(first, block * block_rows_, steps);
    });
    std::vector<BufferPtr> buffers{packed_keys_, queries_, scores_, factors_, largest_};
    std::vector<Stmt> steps{pack_keys()};
    if (pack_) {
      buffers.push_back(packed_values_);
      steps.push_back(pack_values());
    }
    steps.push_back(all);
    return allocated(buffers, tensor::make_block(std::move(steps)));
  }

  // Whether a key's elements are neighbours in memory: vectors of keys are then made by transposing squares.
  bool keys_in_rows() const {
    for (const Expr& load : loads_of(problem_.keys)) {
      if (neighbours_along(load, problem_.inner.var)) return true;
    }
    return false;
  }

  // Packs vectors of keys, from `first` on; element k of the keys goes to `to(k)`. `partial`: some may not exist.
  Stmt pack_vector(const Expr& first, const std::function<Expr(const Expr& k)>& to, bool partial) const {
    if (!keys_in_rows()) {
      return serial("k", inner_, [&](const Expr& k) {
        return vector([&](const Expr& lane) {
          const Expr key = first + lane, element = key_at(key, k);
          return tensor::make_store(packed_keys_, {to(k) + lane},
                                    partial ? expr::select(key < keys_, element, zero()) : element);
        });
      });
    }
    const int64_t rest = inner_ % lanes_;
    Stmt whole = serial("k", inner_ / lanes_,
                        [&](const Expr& k) { return pack_square(first, k * lanes_, lanes_, to, partial); });
    return rest == 0 ? whole : tensor::make_block({whole, pack_square(first, inner_ - rest, rest, to, partial)});
  }

  // `count` elements from `k` on of a vector of keys. Those that do not exist are copies of the last one.
  Stmt pack_square(const Expr& first, const Expr& k, int64_t count, const std::function<Expr(const Expr& k)>& to,
                   bool partial) const {
    const BufferPtr square = registers("square", {lanes_, lanes_});
    return allocated(
        {square},
        tensor::make_block({
            elements(lanes_, 1,
                     [&](const Expr& i, const Expr& lane) {
                       const Expr key = partial ? expr::min(first + i, keys_ - 1) : first + i;
                       Expr element = key_at(key, k + lane);
                       if (count < lanes_) element = expr::select(lane < Expr(count), element, zero());
                       return tensor::make_store(square, {i, lane}, element);
                     }),
            tensor::make_transpose(square),
            elements(count, 1,
                     [&](const Expr& i, const Expr& lane) {
                       return tensor::make_store(packed_keys_, {to(k + i) + lane}, expr::load(square, {i, lane}));
                     }),
        }));
  }

  Stmt pack_keys() const {
    Stmt panels = serial("panel", whole_panels_, [&](const Expr& panel) {
      return serial("v", vectors_, [&](const Expr& v) {
        return pack_vector(
            panel * width_ + v * lanes_, [&](const Expr& k) { return in_panel(panel, k) + v * lanes_; }, false);
      });
    });
    Stmt rest = serial("v", left_vectors_, [&](const Expr& v) {
      return pack_vector(
          whole_panels_ * width_ + v * lanes_, [&](const Expr& k) { return in_vector(v, k); }, true);
    });
    return tensor::make_block({panels, rest});
  }

  // Panels of the values' columns stand one behind the other; columns beyond the last one are zeros.
  Expr in_values(const Expr& key, int64_t column, int64_t vectors) const {
    return Expr(column) * keys_ + key * (vectors * lanes_);
  }

  Stmt pack_values() const {
    return value_panels([&](int64_t column, int64_t vectors) {
      return serial("key", keys_, [&](const Expr& key) {
        return elements(1, vectors, [&](const Expr&, const Expr& q) {
          return tensor::make_store(packed_values_, {in_values(key, column, vectors) + q},
                                    guarded_value(key, column, vectors, q));
        });
      });
    });
  }

  // Rows of a tile beyond the queries are copies of the last one.
  Stmt pack_query(const Expr& first, const Expr& rows, const Expr& i) const {
    const VarPtr k = loop_var("k", inner_);
    return vector_range(k, 0, inner_, int(lanes_), target_,
                        tensor::make_store(queries_, {i, Expr(k)}, query_at(first + expr::min(i, rows - 1), Expr(k))));
  }

  // The scores of all tiles of a block: panel by panel, which stays in the first-level cache meanwhile.
  Stmt products(const Expr& tiles) const {
    const auto all = [&](int64_t vectors, const std::function<Expr(const Expr& k)>& from, const Expr& column) {
      return serial("tile", tiles, [&](const Expr& tile) { return product(tile * tile_rows_, vectors, from, column); });
    };
    Stmt panels = serial("panel", whole_panels_, [&](const Expr& panel) {
      return all(
          vectors_, [&](const Expr& k) { return in_panel(panel, k); }, panel * width_);
    });
    Stmt rest = serial("v", left_vectors_, [&](const Expr& v) {
      return all(
          1, [&](const Expr& k) { return in_vector(v, k); }, whole_panels_ * width_ + v * lanes_);
    });
    return tensor::make_block({panels, rest});
  }

  Stmt product(const Expr& first, int64_t vectors, const std::function<Expr(const Expr& k)>& from,
               const Expr& column) const {
    const BufferPtr sum = registers("sum", {tile_rows_, vectors * lanes_});
    return allocated(
        {sum},
        tensor::make_block({
            elements(tile_rows_, vectors,
                     [&](const Expr& i, const Expr& q) {
                       return tensor::make_store(sum, {i, q}, zero());
                     }),
            serial("k", inner_,
                   [&](const Expr& k) {
                     return elements(tile_rows_, vectors, [&](const Expr& i, const Expr& q) {
                       const Expr a = expr::load(queries_, {first + i, k}), b = expr::load(packed_keys_, {from(k) + q});
                       return tensor::make_store(sum, {i, q}, expr::load(sum, {i, q}) + a * b);
                     });
                   }),
            elements(tile_rows_, vectors,
                     [&](const Expr& i, const Expr& q) {
                       return tensor::make_store(scores_, {first + i, column + q}, expr::load(sum, {i, q}));
                     }),
        }));
  }

  // ---- one row ----

  // One pass over the keys of row `i`: stores what `f` makes of each key and combines it in total[place].
  Stmt pass(const Expr& i, const BufferPtr& total, const Expr& place, tensor::Reduce reduce,
            const std::function<Expr(const Expr& key)>& f) const {
    const BufferPtr partial = registers("partial", {row_unroll * lanes_});
    const Expr identity = tensor::identity_of(reduce, DType::F32);
    const auto update = [&](const Expr& slot, const Expr& key, const Expr& guard) {
      const BufferPtr fresh = registers("fresh", {1});
      const Expr before = expr::load(partial, {slot}), now = expr::load(fresh, {0});
      const Expr next = tensor::combine(reduce, before, now);
      Expr value = f(key);
      if (guard.defined()) value = expr::select(guard, value, identity);
      return tensor::make_allocate(fresh, tensor::make_block({
                                              tensor::make_store(fresh, {0}, value),
                                              tensor::make_store(scores_, {i, key}, now),
                                              tensor::make_store(partial, {slot}, next),
                                          }));
    };
    const auto vectors = [&](const std::function<Stmt(const Expr& slot)>& body) {
      return unrolled("u", row_unroll,
                      [&](const Expr& u) { return vector([&](const Expr& lane) { return body(u * lanes_ + lane); }); });
    };
    const Expr block = row_unroll * lanes_;
    const Expr blocks = expr::simplify(keys_ / block);
    const Expr singles = expr::simplify((keys_ - blocks * block) / lanes_);
    const Expr rest = expr::simplify(keys_ % lanes_);
    std::vector<Stmt> parts{
        vectors([&](const Expr& slot) { return tensor::make_store(partial, {slot}, identity); }),
        serial("block", blocks,
               [&](const Expr& j) {
                 return vectors([&](const Expr& slot) { return update(slot, j * block + slot, Expr()); });
               }),
        serial("j", singles,
               [&](const Expr& j) {
                 return vector(
                     [&](const Expr& lane) { return update(lane, blocks * block + j * lanes_ + lane, Expr()); });
               }),
    };
    if (!expr::is_const(rest, 0)) {
      const Expr start = expr::simplify(keys_ - rest);
      parts.push_back(tensor::make_if(
          rest != Expr(0), vector([&](const Expr& lane) { return update(lane, start + lane, lane < rest); })));
    }
    Expr all;
    for (int64_t u = 0; u < row_unroll; ++u) {
      const Expr part = expr::load(partial, {expr::ramp(Expr(u * lanes_), 1, int(lanes_))});
      all = u == 0 ? part : tensor::combine(reduce, all, part);
    }
    parts.push_back(tensor::make_store(total, {place}, expr::call(tensor::across_lanes(reduce), {all})));
    return allocated({partial}, tensor::make_block(std::move(parts)));
  }

  // Scores of `rows` rows from query `at` on become exponentials; factors_[i] is what the weighted sums of row i are to
  // be multiplied with. All rows take one step, then the next: none waits for its own largest score.
  Stmt softmax(const Expr& at, const Expr& rows) const {
    const BufferPtr sum = registers("sum", {1});
    const auto largest = [&](const Expr& i) { return expr::load(largest_, {i}); };
    const auto unless_empty = [&](const Expr& i, const Expr& value) {
      return problem_.empty_is_zero ? expr::select(largest(i) == minus_infinity(), zero(), value) : value;
    };
    const auto logits = [&](const Expr& i) {
      return pass(i, largest_, i, tensor::Reduce::MaxNumber, [&](const Expr& key) {
        return logit_at(at + i, key, expr::load(scores_, {i, key}));
      });
    };
    const auto exponentials = [&](const Expr& i) {
      const Expr shift = unless_empty(i, largest(i)), reciprocal = expr::imm(1, DType::F32) / expr::load(sum, {0});
      return allocated({sum}, tensor::make_block({
                                  pass(i, sum, 0, tensor::Reduce::Sum,
                                       [&](const Expr& key) {
                                         return tensor::math::exp_below(expr::load(scores_, {i, key}) - shift);
                                       }),
                                  tensor::make_store(factors_, {i}, unless_empty(i, reciprocal)),
                              }));
    };
    return tensor::make_block({serial("i", rows, logits), serial("i", rows, exponentials)});
  }

  // ---- the second product ----

  // Rows [first, first + tile) of a block, all columns of the result. `parts` sums over every so many keys stand side
  // by side.
  Stmt weighted(const Expr& at, const Expr& rows, const Expr& first, int64_t tile, int64_t parts) const {
    return value_panels(
        [&](int64_t column, int64_t vectors) { return weighted_panel(at, rows, first, tile, parts, column, vectors); });
  }

  Stmt value_panels(const std::function<Stmt(int64_t column, int64_t vectors)>& panel) const {
    std::vector<Stmt> panels;
    for (int64_t column = 0; column < columns_; column += width_)
      panels.push_back(panel(column, std::min(vectors_, (columns_ - column + lanes_ - 1) / lanes_)));
    return tensor::make_block(std::move(panels));
  }

  // Column `column` + q of the values, zero beyond the last one.
  Expr guarded_value(const Expr& key, int64_t column, int64_t vectors, const Expr& q) const {
    const Expr value = value_at(key, column + q);
    return column + vectors * lanes_ > columns_ ? expr::select(column + q < Expr(columns_), value, zero()) : value;
  }

  Stmt weighted_panel(const Expr& at, const Expr& rows, const Expr& first, int64_t tile, int64_t parts, int64_t column,
                      int64_t vectors) const {
    const BufferPtr sum = registers("sum", {parts * tile, vectors * lanes_});
    const bool partial = column + vectors * lanes_ > columns_;
    const auto add = [&](const Expr& key, const Expr& part) {
      Stmt terms = elements(tile, vectors, [&](const Expr& i, const Expr& q) {
        const Expr value = pack_ && tile > 1 ? expr::load(packed_values_, {in_values(key, column, vectors) + q})
                                             : guarded_value(key, column, vectors, q);
        const tensor::Index to{part * tile + i, q};
        return tensor::make_store(sum, to, expr::load(sum, to) + expr::load(scores_, {first + i, key}) * value);
      });
      if (tile > 1) return terms;
      return tensor::make_block({std::move(terms), unrolled("v", vectors, [&](const Expr& v) {
                                   return ahead(problem_.values, key, problem_.value, column + v * lanes_);
                                 })});
    };
    const Expr groups = expr::simplify(keys_ / parts), rest = expr::simplify(keys_ % parts);
    Stmt store = unrolled("i", tile, [&](const Expr& i) {
      Stmt row = unrolled("v", vectors, [&](const Expr& v) {
        return vector([&](const Expr& lane) {
          const Expr q = v * lanes_ + lane;
          Expr total = expr::load(sum, {i, q});
          for (int64_t part = 1; part < parts; ++part) total = total + expr::load(sum, {part * tile + i, q});
          Stmt element = tensor::make_store(problem_.result, result_index(at + first + i, column + q),
                                            total * expr::load(factors_, {first + i}));
          return partial ? tensor::make_if(column + q < Expr(columns_), element) : element;
        });
      });
      return tensor::make_if(first + i < rows, row);
    });
    return allocated({sum}, tensor::make_block({
                                elements(parts * tile, vectors,
                                         [&](const Expr& i, const Expr& q) {
                                           return tensor::make_store(sum, {i, q}, zero());
                                         }),
                                serial("key", groups,
                                       [&](const Expr& group) {
                                         return unrolled("part", parts, [&](const Expr& part) {
                                           return add(group * parts + part, part);
                                         });
                                       }),
                                serial("key", rest, [&](const Expr& key) { return add(groups * parts + key, 0); }),
                                store,
                            }));
  }

  tensor::Index result_index(const Expr& row, const Expr& column) const {
    tensor::Index index;
    for (const Expr& e : problem_.at)
      index.push_back(problem_.at_point(e, problem_.query, row, problem_.value, column));
    return index;
  }

  // ---- few queries ----

  Stmt row_by_row() {
    queries_ = scratch("queries", {1, inner_});
    scores_ = scratch("scores", {1, padded_keys_});
    factors_ = scratch("factors", {1});
    largest_ = scratch("largest", {1});
    Stmt all = serial("row", rows_, [&](const Expr& row) {
      const Expr at = first_ + row;
      const Expr groups = expr::simplify(keys_ / keys_at_once), rest = expr::simplify(keys_ % keys_at_once);
      return tensor::make_block({
          pack_query(at, 1, 0),
          serial("key", groups, [&](const Expr& group) { return dots(group * keys_at_once, keys_at_once); }),
          serial("key", rest, [&](const Expr& key) { return dots(groups * keys_at_once + key, 1); }),
          softmax(at, 1),
          weighted(at, 1, 0, 1, std::max<int64_t>(1, vectors_in_flight / std::min(vectors_, columns_ / lanes_ + 1))),
      });
    });
    return allocated({queries_, scores_, factors_, largest_}, all);
  }

  // Asks for what follows element (key, column) of keys or values some pages later: a cache that has grown comes from
  // memory for every token.
  Stmt ahead(const Expr& operand, const Expr& key, const Axis& columns, const Expr& column) const {
    std::vector<Stmt> all;
    for (const Expr& load : loads_of(operand)) {
      const int64_t pitch = byte_stride(load, problem_.key.var);
      if (!neighbours_along(load, columns.var) || pitch < cache_line_bytes) continue;
      const Expr later = key + Expr(rows_ahead(pitch));
      tensor::Index index;
      for (const Expr& e : load->args) index.push_back(problem_.at_point(e, problem_.key, later, columns, column));
      all.push_back(tensor::make_prefetch(load->buffer, index, tensor::CacheLevel::First));
    }
    return tensor::make_block(std::move(all));
  }

  // The scores of `count` keys.
  Stmt dots(const Expr& first, int64_t count) const {
    const BufferPtr sum = registers("sum", {count, lanes_});
    const int64_t whole = inner_ / lanes_, rest = inner_ % lanes_;
    const auto add = [&](const Expr& k, const Expr& guard, const Expr& i, const Expr& lane) {
      Expr product = expr::load(queries_, {0, k}) * key_at(first + i, k);
      if (guard.defined()) product = expr::select(guard, product, zero());
      return tensor::make_store(sum, {i, lane}, expr::load(sum, {i, lane}) + product);
    };
    const auto all = [&](const std::function<Stmt(const Expr& i, const Expr& lane)>& f) {
      return elements(count, 1, f);
    };
    std::vector<Stmt> parts{
        all([&](const Expr& i, const Expr& lane) {
          return tensor::make_store(sum, {i, lane}, zero());
        }),
        serial(
            "k", whole,
            [&](const Expr& k) {
              return tensor::make_block({
                  all([&](const Expr& i, const Expr& lane) { return add(k * lanes_ + lane, Expr(), i, lane); }),
                  unrolled("i", count,
                           [&](const Expr& i) { return ahead(problem_.keys, first + i, problem_.inner, k * lanes_); }),
              });
            }),
    };
    if (rest > 0)
      parts.push_back(
          all([&](const Expr& i, const Expr& lane) { return add(whole * lanes_ + lane, lane < Expr(rest), i, lane); }));
    parts.push_back(unrolled("i", count, [&](const Expr& i) {
      const Expr total = expr::load(sum, {expr::ramp(i * lanes_, 1, int(lanes_))});
      return tensor::make_store(scores_, {0, first + i}, expr::call(Function::ReduceAdd, {total}));
    }));
    return allocated({sum}, tensor::make_block(std::move(parts)));
  }

  const AttentionProblem& problem_;
  const Target& target_;
  int64_t splits_;
  bool pack_;  // the values, too
  int64_t lanes_;
  int64_t vectors_, width_;  // of a panel of keys or values
  int64_t inner_, columns_;
  Expr keys_;
  Expr share_;  // queries of a grid index; the last one has fewer
  int64_t tile_rows_ = 1, block_rows_ = 1;
  VarPtr split_;
  Expr whole_panels_, left_vectors_, padded_keys_;
  Expr first_, rows_;  // of the grid index
  BufferPtr packed_keys_, packed_values_, queries_, scores_, factors_, largest_;
};

bool values_in_far_rows(const AttentionProblem& problem) {
  const int64_t bytes = *constant(problem.value.extent) * 4;
  for (const Expr& load : loads_of(problem.values)) {
    if (byte_stride(load, problem.key.var) > bytes) return true;
  }
  return false;
}

}  // namespace

double attention_cost(const AttentionProblem& problem, const AttentionShape& shape, const Target& target) {
  const double heads = double(typical_points(problem.batch)), rows = double(typical(problem.query.extent));
  const double keys = double(typical(problem.key.extent));
  const double sizes = double(typical(problem.inner.extent) + typical(problem.value.extent));
  const double lanes = target.vector_bytes / 4.0;
  // Per multiply-add, per logit and exponential, per packed key and value; measured.
  double products = rows * keys * sizes * 2.2 / target.flops_per_ns;
  const bool many = rows > few_rows;
  // Rows of values far from each other share few sets of the caches, and a page each. Few queries pack nothing.
  const double columns = double(typical(problem.value.extent));
  if (many && !shape.pack && values_in_far_rows(problem) && keys * columns * 4 >= double(target.l2_bytes) / 4)
    products *= 1.06;
  const double softmax = rows * keys * (1 + scalar_cost_ns(problem.logits)) / lanes;
  const double packing = many ? keys * (sizes / 2 * 0.3 + (shape.pack ? columns * 0.1 : 0)) * double(shape.splits) : 0;
  return heads * (products + softmax + packing) + 500;
}

Lowered lower_attention(const AttentionProblem& problem, const AttentionShape& shape, const Target& target) {
  return AttentionBuilder(problem, shape, target).build(attention_cost(problem, shape, target));
}

}  // namespace sardonyx::sketch
