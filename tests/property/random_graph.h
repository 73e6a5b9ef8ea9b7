// Random graphs over the primitives, with inputs and with a bound on the rounding error of every output.
//
// Every value carries a bound on its magnitude and one on how far two correct evaluations of it may differ: 4 ulp per
// map, sqrt(K) * eps * sum |a b| per sum of K terms, carried through each operation by its Lipschitz constant.
// Functions that jump (floor, comparisons, casts to integers, positions of maxima) only take values that are exact, so
// a difference beyond the bound is a bug and not bad luck.
#pragma once
#include <cmath>

#include "tests/property/random_values.h"

namespace sardonyx::property {

using graph::BinaryFunction;
using graph::Ints;
using graph::ReduceFunction;
using graph::UnaryFunction;

class RandomGraph : public RandomValues {
 public:
  explicit RandomGraph(uint64_t seed) : RandomValues(seed) {
    Item x = pointwise_start();
    const int steps = 2 + below(6);
    for (int i = 0; i < steps; ++i) {
      x = one_in(6) ? items_[size_t(below(int(items_.size())))] : x;
      x = step(tame(x));
      keep(x);
    }
    std::vector<Value*> values;
    std::vector<std::string> names;
    for (int i = 0, count = 1 + below(3); i < count; ++i) {
      const Item& item = i == 0 ? x : items_[size_t(below(int(items_.size())))];
      values.push_back(item.value);
      names.push_back(str("y", i));
      errors.push_back(item.error);
    }
    for (Value* value : extra_) {
      names.push_back(str("y", values.size()));
      values.push_back(value);
      errors.push_back(0);
    }
    graph.set_outputs(values, names);
  }

  std::vector<double> errors;  // per output

 private:
  Item pointwise_start() {
    const DType dtype =
        pick({DType::F32, DType::F32, DType::F32, DType::F32, DType::F32, DType::F64, DType::F16, DType::BF16,
              DType::I32, DType::I64, DType::I8, DType::U8, DType::Bool, DType::I4, DType::U4});
    Dims dims;
    for (int i = 0, rank = below(6); i < rank; ++i)
      dims.push_back(one_in(60) ? 0 : pick({1, 2, 3, 4, 5, 7, 8, 16, 17, 33}));
    while (element_count(dims) > 3000) *std::max_element(dims.begin(), dims.end()) = 3;
    return input(dtype, symbolic(dims));
  }

  // Keeps magnitudes small, so that the error bounds stay meaningful.
  Item tame(const Item& x) {
    if (!is_float(x.dtype()) || x.bound <= 64) return x;
    const double factor = 2 / x.bound;
    return result(builder_.mul(x.value, builder_.scalar_like(x.value, factor)), 2, x.error * factor);
  }

  // A value of the same dtype that broadcasts with x: one at hand, a constant, or an input.
  Item partner(const Item& x) {
    std::vector<Item> fitting;
    for (const Item& item : items_)
      if (item.dtype() == x.dtype() && item.bound <= 64 && broadcasts(item.value, x.value)) fitting.push_back(item);
    if (!fitting.empty() && !one_in(3)) return fitting[size_t(below(int(fitting.size())))];
    const Dims dims = dims_of(x.value);
    std::vector<Expr> mine(x.value->type.dims.begin() + below(x.rank() + 1), x.value->type.dims.end());
    for (Expr& dim : mine)
      if (one_in(3)) dim = 1;
    if (one_in(2)) return input(x.dtype(), mine);
    Dims concrete;
    for (const Expr& dim : mine) concrete.push_back(expr::evaluate(dim, bindings_));
    for (size_t i = 0; i < mine.size(); ++i)
      if (!expr::as_int(mine[i])) concrete[i] = 1;
    return constant(x.dtype(), concrete);
  }
  bool broadcasts(const Value* a, const Value* b) const {
    const Dims x = dims_of(a), y = dims_of(b);
    int64_t count = 1;
    for (size_t i = 1; i <= std::max(x.size(), y.size()); ++i) {
      const bool both = i <= x.size() && i <= y.size();
      const auto is_one = [&](const Value* v) { return expr::is_const(v->type.dims[v->type.dims.size() - i], 1); };
      if (both && x[x.size() - i] != y[y.size() - i] && !is_one(a) && !is_one(b)) return false;
      count *= std::max(i <= x.size() ? x[x.size() - i] : 1, i <= y.size() ? y[y.size() - i] : 1);
    }
    return count <= 4000;
  }

