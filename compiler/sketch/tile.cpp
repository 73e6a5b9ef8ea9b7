#include "compiler/sketch/tile.h"

#include <algorithm>
#include <unordered_map>

#include "compiler/sketch/narrow_weights.h"
#include "compiler/sketch/pack.h"
#include "compiler/sketch/tile_lines.h"
#include "compiler/sketch/tile_order.h"
#include "compiler/sketch/tile_reduction.h"
#include "compiler/sketch/word_products.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Buffer;
using expr::Kind;
using tensor::CacheLevel;
using tensor::ForKind;
using tensor::Index;

namespace {

constexpr double streaming = 4;           // how much faster panels come than Target's guess of memory
constexpr int64_t rows_at_the_end = 4;    // of tiles behind the last whole one, when the rows are counted at run time
constexpr int64_t tiles_of_widened = 64;  // that share a widened panel of narrow weights, when rows are counted then

class TileBuilder {
 public:
  TileBuilder(const TileProblem& tile, const TileShape& shape, const Target& target)
      : tile_(tile), shape_(shape), target_(target), reduction_(tile, shape.rows, target), body_(reduction_.body()) {
    width_ = int64_t{shape.nv} * shape.lanes;
    panel_width_ = int64_t{shape.panel > 0 ? shape.panel : shape.nv} * shape.lanes;
    vector_ = tile.axes[size_t(tile.vector_axis)];
    if (tile.row_axis >= 0) row_ = tile.axes[size_t(tile.row_axis)];
  }

  Result build(const std::string& name) { return finish(name, one_panel()); }

  TileLoops build_loops() {
    inside_ = true;
    const Stmt body = one_panel();
    std::vector<Axis> around{{panel_, panel_count_}};
    for (const Axis& axis : outer_axes()) around.push_back(axis);
    TileLoops result{tensor::make_loops(ForKind::Serial, around, body), {}};
    for (const PackedOperand& p : packed_) result.packed.push_back(p.panels);
    return result;
  }

 private:
  // What one panel takes, at one point of the axes around it.
  Stmt one_panel() {
    panel_count_ = expr::simplify(expr::ceil_div(vector_.extent, width_));
    panel_ = loop_var("panel", panel_count_);
    q_ = loop_var("q", width_);
    tile_.narrow ? pack_narrow_weights() : pack_operands();
    next_line_ = next_line(tile_, reduction_, body_, target_);
    body_ = tensor::substitute_shared(body_, {{vector_.var.get(), Expr(panel_) * width_ + Expr(q_)}});
    order_ = inside_ ? inner_order(traffic(), target_) : tile_order(traffic(), target_);
    Stmt all = all_panels();
    for (size_t i = run_time_panels_.size(); i-- > 0;) {
      all = tensor::make_allocate(run_time_panels_[i].buffer, tensor::make_block({run_time_panels_[i].fill, all}));
    }
    return all;
  }

  // [panels][axes around the reduction][its loops][lanes].
  struct PackedOperand {
    sketch::Packed panels;
    std::vector<Axis> around;
  };
  struct RunTimePanel {
    BufferPtr buffer;
    Stmt fill;
  };

