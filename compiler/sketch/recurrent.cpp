#include "compiler/sketch/recurrent.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/pages.h"

namespace sardonyx::sketch {

using expr::Buffer;
using tensor::ForKind;

namespace {

constexpr int64_t unroll = 4;              // of the sum over the state
constexpr int64_t most_accumulators = 24;  // beyond that LLVM spills
constexpr int64_t few_rows = 2;            // of a run-time batch: one after the other beats a tile of mostly copies

// Gates that are computed together, from one vector per sample.
struct Product {
  std::vector<int64_t> gates;
  bool of_reset_state = false;  // the state scaled by the reset gate, else the state
  int64_t vectors = 1;          // per gate of a panel
  int64_t width = 1;            // units of a panel
  int64_t panels = 1;
  int64_t base = 0;  // where its panels begin among those of a direction
  int64_t columns() const { return int64_t(gates.size()) * width; }
};

std::vector<Product> products_of(const Recurrence& layer, int64_t lanes) {
  std::vector<Product> products;
  switch (layer.cell) {
    case Recurrence::Cell::Lstm:
      products = {{.gates = {0, 1, 2, 3}}};
      break;
    case Recurrence::Cell::Gru:
      products = {{.gates = {0, 1}}, {.gates = {2}, .of_reset_state = true}};
      break;
    case Recurrence::Cell::GruLinear:
      products = {{.gates = {0, 1, 2}}};
      break;
    case Recurrence::Cell::Simple:
      products = {{.gates = {0}}};
      break;
  }
  int64_t base = 0;
  for (Product& p : products) {
    const int64_t most = (layer.hidden + lanes - 1) / lanes;
    p.vectors = std::clamp<int64_t>(4 / int64_t(p.gates.size()), 1, most);
    p.width = p.vectors * lanes;
    p.panels = (layer.hidden + p.width - 1) / p.width;
    p.base = base;
    base += p.panels * layer.hidden * p.columns();
  }
  return products;
}

int64_t packed_elements(const std::vector<Product>& products, int64_t hidden) {
  return products.back().base + products.back().panels * hidden * products.back().columns();
}

// R [directions, gates * hidden, hidden] into panels; zero beyond the last unit.
Tensor pack(const std::vector<Product>& products, int64_t hidden, const Tensor& r) {
  const int64_t directions = r.dims()[0], rows = r.dims()[1], elements = packed_elements(products, hidden);
  const size_t size = size_of(r.dtype());
  const Dims dims{directions * elements};
  Tensor packed(r.dtype(), dims, weight_bytes(byte_size(r.dtype(), dims), Pages::Huge));
  std::memset(packed.raw(), 0, packed.bytes());
  for (int64_t d = 0; d < directions; ++d)
    for (const Product& p : products)
      for (size_t g = 0; g < p.gates.size(); ++g)
        for (int64_t unit = 0; unit < hidden; ++unit) {
          const uint8_t* from = r.raw() + size_t((d * rows + p.gates[g] * hidden + unit) * hidden) * size;
          const int64_t first =
              d * elements + p.base + unit / p.width * hidden * p.columns() + int64_t(g) * p.width + unit % p.width;
          uint8_t* to = packed.raw() + size_t(first) * size;
          for (int64_t k = 0; k < hidden; ++k, from += size, to += size_t(p.columns()) * size)
            std::memcpy(to, from, size);
        }
  return packed;
}

class RecurrenceBuilder {
 public:
  RecurrenceBuilder(const Recurrence& layer, const Target& target)
      : layer_(layer),
        dtype_(layer.projected->dtype),
        lanes_(target.vector_bytes / int64_t(size_of(dtype_))),
        deterministic_(target.deterministic),
        products_(products_of(layer, lanes_)),
        time_(layer.projected->dims[0]),
        batch_(layer.projected->dims[1]) {
    most_rows_ = most_accumulators;
    for (const Product& p : products_) {
      const int64_t vectors = p.columns() / lanes_;
      const int64_t registers = std::min(most_accumulators, target.vector_registers - vectors - 1);
      most_rows_ = std::min(most_rows_, std::max<int64_t>(1, registers / vectors));
      padded_ = std::max(padded_, p.panels * p.width);
    }
    direction_ = loop_var("direction", layer.directions);
    const auto extent = constant(batch_);
    if (extent && *extent > 0) most_rows_ = (*extent - 1) / ((*extent + most_rows_ - 1) / most_rows_) + 1;
    blocks_ = expr::simplify(expr::ceil_div(batch_, most_rows_));
    block_ = loop_var("block", blocks_);
    packed_ = make_buffer("r_packed", dtype_, {layer.directions * packed_elements(products_, layer.hidden)},
                          Buffer::Scope::Global);
  }