  // ---- one random operation ----
  Item step(const Item& x) {
    const bool floats = is_float(x.dtype());
    if (count_of(x.value) == 0) return on_nothing(x);
    switch (below(28)) {
      case 0:
      case 1:
      case 2:
        return floats ? unary(x) : integer_map(x);
      case 3:
      case 4:
      case 5:
      case 6:
        return floats ? binary(x) : integer_map(x);
      case 7:
        return choose(x);
      case 8:
        return convert(x);
      case 9:
      case 10:
        return move(x);
      case 11:
        return cut(x);
      case 12:
        return join(x);
      case 13:
        return take(x);
      case 14:
      case 15:
        return reduce(x);
      case 16:
        return floats && x.rank() > 0 ? normalise(x) : move(x);
      case 17:
      case 18:
        return floats ? matmul(x) : reduce(x);
      case 19:
      case 20:
        return floats ? conv(x) : integer_map(x);
      case 21:
        return floats ? pool(x) : join(x);
      case 22:
        return cumulate(x);
      case 23:
        return scatter(x);
      case 24:
        return floats ? conv_transpose(x) : scatter(x);
      case 25:
        return floats ? local_response(x) : at_positions(x);
      case 26:
        return floats ? recurrent(x) : at_positions(x);
      default:
        return control(x);
    }
  }

  // What can be done with a value without elements.
  Item on_nothing(const Item& x) {
    switch (below(5)) {
      case 0:
        return is_float(x.dtype()) ? unary(x) : integer_map(x);
      case 1:
        return x.dtype() == DType::Bool
                   ? move(x)
                   : result(builder_.reduce(ReduceFunction::Sum, x.value, {below(x.rank())}, true), 0, 0, false);
      case 2:
        return join(x);
      case 3:
        return choose(x);
      default:
        return move(x);
    }
  }

  Value* scalar(const Item& x, double value) { return builder_.scalar_like(x.value, value); }
  Value* away_from_zero(const Item& x) {  // |x| + 0.5
    return builder_.add(builder_.unary(UnaryFunction::Abs, x.value), scalar(x, 0.5));
  }

  Item unary(const Item& x) {
    static constexpr UnaryFunction gentle[] = {UnaryFunction::Tanh, UnaryFunction::Sigmoid, UnaryFunction::Erf,
                                               UnaryFunction::Sin,  UnaryFunction::Cos,     UnaryFunction::Atan,
                                               UnaryFunction::Asinh};
    static constexpr UnaryFunction jumps[] = {UnaryFunction::Floor, UnaryFunction::Ceil, UnaryFunction::Round,
                                              UnaryFunction::Sign};
    Builder& b = builder_;
    const double e = x.error;
    switch (below(9)) {
      case 0:
        return result(b.neg(x.value), x.bound, e, false);
      case 1:
        return result(b.unary(UnaryFunction::Abs, x.value), x.bound, e, false);
      case 2:
        return result(b.maximum(x.value, scalar(x, 0)), x.bound, e, false);
      case 3:
        return result(b.exp(b.minimum(x.value, scalar(x, 2))), 7.5, e * 7.5);
      case 4:
        return result(b.sqrt(away_from_zero(x)), 1 + x.bound, e + unit(x.dtype()) * x.bound);
      case 5:
        return result(b.unary(UnaryFunction::Log, away_from_zero(x)), 5, 2 * e + 4 * unit(x.dtype()) * x.bound);
      case 6:
        if (e == 0) return result(b.unary(jumps[below(4)], x.value), x.bound + 1, 0, false);
        [[fallthrough]];
      default:
        return result(b.unary(gentle[below(7)], x.value), 6, 1.2 * e);
    }
  }

  Item binary(const Item& x) {
    Item y = partner(x);
    Builder& b = builder_;
    const Item& l = one_in(2) ? x : y;
    const Item& r = &l == &x ? y : x;
    const double sum = l.bound + r.bound, cross = l.error * r.bound + r.error * l.bound;
    switch (below(8)) {
      case 0:
      case 1:
        return result(b.add(l.value, r.value), sum, l.error + r.error);
      case 2:
        return result(b.sub(l.value, r.value), sum, l.error + r.error);
      case 3:
      case 4:
        return result(b.mul(l.value, r.value), l.bound * r.bound, cross);
      case 5:
        return result(b.div(l.value, away_from_zero(r)), 2 * l.bound, 2 * l.error + 4 * l.bound * r.error);
      case 6:
        return result(b.maximum(l.value, r.value), std::max(l.bound, r.bound), std::max(l.error, r.error), false);
      default:
        if (l.error == 0 && r.error == 0)
          return result(one_in(2) ? b.less(l.value, r.value) : b.less_equal(l.value, r.value), 0, 0);
        return result(b.minimum(l.value, r.value), std::max(l.bound, r.bound), std::max(l.error, r.error), false);
    }
  }