  // Replaces loads along the vector axis by loads from panels.
  void pack_operands() {
    std::vector<Axis> steps;
    for (const ReductionLoop& l : reduction_.loops()) steps.push_back(l.axis);
    auto panels = constant(panel_count_);
    for (const Expr& load : distinct_nodes(body_, Kind::Load)) {
      Expr offset = flat_offset(*load->buffer, load->args);
      if (!mentions(offset, vector_.var)) continue;
      // Other axes, such as that of groups, become steps around the reduction.
      bool only_steps = true, row = mentions(offset, row_.var);
      std::vector<Axis> around;
      for (const Axis& axis : tile_.axes) {
        if (axis.var == vector_.var || !mentions(offset, axis.var)) continue;
        around.push_back(axis);
        only_steps = only_steps && axis.var != row_.var && constant(axis.extent);
      }
      const int input = constant_input(load->buffer);
      Index at;
      for (const Axis& step : steps) at.emplace_back(step.var);
      if (input >= 0 && only_steps && panels) {
        std::vector<Axis> all_steps = around;
        all_steps.insert(all_steps.end(), steps.begin(), steps.end());
        int64_t count = (*constant(vector_.extent) + panel_width_ - 1) / panel_width_;
        if (auto plan = plan_panels(load, vector_, all_steps, count, panel_width_)) {
          BufferPtr buffer = make_buffer(load->buffer->name + "_packed", load->buffer->dtype, panel_dims(*plan),
                                         Buffer::Scope::Global);
          const int word_dim = tile_.words ? tile_.words->weight_dim : -1;
          packed_.push_back({{input, buffer,
                              [plan = *plan, word_dim](const Tensor& source) {
                                return pack_panels(plan, word_dim < 0 ? source : words_along(source, word_dim));
                              }},
                             around});
          replace(load, expr::load(buffer, in_panels(packed_.back(), Expr(panel_), std::move(at), Expr(q_))));
          continue;
        }
      }
      auto linear = expr::linear_in(offset, vector_.var);
      bool dense = linear && expr::is_const(expr::simplify(linear->coefficient), 1);
      // Strided operands that the rows share are gathered once per panel.
      if (!dense && linear && !row && typical(row_.var ? row_.extent : Expr(1)) >= 8) {
        std::vector<Expr> dims;
        for (const Axis& step : steps) dims.push_back(step.extent);
        dims.emplace_back(width_);
        BufferPtr buffer =
            make_buffer(load->buffer->name + "_panel", load->buffer->dtype, dims, Buffer::Scope::Scratch);
        std::vector<Axis> fresh;
        expr::Substitution renamed;
        for (const Axis& step : steps) {
          fresh.push_back({loop_var(step.var->name, step.extent), step.extent});
          renamed[step.var.get()] = Expr(fresh.back().var);
        }
        VarPtr j = loop_var("j", shape_.nv), l = loop_var("l", shape_.lanes);
        Expr lane = Expr(j) * shape_.lanes + Expr(l);
        Expr v = Expr(panel_) * width_ + lane;
        Expr source = tensor::substitute_shared(load, renamed);
        source = tensor::substitute_shared(source, {{vector_.var.get(), v}});
        if (!expr::prove_divisible(vector_.extent, width_)) {
          source = expr::select(v < vector_.extent, source, expr::imm(0, load->type.dtype));
        }
        Index to;
        for (const Axis& axis : fresh) to.emplace_back(axis.var);
        to.push_back(lane);
        Stmt copy = tensor::make_for(
            ForKind::Unrolled, j, shape_.nv,
            tensor::make_for(ForKind::Vector, l, shape_.lanes, tensor::make_store(buffer, to, source)));
        run_time_panels_.push_back({buffer, tensor::make_loops(ForKind::Serial, fresh, copy)});
        at.emplace_back(q_);
        replace(load, expr::load(buffer, at));
      }
    }
    check(!tile_.words || packed_.size() == 1, "words of weights are not in panels");
    // Loads beyond the vector extent happen only for operands that are not in panels.
    loads_outside_ = false;
    for (const Expr& load : distinct_nodes(body_, Kind::Load)) {
      loads_outside_ = loads_outside_ || mentions(flat_offset(*load->buffer, load->args), vector_.var);
    }
    // Lanes that only fill up a panel hold zeros.
    for (Kind kind : {Kind::Div, Kind::Mod, Kind::TruncDiv, Kind::TruncRem})
      for (const Expr& e : distinct_nodes(body_, kind))
        divides_ = divides_ || (is_integer(e->type.dtype) && !loads_of(e->args[1]).empty());
  }

  // Narrow weights are widened into a panel of scratch that all row tiles read, or by each row in registers.
  void pack_narrow_weights() {
    narrow_.emplace(tile_, panel_width_);
    if (widens_in_registers()) return;
    const Axis& step = reduction_.loops()[0].axis;
    const BufferPtr panel = make_buffer("widened", DType::F32, {step.extent, Expr(width_)}, Buffer::Scope::Scratch);
    run_time_panels_.push_back({panel, narrow_->widen(panel, Expr(panel_) * width_, shape_.nv, shape_.lanes)});
    replace(tile_.narrow->value, expr::load(panel, {Expr(step.var), Expr(q_)}));
    check(loads_of(body_, tile_.narrow->codes->buffer.get()).empty(), "narrow weights are read past their panel");
  }

  bool widens_in_registers() const { return narrow_ && shape_.rows == 1; }

  // The program input that this is a constant of, or the words of one; -1: none.
  int constant_input(const BufferPtr& buffer) const {
    if (tile_.words && tile_.words->weight_words == buffer) return tile_.words->weights;
    return sketch::constant_input(tile_, buffer);
  }

