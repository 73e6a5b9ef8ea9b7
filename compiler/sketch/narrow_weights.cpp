#include "compiler/sketch/narrow_weights.h"

#include "compiler/sketch/pack.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

using expr::Function;
using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

constexpr int64_t run_length = 8;  // nibbles of a word, and the copies of unrolled code

bool is_narrow_float(DType dtype) { return dtype == DType::F16 || dtype == DType::BF16; }

Expr f32(double value) { return expr::imm(value, DType::F32); }

// The load that `e` only widens: to F32 or to I32.
Expr widened_load(const Expr& e) {
  if (e->kind == Kind::Load) return is_code(e->type.dtype) || is_narrow_float(e->type.dtype) ? e : Expr();
  return e->kind == Kind::Cast ? widened_load(e->args[0]) : Expr();
}

// F32 of a code less its zero; sets codes and zero.
bool match_number(const Expr& e, NarrowWeights& narrow) {
  if (e->kind != Kind::Cast || e->type.dtype != DType::F32) return false;
  narrow.codes = widened_load(e);
  if (narrow.codes.defined()) return true;
  const Expr inside = e->args[0];
  if (inside->type.dtype != DType::I32 || (inside->kind != Kind::Sub && inside->kind != Kind::Add)) return false;
  for (const size_t first : {0, 1}) {
    const Expr zero = inside->args[1 - first];
    narrow.codes = widened_load(inside->args[first]);
    if (!narrow.codes.defined() || !is_code(narrow.codes->type.dtype)) continue;
    if (inside->kind == Kind::Sub && first == 1) return false;
    if (inside->kind == Kind::Add && zero->kind != Kind::IntImm) continue;
    narrow.zero = expr::cast(inside->kind == Kind::Add ? -zero : zero, DType::F32);
    return true;
  }
  return false;
}

// The length of the blocks that quotients of `var` count; `whole` when there are none, nothing when they differ.
std::optional<int64_t> block_size_of(const std::vector<Expr>& parameters, const VarPtr& var, int64_t whole) {
  std::optional<int64_t> size;
  bool one = true;
  for (const Expr& parameter : parameters)
    expr::visit(parameter, [&](const Expr& x) {
      if (x->kind != Kind::Div || !expr::uses_var(x, var.get())) return true;
      const auto divisor = expr::as_int(x->args[1]);
      one = one && divisor && x->args[0]->kind == Kind::Var && size.value_or(*divisor) == *divisor;
      size = divisor;
      return true;
    });
  if (!one) return std::nullopt;
  return size.value_or(whole);
}

bool uses_axis(const Expr& e, const std::vector<Axis>& axes, int except) {
  for (size_t a = 0; a < axes.size(); ++a)
    if (int(a) != except && expr::uses_var(e, axes[a].var.get())) return true;
  return false;
}

// The other things the group reads: packed memory must not be among them.
bool read_elsewhere(const TileProblem& tile, const NarrowWeights& narrow, const BufferPtr& buffer) {
  size_t count = loads_of(narrow.value, buffer.get()).size() - 1 + loads_of(narrow.activation, buffer.get()).size();
  for (const Map::Output& out : tile.epilogue) count += loads_of(out.value, buffer.get()).size();
  return count > 0;
}

// Whether `load` is of a constant that panels over the vector axis and `steps` hold.
bool packable(const TileProblem& tile, const NarrowWeights& narrow, const Expr& load, const std::vector<Axis>& steps) {
  const Axis& vector = tile.axes[size_t(tile.vector_axis)];
  return constant_input(tile, load->buffer) >= 0 && !read_elsewhere(tile, narrow, load->buffer) &&
         plan_panels(load, vector, steps, 1, 1).has_value();
}