  Item integer_map(const Item& x) {
    static constexpr BinaryFunction arithmetic[] = {BinaryFunction::Add, BinaryFunction::Sub, BinaryFunction::Mul,
                                                    BinaryFunction::Min, BinaryFunction::Max, BinaryFunction::And,
                                                    BinaryFunction::Or,  BinaryFunction::Xor, BinaryFunction::Eq,
                                                    BinaryFunction::Lt,  BinaryFunction::Le};
    static constexpr BinaryFunction logic[] = {BinaryFunction::And, BinaryFunction::Or, BinaryFunction::Xor,
                                               BinaryFunction::Eq};
    static constexpr BinaryFunction division[] = {BinaryFunction::Div, BinaryFunction::Rem, BinaryFunction::Mod};
    Builder& b = builder_;
    if (x.dtype() == DType::Bool)
      return {one_in(4) ? b.logical_not(x.value) : b.binary(logic[below(4)], x.value, partner(x).value), 0, 0};
    switch (below(6)) {
      case 0:
        return {b.unary(is_signed(x.dtype()) ? pick({UnaryFunction::Neg, UnaryFunction::Abs, UnaryFunction::Sign})
                                             : UnaryFunction::Not,
                        x.value),
                0, 0};
      case 1:
        return {b.binary(division[below(3)], x.value, scalar(x, 1 + below(7))), 0, 0};
      case 2:
        return {
            b.binary(one_in(2) ? BinaryFunction::ShiftLeft : BinaryFunction::ShiftRight, x.value, scalar(x, below(5))),
            0, 0};
      default:
        return {b.binary(arithmetic[below(11)], x.value, partner(x).value), 0, 0};
    }
  }

  Item choose(const Item& x) {
    Item y = partner(x);
    Value* condition = nullptr;
    if (x.error == 0 && x.dtype() != DType::Bool)
      condition = builder_.less(x.value, scalar(x, 1));
    else
      condition = input(DType::Bool, x.value->type.dims).value;
    return result(builder_.select(condition, x.value, y.value), std::max(x.bound, y.bound), std::max(x.error, y.error),
                  false);
  }

  Item convert(const Item& x) {
    Builder& b = builder_;
    if (x.dtype() == DType::Bool)
      return result(b.cast(x.value, pick({DType::F32, DType::I32, DType::U8, DType::F64})), 1, 0, false);
    if (is_integer(x.dtype())) {
      if (one_in(2))
        return {b.cast(x.value, pick({DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::I4})), 0, 0};
      Value* clipped = b.minimum(x.value, scalar(x, 9));
      if (is_signed(x.dtype())) clipped = b.maximum(clipped, scalar(x, -9));
      return result(b.cast(clipped, one_in(4) ? DType::F64 : DType::F32), 9, 0, false);
    }
    if (x.error == 0 && one_in(3)) {
      // Rounds to a mini float, moves it, and comes back.
      const DType mini = pick({DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F4E2M1});
      const Item moved = move({b.cast(x.value, mini), 1.25 * x.bound, 0});
      return {b.cast(moved.value, x.dtype()), 1.25 * x.bound, 0};
    }
    if (x.error == 0 && one_in(2)) return {b.cast(x.value, pick({DType::I8, DType::I32, DType::I64})), 0, 0};
    const DType other = x.dtype() == DType::F32 ? DType::F64 : DType::F32;
    Value* value = b.cast(x.value, other);
    return {value, x.bound, x.error + (other == DType::F32 ? 2 * unit(other) * x.bound : 0)};
  }