  // Where a packed constant keeps lane q of a tile: its panel, the axes around, the reduction indices, its lane.
  Index in_panels(const PackedOperand& operand, const Expr& tile, Index steps, const Expr& q) const {
    for (size_t i = operand.around.size(); i-- > 0;) steps.insert(steps.begin(), Expr(operand.around[i].var));
    steps.insert(steps.begin(), tile * (width_ / panel_width_) + q / panel_width_);
    steps.push_back(q % panel_width_);
    return steps;
  }

  bool is_packed(const BufferPtr& buffer) const {
    return std::any_of(packed_.begin(), packed_.end(),
                       [&](const PackedOperand& p) { return p.panels.buffer == buffer; });
  }

  void replace(const Expr& from, const Expr& to) {
    body_ = tensor::mutate_shared(body_, [&](const Expr& x) { return x.get() == from.get() ? to : x; });
  }

  // ---- emission ----

  // What differs between the copies of the tile code.
  struct Tile {
    int64_t rows = 1;
    int vectors = 1;
    Expr row0 = 0;
    bool clamp = false;  // rows beyond the extent read the last one and store nothing
    bool mask = false;   // lanes beyond the vector extent are off
    bool edge = false;   // row0 is constant; padding is decided per point
    Expr ordinal{};      // which row tile of the panel this is, when tiles of one panel follow each other
  };

  // Straight code over `rows` rows and all vectors of the tile; f gets the row within the tile and the lane within the
  // panel. The copies are made by the code generator, so the statement stays small.
  Stmt for_points(const Tile& t, int64_t rows, const std::function<Stmt(const Expr&, const Expr&)>& f) const {
    VarPtr i = loop_var("i", rows), j = loop_var("j", t.vectors), l = loop_var("l", shape_.lanes);
    Stmt body = f(Expr(i), Expr(j) * shape_.lanes + Expr(l));
    body = tensor::make_for(ForKind::Vector, l, shape_.lanes, body);
    return tensor::make_for(ForKind::Unrolled, i, rows, tensor::make_for(ForKind::Unrolled, j, t.vectors, body));
  }

  // acc[i, q] = combine(acc[i, q], body) for all points; in edge tiles, rows for which the tap is off are left out.
  Stmt update(const Tile& t, const BufferPtr& acc, const expr::Substitution& taps, int64_t tap) const {
    std::vector<Stmt> parts;
    for (int64_t begin = 0, end; begin < t.rows; begin = end + 1) {
      end = t.rows;
      if (t.edge) {
        int64_t start = *expr::as_int(expr::simplify(t.row0));
        while (begin < t.rows && !reduction_.holds(start + begin, tap)) ++begin;
        for (end = begin; end < t.rows && reduction_.holds(start + end, tap);) ++end;
        if (begin == end) break;
      }
      parts.push_back(for_points(t, end - begin, [&](const Expr& i, const Expr& q) {
        Expr row = Expr(begin) + i;
        expr::Substitution at = taps;
        at[q_.get()] = q;
        Expr source = t.row0 + row;
        if (row_.var) at[row_.var.get()] = t.clamp ? expr::min(source, row_.extent - 1) : source;
        Expr value = body_;
        const Expr inside = Expr(panel_) * width_ + Expr(q_) < vector_.extent;
        // Lanes beyond the extent are not stored, so their values do not matter, but they must neither read beyond the
        // operand nor divide by the zeros of a panel.
        if (t.mask && divides_) {
          value = expr::select(inside, value, tensor::identity_of(tile_.reduce, tile_.dtype));
        } else if (t.mask && loads_outside_) {
          value = tensor::mutate_shared(value, [&](const Expr& x) {
            if (x->kind != Kind::Load || !mentions(flat_offset(*x->buffer, x->args), q_)) return x;
            return is_packed(x->buffer) ? x : expr::select(inside, x, expr::imm(0, x->type.dtype));
          });
        }
        value = tensor::substitute_shared(value, at);
        Expr sum = expr::load(acc, {row, q});
        sum = tile_.words ? expr::call(tile_.words->function, {sum, value->args[0], value->args[1]})
                          : tensor::combine(tile_.reduce, sum, value);
        return tensor::make_store(acc, {row, q}, sum);
      }));
    }
    // Few rows stream the panels from memory: ask for what comes two pages later, which hardware prefetchers, stopping
    // at page ends, do not.
    if (t.rows <= 4 && !taps.empty()) {
      for (const PackedOperand& p : packed_) {
        Index ahead;
        for (const ReductionLoop& l : reduction_.loops()) ahead.push_back(taps.at(l.axis.var.get()));
        int64_t row_bytes = panel_width_ * int64_t(size_of(p.panels.buffer->dtype));
        ahead.back() = ahead.back() + Expr(rows_ahead(row_bytes));
        VarPtr j = loop_var("j", t.vectors);
        ahead = in_panels(p, Expr(panel_), std::move(ahead), Expr(j) * shape_.lanes);
        parts.push_back(tensor::make_for(ForKind::Unrolled, j, t.vectors,
                                         tensor::make_prefetch(p.panels.buffer, ahead, CacheLevel::First)));
      }
    }
    // Each row tile asks for a part of the next panel, so that it lies in L2 when its turn comes.
    if (t.ordinal.defined() && t.rows > 4 && !taps.empty()) {
      for (const PackedOperand& p : packed_) {
        Index next;
        for (const ReductionLoop& l : reduction_.loops()) next.push_back(taps.at(l.axis.var.get()));
        next = in_panels(p, Expr(panel_) + 1, std::move(next), t.ordinal % shape_.nv * shape_.lanes);
        parts.push_back(tensor::make_prefetch(p.panels.buffer, next, CacheLevel::Second));
      }
    }
    return tensor::make_block(std::move(parts));
  }