  Lowered build(const Program& program, int weights_input, double ns) {
    Stmt body = direction(0);
    if (layer_.activations.size() > 1) body = tensor::make_if(Expr(direction_) == Expr(0), body, direction(1));
    const std::vector<Axis> grid = grid_of({{direction_, layer_.directions}, {block_, blocks_}}, body);
    std::vector<BufferPtr> more{packed_};
    more.insert(more.end(), program.outputs.begin(), program.outputs.end());
    Lowered lowered;
    lowered.launches.push_back(
        finish_kernel(program, "recurrent", grid, body, time_ * batch_ * layer_.directions, ns, more));
    lowered.packed.push_back({weights_input, packed_, [products = products_, hidden = layer_.hidden](const Tensor& r) {
                                return pack(products, hidden, r);
                              }});
    return lowered;
  }

 private:
  // What the statements of one row of a tile are about.
  struct Row {
    Expr number;   // in the tile
    Expr sample;   // in the batch
    Expr time;     // the step whose input it takes
    Expr active;   // whether its sequence still runs
    Expr unit;     // of the hidden ones
    bool partial;  // units beyond the last one are computed too
  };

  // All steps of a block of samples, with the activations of a direction.
  Stmt direction(size_t which) {
    activations_ = &layer_.activations[which];
    const Expr first = Expr(block_) * most_rows_;
    Stmt tiles = sequence(most_rows_, first);
    if (constant(batch_)) return tiles;
    const Expr left = batch_ - first;
    VarPtr i = expr::make_var("sample", {0, few_rows - 1, 1});
    return tensor::make_if(left <= Expr(few_rows),
                           tensor::make_for(ForKind::Serial, i, left, sequence(1, first + Expr(i))), tiles);
  }

  // The samples of a tile; those beyond the batch are copies of its last one, which compute and store the same.
  Expr sample_of(const Expr& first, int64_t rows, const Expr& row) const {
    if (rows == 1) return first;
    return expr::prove_divisible(batch_, rows) ? first + row : expr::min(first + row, batch_ - 1);
  }

  Expr length_of(const Expr& sample) const { return expr::cast(expr::load(layer_.lengths, {sample}), DType::I64); }

  // Of the samples of a tile.
  Stmt check_lengths() const {
    const VarPtr row = loop_var("row", rows_);
    const Expr length = length_of(sample_of(first_, rows_, Expr(row)));
    return tensor::make_for(ForKind::Serial, row, rows_,
                            tensor::make_check(Expr(0) <= length && length <= time_, tensor::index_out_of_range));
  }

  Stmt sequence(int64_t rows, const Expr& first) {
    const auto scratch = [&](const char* name, std::vector<Expr> dims) {
      return make_buffer(name, dtype_, std::move(dims), Buffer::Scope::Scratch);
    };
    const bool lstm = layer_.cell == Recurrence::Cell::Lstm, gru = layer_.cell == Recurrence::Cell::Gru;
    state_ = scratch("h", {2, rows, padded_});
    std::vector<BufferPtr> buffers{state_};
    if (lstm) buffers.push_back(cell_ = scratch("c", {rows, padded_}));
    if (gru) {
      buffers.push_back(update_ = scratch("update", {rows, padded_}));
      buffers.push_back(reset_ = scratch("reset", {rows, padded_}));
    }
    first_ = first;
    rows_ = rows;
    std::vector<Stmt> parts{check_lengths()};
    parts.push_back(for_states([&](const Expr& row, const Expr& sample, const Expr& unit) {
      const auto initial = [&](const BufferPtr& from) {
        return inside(unit, true, from, {Expr(direction_), sample, unit});
      };
      std::vector<Stmt> stores{tensor::make_store(state_, {0, row, unit}, initial(layer_.initial_h))};
      if (lstm) stores.push_back(tensor::make_store(cell_, {row, unit}, initial(layer_.initial_c)));
      return tensor::make_block(std::move(stores));
    }));
    step_ = loop_var("step", time_);
    current_ = expr::make_var("current", {0, 1, 1});
    std::vector<Stmt> step;
    for (const Product& p : products_) step.push_back(panels(p));
    parts.push_back(tensor::make_for(ForKind::Serial, step_, time_,
                                     tensor::make_let(current_, Expr(step_) % 2, tensor::make_block(std::move(step)))));
    parts.push_back(for_states([&](const Expr& row, const Expr& sample, const Expr& unit) {
      std::vector<Stmt> stores{tensor::make_store(layer_.last_h, {Expr(direction_), sample, unit},
                                                  expr::load(state_, {time_ % 2, row, unit}))};
      if (lstm)
        stores.push_back(
            tensor::make_store(layer_.last_c, {Expr(direction_), sample, unit}, expr::load(cell_, {row, unit})));
      return tensor::make_if(unit < Expr(layer_.hidden), tensor::make_block(std::move(stores)));
    }));
    Stmt body = tensor::make_block(std::move(parts));
    for (const BufferPtr& buffer : buffers) body = tensor::make_allocate(buffer, body);
    return body;
  }