std::optional<NarrowWeights> match(const TileProblem& tile, const Expr& value, const Expr& activation) {
  NarrowWeights narrow;
  narrow.value = value;
  narrow.activation = activation;
  const Axis& step = tile.reduce_axes[0];
  const VarPtr& vector = tile.axes[size_t(tile.vector_axis)].var;
  if (expr::uses_var(activation, vector.get()) || uses_axis(value, tile.axes, tile.vector_axis)) return std::nullopt;
  if (!match_number(value, narrow)) {
    if (value->kind != Kind::Mul) return std::nullopt;
    if (match_number(value->args[0], narrow)) {
      narrow.scale = value->args[1];
    } else if (match_number(value->args[1], narrow)) {
      narrow.scale = value->args[0];
    } else {
      return std::nullopt;
    }
  }
  narrow.depth = *constant(step.extent);
  std::vector<Expr*> parameters;
  for (Expr* parameter : {&narrow.zero, &narrow.scale})
    if (parameter->defined()) parameters.push_back(parameter);
  std::vector<Expr> values;
  for (const Expr* parameter : parameters) values.push_back(*parameter);
  const auto size = block_size_of(values, step.var, narrow.depth);
  if (!size || *size <= 0) return std::nullopt;
  narrow.block_size = std::min(*size, narrow.depth);
  const bool blocked = narrow.block_size < narrow.depth;
  if (blocked && is_nibble(narrow.codes->type.dtype) && narrow.block_size % run_length != 0) return std::nullopt;
  const Expr blocks = expr::ceil_div(narrow.depth, narrow.block_size);
  narrow.block = loop_var("block", blocks);
  const VarPtr inside = loop_var("inside", narrow.block_size);
  for (Expr* parameter : parameters) {
    const Expr at = Expr(narrow.block) * narrow.block_size + Expr(inside);
    *parameter = tensor::simplify_index(tensor::substitute_shared(*parameter, {{step.var.get(), at}}), {});
    if (expr::uses_var(*parameter, inside.get())) return std::nullopt;
    for (const Expr& load : loads_of(*parameter))
      if (!packable(tile, narrow, load, {{narrow.block, blocks}})) return std::nullopt;
  }
  return packable(tile, narrow, narrow.codes, {step}) ? std::optional(narrow) : std::nullopt;
}

}  // namespace

bool use_narrow_weights(TileProblem& tile) {
  if (tile.dtype != DType::F32 || tile.reduce != tensor::Reduce::Sum || tile.reduce_axes.size() != 1 ||
      tile.body->kind != Kind::Mul || !constant(tile.reduce_axes[0].extent))
    return false;
  tile.narrow = match(tile, tile.body->args[0], tile.body->args[1]);
  if (!tile.narrow) tile.narrow = match(tile, tile.body->args[1], tile.body->args[0]);
  return tile.narrow.has_value();
}

NarrowPanels::NarrowPanels(const TileProblem& tile, int64_t width)
    : narrow_(*tile.narrow),
      tile_(tile),
      width_(width),
      vector_(tile.axes[size_t(tile.vector_axis)]),
      step_(tile.reduce_axes[0]),
      block_{narrow_.block, expr::ceil_div(narrow_.depth, narrow_.block_size)},
      panel_var_(loop_var("panel", vector_.extent)),
      lane_var_(loop_var("lane", width)) {
  codes_ = pack(narrow_.codes, {step_});
  if (is_nibble(narrow_.codes->type.dtype)) {
    auto words = std::make_shared<expr::Buffer>(*codes_);
    words->dtype = DType::I32;
    words->dims[1] = expr::ceil_div(narrow_.depth, run_length);
    codes_ = words;
    Packed& packed = packed_.back();
    packed.buffer = words;
    packed.pack = [panels = packed.pack](const Tensor& source) { return words_of_nibbles(panels(source)); };
  }
  zero_ = packed_parameter(narrow_.zero);
  scale_ = packed_parameter(narrow_.scale);
  if (narrow_.codes->type.dtype != DType::U4) return;
  zero_ = expr::simplify(zero_.defined() ? zero_ - f32(run_length) : f32(-run_length));
  if (zero_->kind == Kind::FloatImm && zero_->float_value == 0) zero_ = Expr();
}

BufferPtr NarrowPanels::pack(const Expr& load, const std::vector<Axis>& steps) {
  const int64_t panels = (*constant(vector_.extent) + width_ - 1) / width_;
  const auto plan = plan_panels(load, vector_, steps, panels, width_);
  check(plan.has_value(), "narrow weights that are not affine");
  const BufferPtr buffer =
      make_buffer(load->buffer->name + "_packed", load->buffer->dtype, panel_dims(*plan), expr::Buffer::Scope::Global);
  packed_.push_back({constant_input(tile_, load->buffer), buffer,
                     [plan = *plan](const Tensor& source) { return pack_panels(plan, source); }});
  return buffer;
}