  Stmt reduction(const Tile& t, const BufferPtr& acc, size_t depth, expr::Substitution bound, int64_t tap) const {
    if (depth == reduction_.loops().size()) return update(t, acc, bound, tap);
    Stmt body = loop(t, acc, depth, bound, tap);
    if (!next_line_ || depth != next_line_->depth) return body;
    Stmt line = prefetch_line(*next_line_, tile_, reduction_, bound, t.row0, t.rows);
    return tensor::make_block({std::move(line), std::move(body)});
  }

  Stmt loop(const Tile& t, const BufferPtr& acc, size_t depth, expr::Substitution bound, int64_t tap) const {
    const ReductionLoop& loop = reduction_.loops()[depth];
    bool unrolled_taps = t.edge && reduction_.decided_by(depth);
    if (unrolled_taps) {
      // Neighbouring taps that are on for the same rows share a loop; taps that are on for none are left out.
      std::vector<Stmt> copies;
      int64_t start = *expr::as_int(expr::simplify(t.row0));
      auto rows_on = [&](int64_t i) {
        std::vector<bool> on;
        for (int64_t r = 0; r < t.rows; ++r) on.push_back(reduction_.holds(start + r, i));
        return on;
      };
      for (int64_t first = 0, last; first < reduction_.taps(); first = last) {
        std::vector<bool> on = rows_on(first);
        for (last = first + 1; last < reduction_.taps() && rows_on(last) == on;) ++last;
        if (std::find(on.begin(), on.end(), true) == on.end()) continue;
        VarPtr i = loop_var(loop.axis.var->name, last - first);
        expr::Substitution here = bound;
        here[loop.axis.var.get()] = Expr(first) + Expr(i);
        copies.push_back(tensor::make_for(ForKind::Serial, i, last - first, reduction(t, acc, depth + 1, here, first)));
      }
      return tensor::make_block(std::move(copies));
    }
    bool innermost = depth + 1 == reduction_.loops().size();
    auto extent = constant(loop.axis.extent);
    VarPtr i = loop_var(loop.axis.var->name, loop.axis.extent);
    if (loop.high.defined()) {
      VarPtr low = expr::make_var(loop.axis.var->name + "_low", {0, extent.value_or(INT64_MAX), 1});
      bound[loop.axis.var.get()] = Expr(low) + Expr(i);
      Stmt body = reduction(t, acc, depth + 1, bound, tap);
      bound.erase(loop.axis.var.get());
      Expr first = tensor::substitute_shared(loop.low, bound), end = tensor::substitute_shared(loop.high, bound);
      return tensor::make_let(low, expr::simplify(first),
                              tensor::make_for(ForKind::Serial, i, expr::simplify(end - Expr(low)), body));
    }
    int64_t unroll = innermost && extent && *extent % shape_.unroll == 0 ? shape_.unroll : 1;
    if (unroll > 1) {
      VarPtr u = loop_var("u", unroll);
      Expr blocks = expr::simplify(loop.axis.extent / unroll);
      VarPtr k = loop_var(loop.axis.var->name, blocks);
      bound[loop.axis.var.get()] = Expr(k) * unroll + Expr(u);
      Stmt body = tensor::make_for(ForKind::Unrolled, u, unroll, reduction(t, acc, depth + 1, bound, tap));
      return tensor::make_for(ForKind::Serial, k, blocks, body);
    }
    bound[loop.axis.var.get()] = Expr(i);
    return tensor::make_for(ForKind::Serial, i, loop.axis.extent, reduction(t, acc, depth + 1, bound, tap));
  }