  // Over all units of all rows, padding included.
  Stmt for_states(const std::function<Stmt(const Expr& row, const Expr& sample, const Expr& unit)>& f) const {
    const int64_t vectors = padded_ / lanes_;
    VarPtr i = loop_var("row", rows_), j = loop_var("j", vectors), l = loop_var("l", lanes_);
    VarPtr sample = expr::make_var("sample", {0, INT64_MAX, 1});
    Stmt body = f(Expr(i), Expr(sample), Expr(j) * lanes_ + Expr(l));
    body = tensor::make_for(ForKind::Serial, j, vectors, tensor::make_for(ForKind::Vector, l, lanes_, body));
    return tensor::make_for(ForKind::Serial, i, rows_,
                            tensor::make_let(sample, sample_of(first_, rows_, Expr(i)), body));
  }

  Stmt panels(const Product& p) {
    VarPtr i = loop_var("i", p.panels), panel = loop_var("panel", p.panels);
    const Expr order = expr::select(Expr(current_) == Expr(1), Expr(p.panels - 1) - Expr(i), Expr(i));
    return tensor::make_for(ForKind::Serial, i, p.panels, tensor::make_let(panel, order, tile(p, Expr(panel))));
  }

  // The product of one panel with the rows of the tile in registers, then the gates.
  Stmt tile(const Product& p, const Expr& panel) {
    const int64_t vectors = p.columns() / lanes_;
    // Few accumulators would wait for each other: the sum is split.
    const int64_t split = deterministic_ ? 1 : std::clamp<int64_t>(vectors_in_flight / (rows_ * vectors), 1, unroll);
    BufferPtr acc = make_buffer("acc", dtype_, {split, rows_, p.columns()}, Buffer::Scope::Register);
    VarPtr s = loop_var("s", split), i = loop_var("i", rows_), v = loop_var("v", vectors), l = loop_var("l", lanes_);
    const Expr column = Expr(v) * lanes_ + Expr(l);
    const auto points = [&](const Stmt& body) {
      return tensor::make_for(
          ForKind::Unrolled, i, rows_,
          tensor::make_for(ForKind::Unrolled, v, vectors, tensor::make_for(ForKind::Vector, l, lanes_, body)));
    };
    const auto add = [&](const Expr& k, const Expr& part) {
      const Expr from =
          p.of_reset_state ? expr::load(reset_, {Expr(i), k}) : expr::load(state_, {Expr(current_), Expr(i), k});
      const int64_t elements = packed_elements(products_, layer_.hidden);
      const Expr at = Expr(direction_) * elements + p.base + (panel * layer_.hidden + k) * p.columns() + column;
      const Expr sum = expr::load(acc, {part, Expr(i), column}) + from * expr::load(packed_, {at});
      return points(tensor::make_store(acc, {part, Expr(i), column}, sum));
    };
    std::vector<Stmt> parts;
    parts.push_back(
        tensor::make_for(ForKind::Unrolled, s, split,
                         points(tensor::make_store(acc, {Expr(s), Expr(i), column}, expr::imm(0, dtype_)))));
    const int64_t blocks = layer_.hidden / unroll, rest = layer_.hidden % unroll;
    VarPtr k = loop_var("k", blocks), u = loop_var("u", unroll), tail = loop_var("k", rest);
    if (blocks > 0)
      parts.push_back(tensor::make_for(
          ForKind::Serial, k, blocks,
          tensor::make_for(ForKind::Unrolled, u, unroll, add(Expr(k) * unroll + Expr(u), Expr(u) % split))));
    if (rest > 0)
      parts.push_back(tensor::make_for(ForKind::Serial, tail, rest, add(Expr(blocks * unroll) + Expr(tail), 0)));
    const auto total = [&](const Expr& row, const Expr& at) {
      Expr sum = expr::load(acc, {0, row, at});
      for (int64_t part = 1; part < split; ++part) sum = sum + expr::load(acc, {part, row, at});
      return sum;
    };
    if (rows_ == 1) {
      parts.push_back(gates(p, panel, 0, [&](const Expr& at) { return total(0, at); }));
      return tensor::make_allocate(acc, tensor::make_block(std::move(parts)));
    }
    // The gates are long: one copy of them takes the rows from the first-level cache.
    BufferPtr spilled = make_buffer("tile", dtype_, {rows_, p.columns()}, Buffer::Scope::Scratch);
    parts.push_back(points(tensor::make_store(spilled, {Expr(i), column}, total(Expr(i), column))));
    VarPtr row = loop_var("row", rows_);
    parts.push_back(tensor::make_for(ForKind::Serial, row, rows_, gates(p, panel, Expr(row), [&](const Expr& at) {
                                       return expr::load(spilled, {Expr(row), at});
                                     })));
    return tensor::make_allocate(acc, tensor::make_allocate(spilled, tensor::make_block(std::move(parts))));
  }

