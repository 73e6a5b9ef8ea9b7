#include "tests/backends/conformance/primitives.h"

#include <algorithm>

#include "runtime/base/status.h"

namespace sardonyx::conformance {

using graph::BinaryFunction;
using graph::Op;
using graph::PadMode;
using graph::PoolFunction;
using graph::ReduceFunction;
using graph::ScatterReduce;
using graph::UnaryFunction;

Value* Maker::input(DType type, std::vector<Expr> dims) {
  if (type == DType::Bool) return input_in(type, std::move(dims), 0, 1);
  return is_float(type) ? input_in(type, std::move(dims), -2, 2) : input_in(type, std::move(dims), -9, 9);
}

Value* Maker::input_in(DType type, std::vector<Expr> dims, double low, double high) {
  if (!is_signed(type)) low = std::max(low, 0.0);
  Value* value = graph_.body().add_parameter({type, dims, {}}, str("x", inputs.size()));
  inputs.push_back({type, std::move(dims), low, high});
  return value;
}

namespace {

using Outputs = std::vector<Value*>;
using Make = std::function<Outputs(Maker&)>;

class Cases {
 public:
  Cases() {
    unary();
    binary();
    elements();
    movement();
    indices();
    reductions();
    windows();
    contractions();
    composites();
  }
  std::vector<PrimitiveCase> list;

 private:
  void add(std::string name, Precision precision, Make make) {
    list.push_back({std::move(name), precision, std::move(make)});
  }

  void unary() {
    struct Domain {
      UnaryFunction function;
      double low, high;
    };
    // Where a function is defined, and away from poles.
    static constexpr Domain domains[] = {{UnaryFunction::Sqrt, 0, 9},      {UnaryFunction::Log, 0.1, 9},
                                         {UnaryFunction::Tan, -1, 1},      {UnaryFunction::Asin, -0.9, 0.9},
                                         {UnaryFunction::Acos, -0.9, 0.9}, {UnaryFunction::Acosh, 1.1, 9},
                                         {UnaryFunction::Atanh, -0.9, 0.9}};
    static constexpr UnaryFunction exact[] = {UnaryFunction::Neg,   UnaryFunction::Abs,   UnaryFunction::Sign,
                                              UnaryFunction::Floor, UnaryFunction::Ceil,  UnaryFunction::Round,
                                              UnaryFunction::IsNan, UnaryFunction::IsInf, UnaryFunction::Not};
    for (int i = 0; graph::unary_names[i]; ++i) {
      const auto function = UnaryFunction(i);
      const bool is_exact = std::find(std::begin(exact), std::end(exact), function) != std::end(exact);
      add(str("unary ", graph::unary_names[i]), is_exact ? Precision::Exact : Precision::Map, [function](Maker& m) {
        const auto* domain = std::find_if(std::begin(domains), std::end(domains),
                                          [&](const Domain& d) { return d.function == function; });
        Value* x = domain == std::end(domains) ? m.input({m.n(), 19})
                                               : m.input_in(m.dtype, {m.n(), 19}, domain->low, domain->high);
        return Outputs{m.builder.unary(function, x)};
      });
    }
  }

  void binary() {
    for (int i = 0; graph::binary_names[i]; ++i) {
      const auto function = BinaryFunction(i);
      const bool divides =
          function == BinaryFunction::Div || function == BinaryFunction::Rem || function == BinaryFunction::Mod;
      const bool shifts = function == BinaryFunction::ShiftLeft || function == BinaryFunction::ShiftRight;
      const bool power = function == BinaryFunction::Pow;
      add(str("binary ", graph::binary_names[i]), divides || power ? Precision::Map : Precision::Exact, [=](Maker& m) {
        Value* x = power ? m.input_in(m.dtype, {m.n(), 19}, 1, 3) : m.input({m.n(), 19});
        Value* y = divides           ? m.input_in(m.dtype, {m.n(), 19}, 1, 7)
                   : shifts || power ? m.input_in(m.dtype, {m.n(), 19}, 0, 4)
                                     : m.input({m.n(), 19});
        return Outputs{m.builder.binary(function, x, y)};
      });
    }
    add("binary add, broadcast", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.add(m.input({m.n(), 1, 7}), m.input({3, 1}))};
    });
  }