  // transpose, reshape, squeeze and broadcast.
  Item move(const Item& x) {
    const int rank = x.rank();
    const auto& dims = x.value->type.dims;
    Builder& b = builder_;
    switch (below(5)) {
      case 0: {
        if (rank >= 2) {  // merge two axes
          const size_t at = size_t(below(rank - 1));
          std::vector<Expr> merged(dims.begin(), dims.end());
          merged[at] = merged[at] * merged[at + 1];
          merged.erase(merged.begin() + int64_t(at) + 1);
          return {b.reshape(x.value, merged), x.bound, x.error};
        }
        [[fallthrough]];
      }
      case 1: {
        if (rank >= 5) return {b.reshape(x.value, {graph::element_count(x.value->type)}), x.bound, x.error};
        return {b.unsqueeze(x.value, {below(rank + 1)}), x.bound, x.error};
      }
      case 2:
        if (rank < 5 && count_of(x.value) < 1000) {
          std::vector<Expr> wide(dims.begin(), dims.end());
          wide.insert(wide.begin(), Expr(1 + below(3)));
          return {b.broadcast(x.value, wide), x.bound, x.error};
        }
        [[fallthrough]];
      default: {
        std::vector<int64_t> perm(static_cast<size_t>(rank));
        for (size_t i = 0; i < perm.size(); ++i) perm[i] = int64_t(i);
        std::shuffle(perm.begin(), perm.end(), random_);
        return {b.transpose(x.value, perm), x.bound, x.error};
      }
    }
  }

  // slice and pad.
  Item cut(const Item& x) {
    const Dims extents = dims_of(x.value);
    const size_t rank = extents.size();
    Builder& b = builder_;
    if (one_in(2)) {
      std::vector<Expr> starts(rank, Expr(0)), dims(x.value->type.dims.begin(), x.value->type.dims.end());
      std::vector<int64_t> steps(rank, 1);
      for (size_t i = 0; i < rank; ++i) {
        if (one_in(3)) continue;
        const int64_t from = below(int(extents[i])), length = extents[i] - from;
        switch (below(3)) {
          case 0:
            starts[i] = from, dims[i] = one_in(2) ? Expr(length) : dims[i] - Expr(from);
            break;
          case 1:
            starts[i] = from, steps[i] = 2, dims[i] = (length + 1) / 2;
            break;
          default:
            starts[i] = dims[i] - 1, steps[i] = -1;
        }
      }
      return {b.slice(x.value, starts, dims, steps), x.bound, x.error};
    }
    const auto mode = pick({graph::PadMode::Constant, graph::PadMode::Constant, graph::PadMode::Edge,
                            graph::PadMode::Reflect, graph::PadMode::Wrap});
    std::vector<Expr> before(rank, Expr(0)), after(rank, Expr(0));
    for (size_t i = 0; i < rank; ++i) {
      if (one_in(2)) continue;
      const int most = mode == graph::PadMode::Constant ? 3 : int(std::min<int64_t>(3, extents[i]));
      before[i] = below(most), after[i] = below(most);
    }
    return {b.pad(x.value, before, after, mode, one_in(2) ? scalar(x, 1) : scalar(x, 0)), std::max(1.0, x.bound),
            x.error};
  }

  Item join(const Item& x) {
    if (x.rank() == 0) return move(x);
    const int axis = below(x.rank());
    std::vector<Value*> parts = {x.value};
    double bound = x.bound, error = x.error;
    for (int i = 0, more = 1 + below(2); i < more; ++i) {
      Item part = x;
      if (one_in(2) && dims_of(x.value)[size_t(axis)] > 0) {
        Value* sliced = builder_.slice_axis(x.value, axis, 0, 1);
        part = {sliced, x.bound, x.error};
      } else if (one_in(2)) {
        part = input(x.dtype(), x.value->type.dims);
      } else if (is_float(x.dtype())) {
        part = unary(x);
      }
      if (part.dtype() != x.dtype()) part = x;
      parts.push_back(part.value);
      bound = std::max(bound, part.bound), error = std::max(error, part.error);
    }
    return {builder_.concat(parts, axis), bound, error};
  }

  // gather, gather_elements and topk.
  Item take(const Item& x) {
    if (x.rank() == 0) return move(x);
    const int axis = below(x.rank());
    Dims extents = dims_of(x.value);
    const int64_t extent = extents[size_t(axis)];
    switch (below(4)) {
      case 0:
      case 1: {
        const Dims dims = x.rank() < 5 ? pick<Dims>({{}, {3}, {5}, {2, 2}}) : pick<Dims>({{}, {3}});
        return {builder_.gather(x.value, indices(dims, extent), axis), x.bound, x.error};
      }
      case 2: {
        extents[size_t(axis)] = 1 + below(4);
        return {builder_.gather_elements(x.value, indices(extents, extent), axis), x.bound, x.error};
      }
      default: {
        if (x.error != 0 || x.dtype() == DType::Bool) return move(x);
        const auto results = builder_.topk(x.value, 1 + below(int(extent)), axis, one_in(2), true);
        keep({results[1], 0, 0});
        return {results[0], x.bound, 0};
      }
    }
  }