  // The reduction of a tile of one row by narrow weights.
  Stmt narrow_row(const Tile& t, const BufferPtr& acc) const {
    const Expr row = t.clamp ? expr::min(t.row0, row_.extent - 1) : t.row0;
    return narrow_->accumulate(acc, Expr(panel_) * width_, t.vectors, shape_.lanes, [&](const Expr& k) {
      expr::Substitution at{{reduction_.loops()[0].axis.var.get(), k}};
      if (row_.var) at[row_.var.get()] = row;
      return tensor::substitute_shared(tile_.narrow->activation, at);
    });
  }

  // The stores of point (row, q) whose reduced value is `value`.
  Stmt stores(const Tile& t, const Expr& row, const Expr& q, const Expr& value) const {
    Expr v = Expr(panel_) * width_ + q;
    expr::Substitution at{{vector_.var.get(), v}};
    if (row_.var) at[row_.var.get()] = row;
    std::vector<Stmt> list;
    for (const Map::Output& out : tile_.epilogue) {
      Index index;
      for (const Expr& e : out.index) index.push_back(tensor::substitute_shared(e, at));
      Expr result = tensor::mutate_shared(
          out.value, [&](const Expr& x) { return x->kind == Kind::Load && x->buffer == tile_.result ? value : x; });
      list.push_back(tensor::make_store(out.buffer, index, tensor::substitute_shared(result, at)));
    }
    Stmt all = tensor::make_block(std::move(list));
    if (t.mask) all = tensor::make_if(v < vector_.extent, all);
    return all;
  }

  // OpenCL has no masked stores: a partial vector is a branch per part, which compilers should meet once per tile.
  bool stores_in_loop(const Tile& t) const { return target_.kind != tensor::TargetKind::Host && (t.mask || t.clamp); }

  Stmt tile_code(const Tile& t) const {
    BufferPtr acc = make_buffer("acc", tile_.dtype, {Expr(t.rows), Expr(int64_t{t.vectors} * shape_.lanes)},
                                Buffer::Scope::Register);
    Expr identity = tensor::identity_of(tile_.reduce, tile_.dtype);
    std::vector<Stmt> parts;
    parts.push_back(for_points(t, t.rows, [&](const Expr& i, const Expr& q) {
      return tensor::make_store(acc, {i, q}, identity);
    }));
    parts.push_back(widens_in_registers() ? narrow_row(t, acc) : reduction(t, acc, 0, {}, 0));
    double cost = 0;
    for (const Map::Output& out : tile_.epilogue) cost += scalar_cost_ns(out.value);
    if (t.rows * t.vectors <= 2 || (cost < 6 && !stores_in_loop(t))) {
      parts.push_back(for_points(t, t.rows, [&](const Expr& i, const Expr& q) {
        Stmt s = stores(t, t.row0 + i, q, expr::load(acc, {i, q}));
        return t.clamp ? tensor::make_if(t.row0 + i < row_.extent, s) : s;
      }));
      return tensor::make_allocate(acc, tensor::make_block(std::move(parts)));
    }
    // A long epilogue would be copied for every vector: the tile goes through L1 instead.
    const bool host = target_.kind == tensor::TargetKind::Host;
    BufferPtr spill =
        make_buffer("tile", tile_.dtype, acc->dims, host ? Buffer::Scope::Scratch : Buffer::Scope::Register);
    parts.push_back(for_points(t, t.rows, [&](const Expr& i, const Expr& q) {
      return tensor::make_store(spill, {i, q}, expr::load(acc, {i, q}));
    }));
    VarPtr r = loop_var("r", t.rows), j = loop_var("j", t.vectors), l = loop_var("l", shape_.lanes);
    Expr q = Expr(j) * shape_.lanes + Expr(l);
    Stmt s = stores(t, t.row0 + Expr(r), q, expr::load(spill, {Expr(r), q}));
    s = tensor::make_for(ForKind::Unrolled, j, t.vectors, tensor::make_for(ForKind::Vector, l, shape_.lanes, s));
    if (t.clamp) s = tensor::make_if(t.row0 + Expr(r) < row_.extent, s);
    parts.push_back(tensor::make_for(ForKind::Serial, r, t.rows, s));
    return tensor::make_allocate(acc, tensor::make_allocate(spill, tensor::make_block(std::move(parts))));
  }