// The parameter with loads from panels, over `block` and the lane.
Expr NarrowPanels::packed_parameter(const Expr& parameter) {
  if (!parameter.defined()) return parameter;
  return tensor::mutate_shared(parameter, [&](const Expr& x) {
    if (x->kind != Kind::Load) return x;
    const bool per_block = expr::uses_var(x, block_.var.get());
    const BufferPtr buffer = pack(x, per_block ? std::vector<Axis>{block_} : std::vector<Axis>{});
    return expr::load(buffer,
                      in_panel(per_block ? Index{Expr(block_.var)} : Index{}, {Expr(panel_var_), Expr(lane_var_)}));
  });
}

// Lane first + q; a tile straddles no panels.
NarrowPanels::Lane NarrowPanels::lane_of(const Expr& first, const Expr& q) const {
  return {expr::simplify(first / width_), expr::simplify(first % width_) + q};
}

Index NarrowPanels::in_panel(Index steps, const Lane& lane) const {
  steps.insert(steps.begin(), lane.panel);
  steps.push_back(lane.inside);
  return steps;
}

// The code at a point, less its zero.
Expr NarrowPanels::number(const Point& at, const Lane& lane) const {
  Expr value;
  if (codes_->dtype == DType::I32) {
    // The sign of a nibble is extended by two shifts; code generators know them.
    const Expr word = expr::load(codes_, in_panel({at.run}, lane));
    const Expr up = expr::cast(Expr(28) - at.place * 4, DType::I32);
    value = expr::call(Function::ShiftLeft, {word, up});
    value = expr::call(Function::ShiftRight, {value, expr::imm(28, DType::I32)});
  } else {
    value = expr::load(codes_, in_panel({at.k}, lane));
    if (!is_narrow_float(codes_->dtype)) value = expr::cast(value, DType::I32);
  }
  value = expr::cast(value, DType::F32);
  return zero_.defined() ? value - parameter_at(zero_, at, lane) : value;
}

Expr NarrowPanels::parameter_at(const Expr& parameter, const Point& at, const Lane& lane) const {
  return tensor::substitute_shared(
      parameter, {{block_.var.get(), at.block}, {panel_var_.get(), lane.panel}, {lane_var_.get(), lane.inside}});
}

Stmt NarrowPanels::over_blocks(
    const std::function<Stmt(const Expr& block, const Expr& first, int64_t count)>& code) const {
  const int64_t size = narrow_.block_size, whole = narrow_.depth / size, rest = narrow_.depth % size;
  const VarPtr block = loop_var("block", whole);
  std::vector<Stmt> parts{tensor::make_for(ForKind::Serial, block, whole, code(Expr(block), Expr(block) * size, size))};
  if (rest > 0) parts.push_back(code(whole, whole * size, rest));
  return tensor::make_block(std::move(parts));
}

// `code` at `count` points from `first` in runs of eight.
Stmt NarrowPanels::over_runs(const Expr& block, const Expr& first, int64_t count, const PointCode& code) const {
  std::vector<Stmt> parts;
  const auto run = [&](const Expr& number, int64_t length) {
    const VarPtr place = loop_var("place", length);
    const Expr start = first + number * run_length;
    const Point at{block, start + Expr(place), expr::simplify(first / run_length) + number, Expr(place)};
    return tensor::make_for(ForKind::Unrolled, place, length, code(at));
  };
  const VarPtr number = loop_var("run", count / run_length);
  if (count >= run_length)
    parts.push_back(tensor::make_for(ForKind::Serial, number, count / run_length, run(Expr(number), run_length)));
  if (count % run_length > 0) parts.push_back(run(count / run_length, count % run_length));
  return tensor::make_block(std::move(parts));
}