  Value* indices(const Dims& dims, int64_t extent) {
    return constant_or_input(driver::random_tensor(one_in(2) ? DType::I64 : DType::I32, dims, random_(),
                                                   -double(extent), double(extent) - 1));
  }
  Value* constant_or_input(const Tensor& tensor) {
    if (one_in(2)) return builder_.constant(tensor);
    inputs.push_back(tensor);
    return graph.body().add_parameter({tensor.dtype(), {tensor.dims().begin(), tensor.dims().end()}, {}},
                                      str("x", inputs.size() - 1));
  }

  // scatter_elements and scatter_nd. Without reduction every place is written once: which of several writes wins is not
  // defined.
  Item scatter(const Item& x) {
    if (x.rank() == 0 || x.dtype() == DType::Bool) return move(x);
    const Dims extents = dims_of(x.value);
    using graph::ScatterReduce;
    const ScatterReduce reduction =
        pick({ScatterReduce::None, ScatterReduce::Add, ScatterReduce::Max, ScatterReduce::Min});
    const bool rows = one_in(2);
    const int axis = rows ? 0 : below(x.rank());
    const int64_t extent = extents[size_t(axis)], writes = reduction == ScatterReduce::None ? 1 : 3;
    Dims shape = extents;
    shape[size_t(axis)] = writes;
    Value* where = nullptr;
    if (writes > 1)
      where = indices(rows ? Dims{writes, 1} : shape, extent);
    else
      where = builder_.constant(
          driver::random_tensor(DType::I64, rows ? Dims{1, 1} : shape, 0, double(below(int(extent))), 0));
    const Item updates = input(x.dtype(), {shape.begin(), shape.end()});
    Value* y = rows ? builder_.scatter_nd(x.value, where, updates.value, reduction)
                    : builder_.scatter_elements(x.value, where, updates.value, axis, reduction);
    if (reduction != ScatterReduce::Add) return {y, std::max(x.bound, updates.bound), x.error};
    const double sum = x.bound + double(writes * (rows ? 1 : extents[size_t(axis)])) * updates.bound;
    return result(y, sum, x.error + 4 * unit(x.dtype()) * sum * double(writes));
  }

  // gather_nd, or the positions of what is not zero as a further output.
  Item at_positions(const Item& x) {
    if (x.rank() == 0) return move(x);
    const Dims extents = dims_of(x.value);
    if (one_in(3) && x.error == 0) {
      extra_.push_back(builder_.nonzero(x.value));
      return move(x);
    }
    return {builder_.gather_nd(x.value, indices({1 + below(4), 1}, extents[0]), 0), x.bound, x.error};
  }

  Item conv_transpose(const Item& x) {
    const int spatial = one_in(4) ? 1 : 2;
    const Item a = image(x, spatial);
    const Dims extents = dims_of(a.value);
    graph::ConvTransposeAttrs attrs;
    Dims kernel = {extents[1], pick({1, 3, 8})};
    attrs.pads.assign(2 * size_t(spatial), Expr(0));
    double terms = double(extents[1]);
    for (size_t i = 0; i < size_t(spatial); ++i) {
      const int64_t taps = 1 + below(3), stride = 1 + below(2);
      kernel.push_back(taps);
      terms *= double(taps);
      attrs.strides.push_back(stride);
      attrs.dilations.push_back(1);
      attrs.out_dims.push_back(expr::simplify((a.value->type.dims[i + 2] - 1) * stride + taps));
    }
    const Item w = weight(a.dtype(), kernel);
    return contracted(builder_.conv_transpose(a.value, w.value, attrs), terms, a, w, 1);
  }

  Item local_response(const Item& x) {
    const Item a = image(x, 2);
    graph::LrnAttrs attrs;
    attrs.size = pick({1, 3, 5});
    attrs.alpha = 0.1;
    // The divisor is at least one and changes by less than the value itself.
    return result(builder_.lrn(a.value, attrs), a.bound, (2 + a.bound) * a.error);
  }