  // What follows a product for the units of a panel in one row; `product` gives its column.
  Stmt gates(const Product& p, const Expr& panel, const Expr& row, const std::function<Expr(const Expr&)>& product) {
    VarPtr sample = expr::make_var("sample", {0, INT64_MAX, 1}), length = expr::make_var("length", {0, INT64_MAX, 1});
    VarPtr time = loop_var("time", time_);
    VarPtr j = loop_var("j", p.vectors), l = loop_var("l", lanes_);
    const Expr active = Expr(step_) < Expr(length);
    const Expr backward = layer_.directions > 1 ? Expr(direction_) == Expr(1) : expr::bool_imm(layer_.reverse);
    const Expr lane = Expr(j) * lanes_ + Expr(l);
    const Row at{row, Expr(sample), Expr(time), active, panel * p.width + lane, layer_.hidden % p.width != 0};
    const auto product_of = [&](int64_t gate) { return product(Expr(gate * p.width) + lane); };
    Stmt body;
    switch (layer_.cell) {
      case Recurrence::Cell::Lstm:
        body = lstm(at, product_of);
        break;
      case Recurrence::Cell::Gru:
        body = p.of_reset_state ? gru_candidate(at, product_of) : gru_gates(at, product_of);
        break;
      case Recurrence::Cell::GruLinear:
        body = gru_linear(at, product_of);
        break;
      case Recurrence::Cell::Simple:
        body = next_state(at, activate(0, product_of(0) + input(at, 0)));
        break;
    }
    body = tensor::make_for(ForKind::Unrolled, j, p.vectors, tensor::make_for(ForKind::Vector, l, lanes_, body));
    // Lets, not expressions: no index depends on what is loaded as far as bound checks can see, for lengths were
    // checked.
    body = tensor::make_let(time, expr::select(backward && active, Expr(length) - 1 - Expr(step_), Expr(step_)), body);
    body = tensor::make_let(length, length_of(Expr(sample)), body);
    return tensor::make_let(sample, sample_of(first_, rows_, row), body);
  }

  using ProductOf = std::function<Expr(int64_t gate)>;

  Stmt lstm(const Row& at, const ProductOf& product) const {
    BufferPtr cell = make_buffer("cell", dtype_, {1}, Buffer::Scope::Register);
    const Expr old = expr::load(cell_, {at.number, at.unit}), now = expr::load(cell, {0});
    const auto gate = [&](int64_t g, int64_t peephole, const Expr& c) {
      Expr sum = product(g) + input(at, g);
      if (layer_.peepholes)
        sum = sum + c * inside(at, layer_.peepholes, {Expr(direction_), Expr(peephole * layer_.hidden) + at.unit});
      return activate(0, sum);
    };
    const Expr in = gate(0, 0, old);
    const Expr forget = layer_.input_forget ? expr::imm(1, dtype_) - in : gate(2, 2, old);
    const Expr candidate = activate(1, product(3) + input(at, 3));
    return tensor::make_allocate(cell,
                                 tensor::make_block({
                                     tensor::make_store(cell, {0}, forget * old + in * candidate),
                                     tensor::make_store(cell_, {at.number, at.unit}, expr::select(at.active, now, old)),
                                     next_state(at, activate(2, now) * gate(1, 1, now)),
                                 }));
  }