  // All row tiles of one panel, or those of one group when the grid runs over groups.
  Stmt row_tiles(int vectors, bool mask) {
    Tile t;
    t.vectors = vectors;
    t.mask = mask;
    if (!row_.var) return tile_code(t);
    auto extent = constant(row_.extent);
    if (!extent) return symbolic_rows(t);
    int64_t blocks = (*extent + shape_.rows - 1) / shape_.rows;
    int64_t big = (*extent + blocks - 1) / blocks, small = *extent / blocks, big_count = *extent - blocks * small;
    if (big == small) big_count = blocks;
    if (reduction_.has_edges()) return edge_rows(t, blocks, big, small, big_count);
    const int64_t per_band = (blocks + order_.bands - 1) / order_.bands, per_group = tiles_per_group(per_band);
    const int64_t groups = (per_band + per_group - 1) / per_group;
    set_groups(groups);
    VarPtr i = loop_var("tile", per_group);
    const Expr in_band = groups > 1 ? Expr(group_) * per_group + Expr(i) : Expr(i);
    const Expr index = order_.bands > 1 ? Expr(band_) * per_band + in_band : in_band;
    VarPtr n = loop_var("t", blocks);
    auto code = [&](int64_t rows, const Expr& row0) {
      Tile copy = t;
      copy.rows = rows;
      copy.row0 = row0;
      if (panels_outermost()) copy.ordinal = blocks >= shape_.nv ? Expr(n) : row_of_tiles();
      return tile_code(copy);
    };
    Stmt body;
    if (big_count == blocks) {
      body = code(big, Expr(n) * big);
    } else {
      body = tensor::make_if(Expr(n) < Expr(big_count), code(big, Expr(n) * big),
                             code(small, Expr(n) * small + Expr(big_count * (big - small))));
    }
    body = tensor::make_let(n, index, body);
    if (order_.bands * per_band > blocks) body = tensor::make_if(index < Expr(blocks), body);
    if (groups * per_group > per_band) body = tensor::make_if(in_band < Expr(per_band), body);
    return tensor::make_for(ForKind::Serial, i, per_group, body);
  }

  // Rows that the run counts: as many tiles as whole ones would take, of which some have a few rows less, so that they
  // cover nearly all; where there are too few tiles for that, whole ones. Small tiles take the rest.
  Stmt symbolic_rows(Tile t) {
    const int64_t rows = shape_.rows, less = target_.kind != tensor::TargetKind::Host ? 0 : rows >= 12 ? 2 : rows >= 6;
    const Expr blocks = expr::ceil_div(row_.extent, rows);
    const int64_t per_group = tiles_per_group(narrow_ ? tiles_of_widened : std::max<int64_t>(1, typical(blocks)));
    const Expr groups = expr::simplify(expr::ceil_div(blocks, per_group));
    set_groups(groups);
    const VarPtr i = loop_var("tile", per_group), n = loop_var("t", groups * per_group);
    const VarPtr whole = loop_var("whole", blocks + 1), shorter = loop_var("shorter", blocks + 1);
    if (panels_outermost()) t.ordinal = Expr(n);
    const auto tile_at = [&](int64_t count, const Expr& row0) {
      Tile copy = t;
      copy.rows = count;
      copy.row0 = row0;
      return tile_code(copy);
    };
    Tile last = t;
    last.rows = std::min(rows, rows_at_the_end);
    last.clamp = true;
    const VarPtr done = loop_var("done", row_.extent + 1), small = loop_var("small", expr::ceil_div(rows, last.rows));
    last.row0 = Expr(done) + Expr(small) * last.rows;
    const Stmt rest = tensor::make_let(
        done, Expr(whole) * rows + Expr(shorter) * (rows - less),
        tensor::make_for(ForKind::Serial, small, expr::ceil_div(row_.extent - Expr(done), last.rows), tile_code(last)));
    Stmt tiles = nullptr;
    Expr whole_tiles = row_.extent / rows, shorter_tiles = 0;
    if (less > 0) {
      tiles = tensor::make_if(Expr(n) < Expr(whole) + Expr(shorter),
                              tile_at(rows - less, Expr(n) * (rows - less) + Expr(whole) * less));
      const Expr wanted = expr::ceil_div(blocks * rows - row_.extent, less), enough = wanted <= blocks;
      whole_tiles = expr::select(enough, blocks - wanted, whole_tiles);
      shorter_tiles = expr::select(enough, wanted, 0);
    }
    tiles = tensor::make_if(Expr(n) < Expr(whole), tile_at(rows, Expr(n) * rows), tiles);
    Stmt body = tensor::make_block({tiles, tensor::make_if(Expr(n) == blocks - 1, rest)});
    body = tensor::make_let(n, Expr(group_) * per_group + Expr(i), body);
    body = tensor::make_for(ForKind::Serial, i, per_group, body);
    return tensor::make_let(whole, whole_tiles, tensor::make_let(shorter, shorter_tiles, body));
  }