  Item recurrent(const Item& x) {
    const auto kind = pick({graph::RnnKind::Lstm, graph::RnnKind::Gru, graph::RnnKind::Rnn});
    const bool lstm = kind == graph::RnnKind::Lstm;
    const int64_t time = 1 + below(4), batch = 1 + below(8), hidden = pick({1, 4, 5, 16, 20});
    const DType dtype = x.dtype() == DType::F64 ? DType::F64 : DType::F32;
    graph::RnnAttrs attrs;
    attrs.kind = kind;
    attrs.hidden = hidden;
    attrs.reverse = one_in(2);
    attrs.bidirectional = one_in(3);
    attrs.activations = lstm ? "Sigmoid,Tanh,Tanh" : kind == graph::RnnKind::Gru ? "Sigmoid,Tanh" : "Tanh";
    if (attrs.bidirectional) attrs.activations += "," + attrs.activations;
    attrs.linear_before_reset = one_in(2);
    const int64_t directions = attrs.directions(), rows = attrs.gates() * hidden;
    const Tensor lengths = driver::random_tensor(DType::I32, {batch}, random_(), 0, double(time));
    std::vector<Value*> operands = {input(dtype, {dim(time), dim(batch), Expr(directions * rows)}).value,
                                    constant(dtype, {directions, rows, hidden}, 0.5).value, builder_.constant(lengths),
                                    constant(dtype, {directions, batch, hidden}).value};
    if (lstm) {
      operands.push_back(constant(dtype, {directions, batch, hidden}).value);
      if (one_in(2)) operands.push_back(constant(dtype, {directions, 3 * hidden}, 0.5).value);
    } else if (kind == graph::RnnKind::Gru && attrs.linear_before_reset) {
      operands.push_back(constant(dtype, {directions, hidden}, 0.5).value);
    }
    // A step passes on at most 4 (a cell) plus hidden / 2 (the products) times its error.
    double error = 0;
    for (int64_t t = 0; t < time; ++t) error = error * (4 + double(hidden)) + 64 * unit(dtype) * double(1 + hidden);
    return result(builder_.rnn(operands, attrs)[0], 1, error);
  }

  Item reduce(const Item& x) {
    if (x.dtype() == DType::Bool || x.rank() == 0) return move(x);
    std::vector<int64_t> axes;
    double terms = 1;
    const Dims extents = dims_of(x.value);
    for (int i = 0; i < x.rank(); ++i)
      if (one_in(2)) axes.push_back(i), terms *= double(extents[size_t(i)]);
    if (axes.empty()) axes = {x.rank() - 1}, terms = double(extents.back());
    const bool keep_dims = one_in(2);
    const double sum = terms * x.bound, rounding = 4 * std::sqrt(terms) * unit(x.dtype()) * sum;
    switch (below(5)) {
      case 0:
        return result(builder_.reduce(ReduceFunction::Sum, x.value, axes, keep_dims), sum, terms * x.error + rounding);
      case 1:
        if (is_float(x.dtype()))
          return result(builder_.mean(x.value, axes, keep_dims), x.bound, x.error + rounding / terms);
        return {builder_.reduce(ReduceFunction::Product, x.value, axes, keep_dims), 0, 0};
      case 2:
        return {builder_.reduce(ReduceFunction::Max, x.value, axes, keep_dims), x.bound, x.error};
      case 3:
        return {builder_.reduce(ReduceFunction::Min, x.value, axes, keep_dims), x.bound, x.error};
      default:
        if (x.error != 0) return {builder_.reduce(ReduceFunction::Max, x.value, axes, keep_dims), x.bound, x.error};
        return {builder_.arg_reduce(x.value, one_in(2), one_in(2), axes[0], keep_dims), 0, 0};
    }
  }

  Item normalise(const Item& x) {
    const int axis = below(x.rank());
    const double u = unit(x.dtype());
    if (one_in(3)) return result(builder_.softmax(x.value, axis), 1, 2 * x.error + 8 * u * x.bound);
    if (one_in(3)) return result(builder_.softmax(x.value, axis, true), 2 * x.bound + 9, 2 * x.error);
    const std::vector<Expr> inner(x.value->type.dims.begin() + axis, x.value->type.dims.end());
    const Item scale = input(x.dtype(), inner), bias = input(x.dtype(), inner);
    double count = 1;
    for (const Expr& dim : inner) count *= double(expr::evaluate(dim, bindings_));
    const double epsilon = 0.25, norm = std::min(std::sqrt(count), x.bound / std::sqrt(epsilon));
    const double error = 2 * (4 / std::sqrt(epsilon)) * (x.error + 8 * std::sqrt(count) * u * x.bound);
    return result(builder_.layer_norm(x.value, scale.value, bias.value, axis, epsilon), 2 * norm + 2,
                  error * (1 + x.bound));
  }