  Stmt gru_gates(const Row& at, const ProductOf& product) const {
    const Expr reset = activate(0, product(1) + input(at, 1));
    return tensor::make_block({
        tensor::make_store(update_, {at.number, at.unit}, activate(0, product(0) + input(at, 0))),
        tensor::make_store(reset_, {at.number, at.unit}, reset * old_state(at)),
    });
  }
  Stmt gru_candidate(const Row& at, const ProductOf& product) const {
    return gru_state(at, expr::load(update_, {at.number, at.unit}), product(0) + input(at, 2));
  }
  Stmt gru_linear(const Row& at, const ProductOf& product) const {
    const Expr reset = activate(0, product(1) + input(at, 1));
    const Expr bias = inside(at, layer_.candidate_bias, {Expr(direction_), at.unit});
    return gru_state(at, activate(0, product(0) + input(at, 0)), input(at, 2) + reset * (product(2) + bias));
  }
  Stmt gru_state(const Row& at, const Expr& update, const Expr& candidate) const {
    const Expr fresh = (expr::imm(1, dtype_) - update) * activate(1, candidate);
    return next_state(at, fresh + update * old_state(at));
  }

  Expr activate(size_t which, const Expr& x) const { return (*activations_)[which](x); }
  Expr old_state(const Row& at) const { return expr::load(state_, {Expr(current_), at.number, at.unit}); }
  Expr input(const Row& at, int64_t gate) const {
    const Expr columns = layer_.weights->dims[1];
    return inside(at, layer_.projected,
                  {at.time, at.sample, Expr(direction_) * columns + gate * layer_.hidden + at.unit});
  }

  // An element of a unit: 0 beyond the last one.
  Expr inside(const Expr& unit, bool partial, const BufferPtr& buffer, tensor::Index index) const {
    const Expr value = expr::load(buffer, std::move(index));
    return partial ? expr::select(unit < Expr(layer_.hidden), value, expr::imm(0, dtype_)) : value;
  }
  Expr inside(const Row& at, const BufferPtr& buffer, tensor::Index index) const {
    return inside(at.unit, at.partial, buffer, std::move(index));
  }

  // The state after the step, and Y: sequences that have ended keep the one and leave zeros in the other.
  Stmt next_state(const Row& at, const Expr& value) const {
    BufferPtr fresh = make_buffer("fresh", dtype_, {1}, Buffer::Scope::Register);
    const Expr now = expr::load(fresh, {0});
    Stmt result = tensor::make_store(layer_.y, {at.time, Expr(direction_), at.sample, at.unit},
                                     expr::select(at.active, now, expr::imm(0, dtype_)));
    if (at.partial) result = tensor::make_if(at.unit < Expr(layer_.hidden), result);
    return tensor::make_allocate(fresh, tensor::make_block({
                                            tensor::make_store(fresh, {0}, value),
                                            tensor::make_store(state_, {Expr(1) - Expr(current_), at.number, at.unit},
                                                               expr::select(at.active, now, old_state(at))),
                                            result,
                                        }));
  }

  const Recurrence& layer_;
  DType dtype_;
  int64_t lanes_;
  bool deterministic_;
  std::vector<Product> products_;
  Expr time_, batch_;
  int64_t most_rows_ = 1;  // of a tile
  int64_t padded_ = 1;     // units of a state in scratch: whole panels
  VarPtr direction_, block_;
  Expr blocks_;
  BufferPtr packed_;
  // Of the sequence being built.
  const std::vector<Recurrence::Activation>* activations_ = nullptr;
  Expr first_;
  int64_t rows_ = 1;
  VarPtr step_, current_;
  BufferPtr state_, cell_, update_, reset_;
};

}  // namespace

double recurrence_cost(const Recurrence& layer, const Target& target) {
  const double steps = double(typical(layer.projected->dims[0])) * double(typical(layer.projected->dims[1]));
  const double units = double(typical(layer.projected->dims[2]));  // of all gates and directions
  // R comes from the second-level cache for every step; an activation takes about a nanosecond per eight units.
  const double product = units * double(layer.hidden) * 2 / target.flops_per_ns;
  return steps * (2 * product + units / 4) + 500;
}

Lowered lower_recurrence(const Recurrence& layer, const Program& program, int weights_input, const Target& target) {
  return RecurrenceBuilder(layer, target).build(program, weights_input, recurrence_cost(layer, target));
}

}  // namespace sardonyx::sketch
