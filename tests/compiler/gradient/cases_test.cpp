// The table of cases: every kind that has a rule stands in it.
#include "tests/compiler/gradient/cases.h"

#include <gtest/gtest.h>

#include <set>

#include "compiler/gradient/rules.h"

namespace sardonyx::gradient {
namespace {

using graph::BinaryFunction;
using graph::Ints;
using graph::PadMode;
using graph::PoolAttrs;
using graph::PoolFunction;
using graph::ReduceFunction;
using graph::ScatterReduce;
using graph::UnaryFunction;

template <UnaryFunction f>
Value* unary(Builder& b, const Values& x) {
  return b.unary(f, x[0]);
}

template <BinaryFunction f>
Value* binary(Builder& b, const Values& x) {
  return b.binary(f, x[0], x[1]);
}

template <UnaryFunction f>
Case unary_case(double low = -2, double high = 2) {
  return {graph::unary_names[int(f)], Op::unary, {{{2, 3}, low, high}}, unary<f>};
}

template <BinaryFunction f>
Case binary_case(double low = -2, double high = 2) {
  return {graph::binary_names[int(f)], Op::binary, {{{2, 3}, low, high}, {{3}, low, high}}, binary<f>};
}

Value* indices(Builder& b, Dims dims, const std::vector<int64_t>& values) {
  return b.reshape(b.ints(values), {dims.begin(), dims.end()});
}

template <PadMode mode>
Value* pad(Builder& b, const Values& x) {
  return b.pad(x[0], {1, 0, 2}, {0, 0, 3}, mode, mode == PadMode::Constant ? x[1] : nullptr);
}

template <ScatterReduce reduction>
Value* scatter_elements(Builder& b, const Values& x) {
  const bool once = reduction == ScatterReduce::None;
  return b.scatter_elements(x[0], indices(b, {2, 2}, once ? Ints{2, 0, 0, -1} : Ints{2, 0, 2, -1}), x[1], 0, reduction);
}

template <ScatterReduce reduction>
Value* scatter_nd(Builder& b, const Values& x) {
  const bool once = reduction == ScatterReduce::None;
  return b.scatter_nd(x[0], indices(b, {2, 1}, once ? Ints{-1, 0} : Ints{1, 1}), x[1], reduction);
}

template <ReduceFunction f>
Value* reduce(Builder& b, const Values& x) {
  return b.reduce(f, x[0], {0, 2}, false);
}

template <ReduceFunction f, bool exclusive, bool reverse>
Value* cumulate(Builder& b, const Values& x) {
  return b.cumulate(f, x[0], 1, exclusive, reverse);
}

template <PoolFunction f, bool include_pad>
Value* pool(Builder& b, const Values& x) {
  PoolAttrs attrs;
  attrs.function = f;
  attrs.include_pad = include_pad;
  attrs.kernel = {3, 2};
  attrs.strides = {2, 1};
  attrs.dilations = {1, 2};
  attrs.pads = {1, 0, 1, 1};
  // The last window of the first axis reaches beyond the padding, as ceil_mode has it.
  attrs.out_dims = {3, 4};
  return b.pool(x[0], attrs);
}

// With dims that no stride divides, so that the end of x or w is not read.
template <int64_t groups>
Value* conv(Builder& b, const Values& x) {
  graph::ConvAttrs attrs;
  attrs.strides = {2, 1};
  attrs.dilations = {1, 2};
  attrs.pads = {1, 0, 0, 2};
  attrs.groups = groups;
  attrs.dtype = x[0]->type.dtype;
  return b.conv(x[0], x[1], attrs);
}

template <int64_t groups, int64_t extra>
Value* conv_transpose(Builder& b, const Values& x) {
  graph::ConvTransposeAttrs attrs;
  attrs.strides = {2, 1};
  attrs.dilations = {1, 2};
  attrs.pads = {1, 0, 0, 1};
  attrs.groups = groups;
  // (3 - 1) * 2 + 3 - 1 and (4 - 1) + 3 - 1
  attrs.out_dims = {6 + extra, 5};
  return b.conv_transpose(x[0], x[1], attrs);
}

template <bool ta, bool tb>
Value* matmul(Builder& b, const Values& x) {
  return b.matmul(x[0], x[1], ta, tb);
}

template <bool is_log>
Value* softmax(Builder& b, const Values& x) {
  return b.softmax(x[0], 1, is_log);
}

Value* product_by_condition(Builder& b, const Values& x, bool nested) {
  Value* sum = b.reduce(ReduceFunction::Sum, x[0], {0, 1}, false);
  Value* condition = b.less(sum, b.scalar_like(sum, 1e6));
  if (nested) condition = b.logical_not(condition);
  return b.if_then_else(
      condition, [&](Builder& inner) { return Values{inner.mul(x[0], inner.unary(UnaryFunction::Sin, x[1]))}; },
      [&](Builder& inner) {
        Value* outer = inner.exp(x[0]);
        return inner.if_then_else(
            condition, [&](Builder& deep) { return Values{deep.mul(outer, x[0])}; },
            [&](Builder& deep) { return Values{deep.mul(outer, deep.exp(x[1]))}; });
      })[0];
}

std::vector<Case> make_cases() {
  using UF = UnaryFunction;
  using BF = BinaryFunction;
  std::vector<Case> list = {
      unary_case<UF::Neg>(),           unary_case<UF::Abs>(),           unary_case<UF::Sign>(),
      unary_case<UF::Floor>(),         unary_case<UF::Ceil>(),          unary_case<UF::Round>(),
      unary_case<UF::Sqrt>(0.3),       unary_case<UF::Exp>(),           unary_case<UF::Log>(0.3),
      unary_case<UF::Sin>(),           unary_case<UF::Cos>(),           unary_case<UF::Tan>(-1.2, 1.2),
      unary_case<UF::Asin>(-0.9, 0.9), unary_case<UF::Acos>(-0.9, 0.9), unary_case<UF::Atan>(),
      unary_case<UF::Sinh>(),          unary_case<UF::Cosh>(),          unary_case<UF::Tanh>(),
      unary_case<UF::Asinh>(),         unary_case<UF::Acosh>(1.3, 3),   unary_case<UF::Atanh>(-0.9, 0.9),
      unary_case<UF::Erf>(),           unary_case<UF::Sigmoid>(),       binary_case<BF::Add>(),
      binary_case<BF::Sub>(),          binary_case<BF::Mul>(),          binary_case<BF::Div>(0.5),
      binary_case<BF::Rem>(0.5),       binary_case<BF::Pow>(0.5),       binary_case<BF::Min>(),
      binary_case<BF::Max>()};
  const std::vector<Case> others = {
      {"pow by a constant",
       Op::binary,
       {{{2, 3}}},
       [](Builder& b, const Values& x) { return b.binary(BF::Pow, x[0], b.scalar_like(x[0], 3)); }},
      {"a value used twice",
       Op::binary,
       {{{2, 3}}},
       [](Builder& b, const Values& x) { return b.mul(b.mul(x[0], x[0]), b.exp(x[0])); }},
      {"select",
       Op::select,
       {{{2, 3}}, {{3}}},
       [](Builder& b, const Values& x) { return b.select(b.less(x[0], x[1]), b.mul(x[0], x[0]), x[1]); }},
      {"cast",
       Op::cast,
       {{{2, 3}}},
       [](Builder& b, const Values& x) {
         const DType other = x[0]->type.dtype == DType::F64 ? DType::F32 : DType::F64;
         Value* y = b.cast(x[0], other);
         return b.cast(b.mul(y, b.scalar_like(y, 3)), x[0]->type.dtype);
       }},
      {"broadcast",
       Op::broadcast,
       {{{2, 1, 3}}},
       [](Builder& b, const Values& x) {
         return b.broadcast(x[0], {4, x[0]->type.dims[0], 5, x[0]->type.dims[2]});
       },
       true},
      {"reshape",
       Op::reshape,
       {{{2, 6}}},
       [](Builder& b, const Values& x) {
         return b.reshape(x[0], {x[0]->type.dims[0] * 2, 3});
       },
       true},
      {"transpose",
       Op::transpose,
       {{{2, 3, 4}}},
       [](Builder& b, const Values& x) {
         return b.transpose(x[0], {2, 0, 1});
       }},
      {"slice",
       Op::slice,
       {{{5, 4}}},
       [](Builder& b, const Values& x) {
         return b.slice(x[0], {1, 0}, {3, x[0]->type.dims[1]}, {1, 1});
       }},
      {"slice with steps",
       Op::slice,
       {{{7, 6}}},
       [](Builder& b, const Values& x) {
         return b.slice(x[0], {1, x[0]->type.dims[1] - 1}, {3, x[0]->type.dims[1] / 2}, {2, -2});
       }},
      {"slice of nothing",
       Op::slice,
       {{{3, 2}}},
       [](Builder& b, const Values& x) {
         Value* none = b.slice(x[0], {3, 0}, {x[0]->type.dims[0] - 3, 2}, {-2, 1});
         return b.add(b.reduce(ReduceFunction::Sum, none, {0}, false), b.reduce(ReduceFunction::Sum, x[0], {0}, false));
       }},
      {"pad with a value", Op::pad, {{{3, 2, 4}}, {{}}}, pad<PadMode::Constant>},
      {"pad with the edge", Op::pad, {{{3, 2, 4}}}, pad<PadMode::Edge>},
      {"pad by reflection", Op::pad, {{{3, 2, 4}}}, pad<PadMode::Reflect>},
      {"pad by wrapping", Op::pad, {{{3, 2, 4}}}, pad<PadMode::Wrap>},
      {"concat",
       Op::concat,
       {{{2, 3}}, {{2, 1}}},
       [](Builder& b, const Values& x) {
         return b.concat({x[0], x[1], b.exp(x[0])}, 1);
       }},
      {"gather",
       Op::gather,
       {{{2, 4, 3}}},
       [](Builder& b, const Values& x) {
         return b.gather(x[0], indices(b, {2, 2}, {1, -1, 1, 0}), 1);
       }},
      {"gather one",
       Op::gather,
       {{{4}}},
       [](Builder& b, const Values& x) { return b.gather(x[0], b.scalar(DType::I64, 2), 0); }},
      {"gather_elements",
       Op::gather_elements,
       {{{3, 4}}},
       [](Builder& b, const Values& x) {
         return b.gather_elements(x[0], indices(b, {2, 2}, {1, -1, 1, 0}), 1);
       }},
      {"gather_nd",
       Op::gather_nd,
       {{{3, 4, 2}}},
       [](Builder& b, const Values& x) {
         return b.gather_nd(x[0], indices(b, {3, 2}, {1, -1, 1, 3, 0, 0}), 0);
       }},
      {"gather_nd in a batch",
       Op::gather_nd,
       {{{3, 4, 2}}},
       [](Builder& b, const Values& x) {
         return b.gather_nd(x[0], indices(b, {3, 2, 1}, {1, -1, 1, 1, 0, 2}), 1);
       }},
      {"scatter_elements", Op::scatter_elements, {{{3, 2}}, {{2, 2}}}, scatter_elements<ScatterReduce::None>},
      {"scatter_elements add", Op::scatter_elements, {{{3, 2}}, {{2, 2}}}, scatter_elements<ScatterReduce::Add>},
      {"scatter_elements mul", Op::scatter_elements, {{{3, 2}}, {{2, 2}}}, scatter_elements<ScatterReduce::Mul>},
      {"scatter_elements min", Op::scatter_elements, {{{3, 2}}, {{2, 2}}}, scatter_elements<ScatterReduce::Min>},
      {"scatter_elements max", Op::scatter_elements, {{{3, 2}}, {{2, 2}}}, scatter_elements<ScatterReduce::Max>},
      {"scatter_nd", Op::scatter_nd, {{{3, 2}}, {{2, 2}}}, scatter_nd<ScatterReduce::None>},
      {"scatter_nd add", Op::scatter_nd, {{{3, 2}}, {{2, 2}}}, scatter_nd<ScatterReduce::Add>},
      {"scatter_nd mul", Op::scatter_nd, {{{3, 2}}, {{2, 2}}}, scatter_nd<ScatterReduce::Mul>},
      {"scatter_nd min", Op::scatter_nd, {{{3, 2}}, {{2, 2}}}, scatter_nd<ScatterReduce::Min>},
      {"scatter_nd max", Op::scatter_nd, {{{3, 2}}, {{2, 2}}}, scatter_nd<ScatterReduce::Max>},
      {"reduce sum", Op::reduce, {{{2, 3, 4}}}, reduce<ReduceFunction::Sum>},
      {"reduce product", Op::reduce, {{{2, 3, 2}}}, reduce<ReduceFunction::Product>},
      {"reduce max", Op::reduce, {{{2, 3, 4}}}, reduce<ReduceFunction::Max>},
      {"reduce min", Op::reduce, {{{2, 3, 4}}}, reduce<ReduceFunction::Min>},
      {"cumulate sum", Op::cumulate, {{{2, 4}}}, cumulate<ReduceFunction::Sum, false, false>},
      {"cumulate sum exclusive", Op::cumulate, {{{2, 4, 2}}}, cumulate<ReduceFunction::Sum, true, true>},
      {"cumulate product", Op::cumulate, {{{2, 3}}}, cumulate<ReduceFunction::Product, false, false>},
      {"cumulate product exclusive", Op::cumulate, {{{2, 3, 2}}}, cumulate<ReduceFunction::Product, true, false>},
      {"cumulate product reverse", Op::cumulate, {{{2, 3, 2}}}, cumulate<ReduceFunction::Product, false, true>},
      {"pool max", Op::pool, {{{2, 2, 5, 5}}}, pool<PoolFunction::Max, false>},
      {"pool sum", Op::pool, {{{2, 2, 5, 5}}}, pool<PoolFunction::Sum, false>},
      {"pool average", Op::pool, {{{2, 2, 5, 5}}}, pool<PoolFunction::Average, false>},
      {"pool average with pads", Op::pool, {{{2, 2, 5, 5}}}, pool<PoolFunction::Average, true>},
      {"matmul", Op::matmul, {{{2, 3, 4}}, {{4, 5}}}, matmul<false, false>},
      {"matmul transposed left", Op::matmul, {{{4, 3}}, {{2, 4, 5}}}, matmul<true, false>},
      {"matmul transposed right", Op::matmul, {{{2, 3, 4}}, {{1, 5, 4}}}, matmul<false, true>},
      {"matmul transposed", Op::matmul, {{{4, 3}}, {{5, 4}}}, matmul<true, true>},
      {"conv", Op::conv, {{{2, 2, 6, 5}}, {{3, 2, 2, 3}}}, conv<1>},
      {"conv in groups", Op::conv, {{{2, 4, 5, 4}}, {{6, 2, 2, 2}}}, conv<2>},
      {"conv_transpose", Op::conv_transpose, {{{2, 2, 3, 4}}, {{2, 3, 3, 2}}}, conv_transpose<1, 0>, true},
      {"conv_transpose in groups", Op::conv_transpose, {{{2, 4, 3, 4}}, {{4, 3, 3, 2}}}, conv_transpose<2, 0>, true},
      {"conv_transpose beyond its reach",
       Op::conv_transpose,
       {{{1, 2, 3, 4}}, {{2, 2, 3, 2}}},
       conv_transpose<1, 3>,
       true},
      {"conv_transpose cut", Op::conv_transpose, {{{1, 2, 3, 4}}, {{2, 2, 3, 2}}}, conv_transpose<1, -3>, true},
      {"softmax", Op::softmax, {{{2, 3, 2}}}, softmax<false>},
      {"log softmax", Op::softmax, {{{2, 3, 2}}}, softmax<true>},
      {"layer_norm",
       Op::layer_norm,
       {{{2, 3, 2}}, {{3, 2}}, {{3, 2}}},
       [](Builder& b, const Values& x) { return b.layer_norm(x[0], x[1], x[2], 1, 1e-2); }},
      {"lrn",
       Op::lrn,
       {{{2, 5, 2}}},
       [](Builder& b, const Values& x) {
         graph::LrnAttrs attrs;
         attrs.alpha = 0.5;
         attrs.size = 4;
         return b.lrn(x[0], attrs);
       }},
      {"topk", Op::topk, {{{3, 5}}}, [](Builder& b, const Values& x) { return b.topk(x[0], 2, 1, true, true)[0]; }},
      {"if", Op::if_, {{{2, 3}}, {{3}}}, [](Builder& b, const Values& x) { return product_by_condition(b, x, false); }},
      {"if within the other branch",
       Op::if_,
       {{{2, 3}}, {{3}}},
       [](Builder& b, const Values& x) { return product_by_condition(b, x, true); }},
      {"if of different shapes",
       Op::if_,
       {{{3, 2}}},
       [](Builder& b, const Values& x) {
         Value* sum = b.reduce(ReduceFunction::Sum, x[0], {0, 1}, false);
         return b.if_then_else(
             b.less(sum, b.scalar_like(sum, 1e6)), [&](Builder& inner) { return Values{inner.exp(x[0])}; },
             [&](Builder& inner) {
               return Values{inner.concat({x[0], x[0]}, 0)};
             })[0];
       }},
  };
  list.insert(list.end(), others.begin(), others.end());
  return list;
}

TEST(Cases, HaveEveryKindWithARule) {
  std::set<Op> covered;
  for (const Case& test : cases()) covered.insert(test.op);
  for (int i = 0; i < graph::op_count; ++i) {
    const Rule& rule = rule_of(Op(i));
    EXPECT_NE(rule.apply != nullptr, rule.reason != nullptr) << graph::op_name(Op(i)) << " needs a rule or a reason";
    EXPECT_EQ(rule.apply != nullptr, covered.count(Op(i)) != 0) << "no case of " << graph::op_name(Op(i));
  }
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> list = make_cases();
  return list;
}

}  // namespace sardonyx::gradient