  Stmt edge_rows(Tile t, int64_t blocks, int64_t big, int64_t small, int64_t big_count) const {
    std::vector<Stmt> parts;
    int64_t start = 0;
    if (panels_outermost()) t.ordinal = row_of_tiles();
    for (int64_t b = 0; b < blocks;) {
      int64_t rows = b < big_count ? big : small;
      Tile here = t;
      here.rows = rows;
      if (reduction_.edge(start, rows)) {
        here.edge = true;
        here.row0 = Expr(start);
        parts.push_back(tile_code(here));
        start += rows;
        ++b;
        continue;
      }
      int64_t count = 0;
      while (b + count < blocks && (b + count < big_count ? big : small) == rows &&
             !reduction_.edge(start + count * rows, rows))
        ++count;
      VarPtr i = loop_var("tile", count);
      here.row0 = Expr(start) + Expr(i) * rows;
      parts.push_back(tensor::make_for(ForKind::Serial, i, count, tile_code(here)));
      start += count * rows;
      b += count;
    }
    return tensor::make_block(std::move(parts));
  }

  Stmt all_panels() {
    auto extent = constant(vector_.extent);
    if (extent && *extent % width_ == 0) return row_tiles(shape_.nv, false);
    if (extent && *extent < width_) {
      return row_tiles(int((*extent + shape_.lanes - 1) / shape_.lanes), *extent % shape_.lanes != 0);
    }
    int64_t rest = extent ? *extent % width_ : width_;
    int vectors = int((rest + shape_.lanes - 1) / shape_.lanes);
    bool mask = !extent || rest % shape_.lanes != 0;
    Stmt full = row_tiles(shape_.nv, false), last = row_tiles(vectors, mask);
    return tensor::make_if((Expr(panel_) + 1) * width_ <= vector_.extent, full, last);
  }

  double tile_ns() const {
    double depth = 1;
    for (const ReductionLoop& l : reduction_.loops()) depth *= double(typical(l.axis.extent));
    return depth * double(shape_.rows * shape_.nv) * double(shape_.lanes) * 2 / target_.flops_per_ns + 20;
  }

  // Row tiles that one grid index runs: enough work per index, but grid indices enough for all cores.
  int64_t tiles_per_group(int64_t blocks) const {
    int64_t wanted = std::max<int64_t>(1, int64_t(4000 / tile_ns()));
    if (!run_time_panels_.empty() || inside_) wanted = blocks;  // panels are gathered once per grid index
    return std::min(wanted, blocks);
  }

  void set_groups(const Expr& groups) {
    groups_ = groups;
    if (!group_) group_ = loop_var("group", groups);
    if (!band_) band_ = loop_var("band", order_.bands);
  }

  bool panels_outermost() const { return order_.panels == TileOrder::Panels::First; }

  TileTraffic traffic() const {
    TileTraffic result;
    for (const PackedOperand& p : packed_) result.weights += typical_bytes(*p.panels.buffer);
    for (const Expr& load : distinct_nodes(tile_.body, Kind::Load)) {
      if (!mentions(flat_offset(*load->buffer, load->args), vector_.var)) result.others += typical_bytes(*load->buffer);
    }
    const auto extent = row_.var ? constant(row_.extent) : std::optional<int64_t>(1);
    if (extent) result.row_tiles = (*extent + shape_.rows - 1) / shape_.rows;
    result.one_line = typical(points_of(outer_axes())) == 1;
    result.may_reorder = !reduction_.has_edges() && run_time_panels_.empty();
    result.widened = narrow_.has_value();
    return result;
  }