  void elements() {
    add("select", Precision::Exact, [](Maker& m) {
      Value* condition = m.input(DType::Bool, {m.n(), 19});
      Value* x = m.input({m.n(), 19});
      return Outputs{m.builder.select(condition, x, m.input({m.n(), 19}))};
    });
    for (DType to : {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8, DType::I32, DType::I64, DType::U8,
                     DType::Bool, DType::F8E4M3FN, DType::F8E5M2FNUZ, DType::F4E2M1, DType::I4, DType::U2})
      add(str("cast to ", dtype_name(to)), Precision::Exact, [to](Maker& m) {
        // Floats that unsigned types hold: what lies outside saturates, which has tests of its own.
        Value* x = is_signed(to) || to == DType::Bool ? m.input({m.n(), 19}) : m.input_in(m.dtype, {m.n(), 19}, 0, 9);
        return Outputs{m.builder.cast(x, to)};
      });
    add("iota", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.add(m.input({m.n(), 4}), m.builder.iota(m.dtype, {m.n(), 4}, 0))};
    });
    add("dims_tensor", Precision::Exact, [](Maker& m) {
      m.input({m.n(), 4});
      return Outputs{m.builder.dims_tensor({m.n(), m.n() * 2 + 1, 7}, {3}, m.dtype)};
    });
  }

  void movement() {
    add("broadcast", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.broadcast(m.input({m.n(), 1, 3}), {2, m.n(), 4, 3})};
    });
    add("reshape", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.reshape(m.input({m.n(), 4, 3}), {m.n(), 12})};
    });
    add("transpose", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.transpose(m.input({m.n(), 4, 3}), {2, 0, 1})};
    });
    add("slice", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.slice(m.input({m.n(), 9}), {0, 1}, {m.n(), 4}, {1, 2})};
    });
    add("slice, backwards", Precision::Exact, [](Maker& m) {
      return Outputs{m.builder.slice(m.input({m.n(), 9}), {m.n() - 1, 8}, {m.n(), 9}, {-1, -1})};
    });
    add("pad constant", Precision::Exact, [](Maker& m) {
      Value* x = m.input({m.n(), 4});
      return Outputs{m.builder.pad(x, {1, 2}, {0, 3}, PadMode::Constant, m.builder.scalar(m.dtype, 1))};
    });
    for (PadMode mode : {PadMode::Edge, PadMode::Reflect, PadMode::Wrap})
      add(str("pad ", graph::pad_mode_names[int(mode)]), Precision::Exact, [mode](Maker& m) {
        return Outputs{m.builder.pad(m.input({m.n(), 4}), {0, 2}, {0, 3}, mode)};
      });
    add("concat", Precision::Exact, [](Maker& m) {
      Value* x = m.input({m.n(), 4});
      return Outputs{m.builder.concat({x, m.input({m.n(), 3}), x}, 1), m.builder.concat({x, m.input({2, 4})}, 0)};
    });
  }

  void indices() {
    for (DType type : {DType::I64, DType::I32}) {
      add(str("gather by ", dtype_name(type)), Precision::Exact, [type](Maker& m) {
        Value* x = m.input({5, 3});
        return Outputs{m.builder.gather(x, m.input_in(type, {m.n(), 2}, -5, 4), 0)};
      });
      add(str("gather_elements by ", dtype_name(type)), Precision::Exact, [type](Maker& m) {
        Value* x = m.input({m.n(), 6});
        return Outputs{m.builder.gather_elements(x, m.input_in(type, {m.n(), 4}, -6, 5), 1)};
      });
    }
    add("gather_nd", Precision::Exact, [](Maker& m) {
      Value* x = m.input({4, 3, 2});
      return Outputs{m.builder.gather_nd(x, m.input_in(DType::I64, {m.n(), 2}, -3, 2), 0)};
    });
    for (ScatterReduce reduction : {ScatterReduce::None, ScatterReduce::Add, ScatterReduce::Max}) {
      const char* name = graph::scatter_reduce_names[int(reduction)];
      const Precision precision = reduction == ScatterReduce::Add ? Precision::Sum : Precision::Exact;
      // Without reduction every place is written once: which of several writes wins is not defined.
      add(str("scatter_elements ", name), precision, [reduction](Maker& m) {
        Value* x = m.input({m.n(), 6});
        Value* indices = reduction == ScatterReduce::None ? m.builder.broadcast(m.builder.ints({3, 0, 5}), {m.n(), 3})
                                                          : m.input_in(DType::I64, {m.n(), 3}, -6, 5);
        return Outputs{m.builder.scatter_elements(x, indices, m.input({m.n(), 3}), 1, reduction)};
      });
      add(str("scatter_nd ", name), precision, [reduction](Maker& m) {
        Value* x = m.input({6, m.n()});
        Value* indices = reduction == ScatterReduce::None ? m.builder.reshape(m.builder.ints({3, 0, 5}), {3, 1})
                                                          : m.input_in(DType::I64, {3, 1}, -6, 5);
        return Outputs{m.builder.scatter_nd(x, indices, m.input({3, m.n()}), reduction)};
      });
    }
    add("topk", Precision::Exact, [](Maker& m) { return m.builder.topk(m.input({m.n(), 7}), 3, 1, true, true); });
    add("nonzero", Precision::Exact, [](Maker& m) { return Outputs{m.builder.nonzero(m.input({m.n(), 3}))}; });
  }

  void reductions() {
    for (ReduceFunction function :
         {ReduceFunction::Sum, ReduceFunction::Product, ReduceFunction::Max, ReduceFunction::Min}) {
      const bool orders = function == ReduceFunction::Max || function == ReduceFunction::Min;
      const char* name = graph::reduce_names[int(function)];
      add(str("reduce ", name), orders ? Precision::Exact : Precision::Sum, [function](Maker& m) {
        Value* x = m.input({m.n(), 3, 17});
        return Outputs{m.builder.reduce(function, x, {2}, false), m.builder.reduce(function, x, {0, 2}, true)};
      });
      if (function != ReduceFunction::Sum && function != ReduceFunction::Product) continue;
      add(str("cumulate ", name), Precision::Sum, [function](Maker& m) {
        Value* x = m.input({m.n(), 7});
        return Outputs{m.builder.cumulate(function, x, 1, false, false),
                       m.builder.cumulate(function, x, 0, true, true)};
      });
    }
    add("arg_reduce", Precision::Exact, [](Maker& m) {
      Value* x = m.input({m.n(), 9});
      return Outputs{m.builder.arg_reduce(x, true, false, 1, false), m.builder.arg_reduce(x, false, true, 1, true)};
    });
  }

  void windows() {
    for (PoolFunction function : {PoolFunction::Max, PoolFunction::Average, PoolFunction::Sum, PoolFunction::ArgMax}) {
      const bool sums = function == PoolFunction::Average || function == PoolFunction::Sum;
      add(str("pool ", graph::pool_names[int(function)]), sums ? Precision::Sum : Precision::Exact,
          [function](Maker& m) {
            graph::PoolAttrs attrs;
            attrs.function = function;
            attrs.kernel = {3, 2}, attrs.strides = {2, 1}, attrs.dilations = {1, 1};
            attrs.pads = {1, 0, 1, 1}, attrs.out_dims = {4, 6};
            return Outputs{m.builder.pool(m.input({m.n(), 3, 7, 6}), attrs)};
          });
    }
    add("lrn", Precision::Map, [](Maker& m) {
      graph::LrnAttrs attrs;
      attrs.size = 3;
      return Outputs{m.builder.lrn(m.input({m.n(), 7, 3}), attrs)};
    });
  }

  static graph::ConvAttrs conv_attributes(DType dtype, size_t spatial, int64_t groups) {
    graph::ConvAttrs attrs;
    attrs.strides.assign(spatial, 1), attrs.dilations.assign(spatial, 1);
    attrs.strides[0] = 2;
    attrs.pads.assign(2 * spatial, Expr(1));
    attrs.groups = groups;
    attrs.dtype = dtype;
    return attrs;
  }

  void contractions() {
    add("matmul", Precision::Sum, [](Maker& m) {
      return Outputs{m.builder.matmul(m.input({m.n(), 19}), m.input({19, 17}))};
    });
    add("matmul, transposed", Precision::Sum, [](Maker& m) {
      return Outputs{m.builder.matmul(m.input({19, m.n()}), m.input({17, 19}), true, true)};
    });
    add("matmul, batches", Precision::Sum, [](Maker& m) {
      return Outputs{m.builder.matmul(m.input({m.n(), 1, 4, 6}), m.input({3, 6, 5}))};
    });
    add("matmul over n", Precision::Sum, [](Maker& m) {
      return Outputs{m.builder.matmul(m.input({3, m.n()}), m.input({m.n(), 4}))};
    });
    add("conv", Precision::Sum, [](Maker& m) {
      Value* x = m.input({m.n(), 3, 7, 6});
      return Outputs{m.builder.conv(x, m.input({8, 3, 3, 3}), conv_attributes(m.dtype, 2, 1))};
    });
    add("conv, groups", Precision::Sum, [](Maker& m) {
      Value* x = m.input({m.n(), 4, 9});
      return Outputs{m.builder.conv(x, m.input({6, 2, 3}), conv_attributes(m.dtype, 1, 2))};
    });
    add("conv_transpose", Precision::Sum, [](Maker& m) {
      Value* x = m.input({m.n(), 3, 4, 3});
      graph::ConvTransposeAttrs attrs;
      attrs.strides = {2, 1}, attrs.dilations = {1, 1};
      attrs.pads = {1, 0, 1, 0}, attrs.out_dims = {7, 5};
      return Outputs{m.builder.conv_transpose(x, m.input({3, 4, 3, 3}), attrs)};
    });
  }

  void composites() {
    add("softmax", Precision::Map, [](Maker& m) { return Outputs{m.builder.softmax(m.input({m.n(), 19}), 1)}; });
    add("log softmax", Precision::Map, [](Maker& m) {
      return Outputs{m.builder.softmax(m.input({m.n(), 6, 3}), 1, true)};
    });
    add("layer_norm", Precision::Sum, [](Maker& m) {
      Value* x = m.input({m.n(), 19});
      Value* scale = m.input({19});
      return Outputs{m.builder.layer_norm(x, scale, m.input({19}), 1, 0.1)};
    });
    for (graph::RnnKind kind : {graph::RnnKind::Lstm, graph::RnnKind::Gru, graph::RnnKind::Rnn}) {
      const char* name = graph::rnn_names[int(kind)];
      add(str("rnn ", name), Precision::Sum, [kind](Maker& m) {
        const bool lstm = kind == graph::RnnKind::Lstm;
        const int64_t hidden = 3;
        graph::RnnAttrs attrs;
        attrs.kind = kind;
        attrs.hidden = hidden;
        attrs.activations = lstm ? "Sigmoid,Tanh,Tanh" : kind == graph::RnnKind::Gru ? "Sigmoid,Tanh" : "Tanh";
        const int64_t rows = attrs.gates() * hidden;
        std::vector<Value*> operands = {m.input({4, m.n(), rows}), m.input({1, rows, hidden}),
                                        m.input_in(DType::I32, {m.n()}, 1, 4), m.input({1, m.n(), hidden})};
        if (lstm) {
          operands.push_back(m.input({1, m.n(), hidden}));
          operands.push_back(m.input({1, 3 * hidden}));
        }
        return m.builder.rnn(operands, attrs);
      });
    }
  }
};

}  // namespace

const std::vector<PrimitiveCase>& primitive_cases() {
  static const std::vector<PrimitiveCase> cases = Cases().list;
  return cases;
}

const std::vector<Op>& kinds_left_out() {
  static const std::vector<Op> kinds = {
      Op::constant,  Op::yield, Op::fused,      // no work of their own
      Op::if_,       Op::loop,                  // control flow is the host's
      Op::bind_dims, Op::check, Op::host_call,  // the host's
      Op::reorder,   Op::copy,                  // the driver's, between candidates and devices
  };
  return kinds;
}

}  // namespace sardonyx::conformance