  // A contraction of `terms` products, with what models put behind it.
  Item contracted(Value* value, double terms, const Item& a, const Item& w, int channel_axis) {
    const double sum = terms * a.bound * w.bound;
    Item y =
        result(value, sum,
               terms * (a.error * w.bound + w.error * a.bound) + 4 * std::sqrt(terms) * unit(value->type.dtype) * sum);
    const auto channels = expr::as_int(value->type.dims[size_t(channel_axis)]);
    if (!channels) return y;
    Dims dims(value->type.dims.size() - size_t(channel_axis), 1);
    dims[0] = *channels;
    if (one_in(3)) {  // batch normalisation
      const Item scale = constant(y.dtype(), dims), shift = constant(y.dtype(), dims);
      y = result(builder_.mul(y.value, scale.value), y.bound, y.error);
      y = result(builder_.add(y.value, shift.value), y.bound + 1, y.error);
    } else if (one_in(2)) {
      const Item bias = weight(y.dtype(), dims);
      y = result(builder_.add(y.value, bias.value), y.bound + 2, y.error);
    }
    if (one_in(3)) {
      const Item residual = input(y.dtype(), y.value->type.dims);
      y = result(builder_.add(y.value, residual.value), y.bound + 2, y.error);
    }
    if (one_in(4)) {  // silu
      Value* gate = builder_.unary(UnaryFunction::Sigmoid, y.value);
      return result(builder_.mul(y.value, gate), y.bound, 1.2 * y.error);
    }
    return one_in(2) ? unary(y) : y;
  }

  Item matmul(const Item& x) {
    Item a = x;
    if (x.rank() < 2) {
      const int64_t m = pick({1, 3, 6, 17}), k = pick({1, 4, 7, 32});
      a = input(x.dtype(), {dim(m), Expr(k)});
    }
    const auto& dims = a.value->type.dims;
    const bool ta = one_in(4), tb = one_in(3);
    const Expr k = dims[dims.size() - (ta ? 2 : 1)];
    const int64_t inner = expr::evaluate(k, bindings_), n = pick({1, 2, 5, 8, 16, 24, 33});
    std::vector<Expr> shape = {k, Expr(n)};
    if (tb) std::swap(shape[0], shape[1]);
    if (a.rank() > 2 && one_in(3)) shape.insert(shape.begin(), dims[dims.size() - 3]);
    Dims fixed;
    for (const Expr& dim : shape) fixed.push_back(expr::evaluate(dim, bindings_));
    const bool all_static =
        std::all_of(shape.begin(), shape.end(), [](const Expr& dim) { return expr::as_int(dim).has_value(); });
    const Item w = all_static ? weight(a.dtype(), fixed) : input(a.dtype(), shape);
    Value* y = builder_.matmul(a.value, w.value, ta, tb);
    return contracted(y, double(inner), a, w, y->type.rank() - 1);
  }

  Item image(const Item& x, int spatial) {
    Dims extents = dims_of(x.value);
    if (x.rank() == spatial + 2 && expr::as_int(x.value->type.dims[1]) && extents[1] <= 48) return x;
    const int64_t channels = pick({1, 2, 3, 4, 6, 8, 16, 17, 24, 32, 40});
    std::vector<Expr> dims = {dim(1 + below(2)), Expr(channels)};
    for (int i = 0; i < spatial; ++i) dims.push_back(dim(spatial == 3 ? 3 + below(2) : 3 + below(6)));
    return input(is_float(x.dtype()) ? x.dtype() : DType::F32, dims);
  }

  Item conv(const Item& x) {
    const int spatial = one_in(4) ? 1 : one_in(6) ? 3 : 2;
    const Item a = image(x, spatial);
    const Dims extents = dims_of(a.value);
    const int64_t channels = extents[1];
    graph::ConvAttrs attrs;
    attrs.dtype = a.dtype();
    std::vector<int64_t> divisors;
    for (int64_t g = 1; g <= channels; ++g)
      if (channels % g == 0) divisors.push_back(g);
    if (one_in(3)) attrs.groups = divisors[size_t(below(int(divisors.size())))];
    if (one_in(4)) attrs.groups = channels;
    const int64_t inner = channels / attrs.groups;
    int64_t outer = attrs.groups > 1 ? attrs.groups * pick({1, 1, 2}) : pick({1, 3, 5, 8, 16, 16, 19, 32, 40});
    Dims kernel = {outer, inner};
    double terms = double(inner);
    attrs.pads.assign(2 * size_t(spatial), Expr(0));
    for (size_t i = 0; i < size_t(spatial); ++i) {
      const int64_t extent = extents[i + 2], taps = std::min<int64_t>(extent, 1 + below(3));
      kernel.push_back(taps);
      terms *= double(taps);
      attrs.strides.push_back(1 + below(2));
      attrs.dilations.push_back(taps > 1 && 2 * (taps - 1) < extent && one_in(4) ? 2 : 1);
      attrs.pads[i] = below(int(taps)), attrs.pads[i + size_t(spatial)] = below(int(taps));
    }
    const Item w = weight(a.dtype(), kernel);
    Item source = a;
    if (one_in(6)) {  // exporters pad before the convolution
      std::vector<Expr> before(extents.size(), Expr(0)), after(extents.size(), Expr(0));
      before.back() = after.back() = 1;
      source.value = builder_.pad(a.value, before, after, graph::PadMode::Constant, scalar(a, 0));
    }
    return contracted(builder_.conv(source.value, w.value, attrs), terms, a, w, 1);
  }