  std::vector<Axis> outer_axes() const {
    std::vector<Axis> outer;
    for (size_t i = 0; i < tile_.axes.size(); ++i) {
      if (int(i) != tile_.vector_axis && int(i) != tile_.row_axis) outer.push_back(tile_.axes[i]);
    }
    return outer;
  }

  // The position of a row of tiles among those that share a panel: the innermost grid axis inside the panels.
  Expr row_of_tiles() const {
    for (size_t i = tile_.axes.size(); i-- > 0;) {
      bool grid = int(i) != tile_.vector_axis && int(i) != tile_.row_axis;
      if (grid && typical(tile_.axes[i].extent) >= shape_.nv) return Expr(tile_.axes[i].var);
    }
    return Expr();
  }

  Result finish(const std::string& name, const Stmt& body) {
    TileAxes axes{{band_, order_.bands}, {panel_, panel_count_}, {group_, groups_}, outer_axes(), {}};
    for (const PackedOperand& p : packed_) axes.steps.insert(axes.steps.end(), p.around.begin(), p.around.end());
    expr::Substitution points;
    for (const Axis& axis : axes.outer)
      if (expr::is_const(axis.extent, 1)) points[axis.var.get()] = Expr(0);
    for (const Axis& axis : {axes.band, axes.panels, axes.row_tiles})
      if (axis.var && expr::is_const(axis.extent, 1)) points[axis.var.get()] = Expr(0);
    const Stmt code = tensor::substitute(body, points);
    Lowered lowered;
    std::vector<BufferPtr> more;
    for (const PackedOperand& p : packed_) more.push_back(p.panels.buffer);
    if (narrow_)
      for (const sketch::Packed& p : narrow_->packed()) more.push_back(p.buffer);
    if (tile_.words) more.push_back(tile_.words->activation_words);
    // Unused rows of a tile are computed too.
    Expr work = points_of(axes.outer) * vector_.extent * points_of(tile_.reduce_axes);
    const int64_t step =
        row_.var && constant(row_.extent) ? shape_.rows : std::min<int64_t>(shape_.rows, rows_at_the_end);
    if (row_.var) work = work * expr::ceil_div(row_.extent, step) * step;
    lowered.launches.push_back(finish_kernel(*tile_.program, name, tile_grid(order_, axes), code, work,
                                             tile_cost(tile_, shape_, target_), more));
    for (const PackedOperand& p : packed_) lowered.packed.push_back(p.panels);
    if (narrow_) lowered.packed = narrow_->packed();
    // Weights come from memory, a model's are more than caches hold.
    double packed_bytes = 0;
    for (const sketch::Packed& p : lowered.packed) packed_bytes += typical_bytes(*p.buffer);
    lowered.launches.front().least_ns = packed_bytes / (target_.bytes_per_ns * streaming);
    if (tile_.words) lowered.packed.push_back({tile_.words->activation, tile_.words->activation_words, nullptr});
    return lowered;
  }

  const TileProblem& tile_;
  TileShape shape_;
  const Target& target_;
  TileReduction reduction_;
  Expr body_;
  int64_t width_ = 16, panel_width_ = 16;  // of a tile and of a packed panel
  Axis vector_, row_;
  Expr panel_count_;
  VarPtr panel_, q_, group_, band_;
  TileOrder order_;
  Expr groups_;
  std::vector<PackedOperand> packed_;
  std::optional<NarrowPanels> narrow_;
  std::vector<RunTimePanel> run_time_panels_;
  std::optional<NextLine> next_line_;
  bool inside_ = false;  // a larger kernel
  bool loads_outside_ = false;
  bool divides_ = false;  // integers by what was loaded
};

}  // namespace

Result lower_tiles(const TileProblem& tile, const TileShape& shape, const Target& target, const std::string& name) {
  return TileBuilder(tile, shape, target).build(name);
}

TileLoops tile_loops(const TileProblem& tile, const TileShape& shape, const Target& target) {
  return TileBuilder(tile, shape, target).build_loops();
}

}  // namespace sardonyx::sketch