Stmt NarrowPanels::widen(const BufferPtr& to, const Expr& first, int64_t vectors, int64_t lanes) const {
  const VarPtr j = loop_var("j", vectors), l = loop_var("l", lanes);
  const Expr q = Expr(j) * lanes + Expr(l);
  const Lane lane = lane_of(first, q);
  const auto store = [&](const Point& at) {
    Expr value = number(at, lane);
    if (scale_.defined()) value = value * parameter_at(scale_, at, lane);
    const Stmt one = tensor::make_store(to, {at.k, q}, value);
    return tensor::make_for(ForKind::Unrolled, j, vectors, tensor::make_for(ForKind::Vector, l, lanes, one));
  };
  return over_blocks(
      [&](const Expr& block, const Expr& start, int64_t count) { return over_runs(block, start, count, store); });
}

Stmt NarrowPanels::accumulate(const BufferPtr& sums, const Expr& first, int64_t vectors, int64_t lanes,
                              const std::function<Expr(const Expr& k)>& activation) const {
  const BufferPtr part = make_buffer("part", DType::F32, sums->dims, expr::Buffer::Scope::Register);
  const VarPtr j = loop_var("j", vectors), l = loop_var("l", lanes);
  const Expr q = Expr(j) * lanes + Expr(l);
  const Lane lane = lane_of(first, q);
  const auto for_lanes = [&](const BufferPtr& to, const Expr& value) {
    const Stmt one = tensor::make_for(ForKind::Vector, l, lanes, tensor::make_store(to, {0, q}, value));
    return tensor::make_for(ForKind::Unrolled, j, vectors, one);
  };
  const BufferPtr& inner = scale_.defined() ? part : sums;
  const auto add = [&](const Point& at) {
    const Stmt sum = for_lanes(inner, expr::load(inner, {0, q}) + activation(at.k) * number(at, lane));
    return tensor::make_block({sum, prefetch(at, first, vectors * lanes)});
  };
  const Stmt all = over_blocks([&](const Expr& block, const Expr& start, int64_t count) {
    const Stmt runs = over_runs(block, start, count, add);
    if (!scale_.defined()) return runs;
    const Expr scaled = expr::load(part, {0, q}) * parameter_at(scale_, {block, start, 0, 0}, lane);
    return tensor::make_block({for_lanes(part, f32(0)), runs, for_lanes(sums, expr::load(sums, {0, q}) + scaled)});
  });
  return scale_.defined() ? tensor::make_allocate(part, all) : all;
}

// Asks for the codes that come two pages later, which hardware prefetchers, stopping at page ends, do not. Evenly: many
// requests at once wait for each other. A row of words serves eight points, each of which asks for a line of it.
Stmt NarrowPanels::prefetch(const Point& at, const Expr& first, int64_t lanes) const {
  const int64_t element = int64_t(size_of(codes_->dtype)), rows = rows_ahead(width_ * element);
  const int64_t per_line = cache_line_bytes / element, lines = (lanes + per_line - 1) / per_line;
  const auto ahead = [&](const Expr& row, const Expr& line) {
    const Expr step = row + Expr(rows);
    return tensor::make_prefetch(codes_, in_panel({step}, lane_of(first, line * per_line)), tensor::CacheLevel::First);
  };
  if (codes_->dtype == DType::I32) return ahead(at.run, at.place % lines);
  const VarPtr line = loop_var("line", lines);
  return tensor::make_for(ForKind::Unrolled, line, lines, ahead(at.k, Expr(line)));
}

Tensor words_of_nibbles(const Tensor& source) {
  Dims dims = source.dims();
  const int64_t lanes = dims.back(), depth = dims[dims.size() - 2], words = (depth + run_length - 1) / run_length;
  const int64_t outer = depth * lanes == 0 ? 0 : source.count() / (depth * lanes);
  const uint8_t shift = source.dtype() == DType::U4 ? 8 : 0;
  dims[dims.size() - 2] = words;
  Tensor result(DType::I32, dims);
  const uint8_t* from = source.raw();
  uint32_t* to = result.data<uint32_t>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t word = 0; word < words; ++word, to += lanes) {
      std::fill(to, to + lanes, 0);
      for (int64_t k = word * run_length, place = 0; place < run_length && k < depth; ++k, ++place)
        for (int64_t lane = 0; lane < lanes; ++lane)
          to[lane] |= uint32_t(uint8_t(from[(o * depth + k) * lanes + lane] - shift) & 15) << (4 * place);
    }
  return result;
}

}  // namespace sardonyx::sketch