  Item pool(const Item& x) {
    const int spatial = one_in(4) ? 1 : one_in(6) ? 3 : 2;
    const Item a = image(x, spatial);
    const Dims extents = dims_of(a.value);
    graph::PoolAttrs attrs;
    attrs.function = pick({graph::PoolFunction::Max, graph::PoolFunction::Max, graph::PoolFunction::Average,
                           graph::PoolFunction::Average, graph::PoolFunction::ArgMax});
    if (attrs.function == graph::PoolFunction::ArgMax && a.error != 0) attrs.function = graph::PoolFunction::Max;
    attrs.include_pad = one_in(2);
    attrs.pads.assign(2 * size_t(spatial), Expr(0));
    double terms = 1;
    for (size_t i = 0; i < size_t(spatial); ++i) {
      const int64_t taps = std::min<int64_t>(extents[i + 2], 1 + below(3));
      attrs.kernel.push_back(taps);
      attrs.strides.push_back(1 + below(2));
      attrs.dilations.push_back(1);
      attrs.pads[i] = below(int(taps)), attrs.pads[i + size_t(spatial)] = below(int(taps));
      const Expr padded = a.value->type.dims[i + 2] + attrs.pads[i] + attrs.pads[i + size_t(spatial)] - Expr(taps);
      attrs.out_dims.push_back(expr::simplify(padded / Expr(attrs.strides[i]) + 1));
      terms *= double(taps);
    }
    const bool rounds = attrs.function == graph::PoolFunction::Average;
    return result(builder_.pool(a.value, attrs), a.bound, a.error, rounds);
  }

  Item cumulate(const Item& x) {
    if (x.rank() == 0 || x.dtype() == DType::Bool) return move(x);
    const int axis = below(x.rank());
    const double terms = double(dims_of(x.value)[size_t(axis)]);
    const bool exclusive = one_in(2), reverse = one_in(2);
    Value* value = builder_.cumulate(ReduceFunction::Sum, x.value, axis, exclusive, reverse);
    return result(value, terms * x.bound, terms * x.error + 4 * std::sqrt(terms) * unit(x.dtype()) * terms * x.bound);
  }

  Item control(const Item& x) {
    if (!is_float(x.dtype())) return convert(x);
    if (one_in(2)) {
      const Item condition = input(DType::Bool, {});
      const auto side = [&](int i) {
        return [&, i](Builder& inner) {
          Value* y = i == 0 ? inner.mul(x.value, inner.scalar_like(x.value, 0.5)) : inner.neg(x.value);
          return std::vector<Value*>{y};
        };
      };
      return result(builder_.if_then_else(condition.value, side(0), side(1))[0], x.bound, x.error);
    }
    const int64_t trips = below(4);
    Value* count = builder_.scalar(DType::I64, double(trips));
    if (one_in(2)) {
      inputs.push_back(Tensor::scalar(DType::I64, double(trips)));
      count = graph.body().add_parameter({DType::I64, {}, {}}, str("x", inputs.size() - 1));
    }
    const auto results = builder_.loop(count, nullptr, {x.value},
                                       [&](Builder& inner, Value* iteration, Value*, std::vector<Value*> carried) {
                                         Value* half = inner.mul(carried[0], inner.scalar_like(x.value, 0.5));
                                         Value* next = inner.add(half, inner.cast(iteration, x.dtype()));
                                         return std::vector<Value*>{inner.scalar(DType::Bool, 1), next};
                                       });
    const double bound = x.bound + 2 * double(trips);
    return {results[0], bound, x.error + 8 * double(trips) * unit(x.dtype()) * bound};
  }

  std::vector<Value*> extra_;  // further outputs, exact
};

}  // namespace sardonyx::property
