// Attention against the interpreter: sizes that divide nothing, masks, layouts, lengths that only the run knows.
#include <algorithm>

#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

enum class Mask { None, Added, Chosen, Causal };

struct Attention {
  Expr batch = 1, heads = 2, queries = 5, keys = 7;
  int64_t size = 16, value_size = 16;
  Mask mask = Mask::None;
  bool columns = false;        // keys are stored as columns [batch, heads, size, length]
  bool joint = false;          // heads are slices of rows [length, heads * size], as projections leave them
  bool empty_is_zero = false;  // as ONNX's Attention wants it
  double softcap = 0;
};

// Operands: queries, keys, values, mask.
Problem attention(const Attention& a) {
  ProgramBuilder b;
  const auto operand = [&](const char* name, const Expr& length, int64_t size) {
    if (!a.joint) return b.input(name, DType::F32, {a.batch, a.heads, length, size});
    const Term rows = b.input(name, DType::F32, {a.batch, length, a.heads * size});
    return Term{DType::F32, {a.batch, a.heads, length, size}, [=](const Index& i) {
                  return rows.at({i[0], i[2], i[1] * size + i[3]});
                }};
  };
  const Term q = operand("q", a.queries, a.size), v = operand("v", a.keys, a.value_size);
  const auto key_columns = [&] {
    const Term columns = b.input("k", DType::F32, {a.batch, a.heads, a.size, a.keys});
    return Term{DType::F32, {a.batch, a.heads, a.keys, a.size}, [=](const Index& i) {
                  return columns.at({i[0], i[1], i[3], i[2]});
                }};
  };
  const Term k = a.columns ? key_columns() : operand("k", a.keys, a.size);
  const Term mask = b.input("mask", a.mask == Mask::Chosen ? DType::Bool : DType::F32, {a.batch, a.queries, a.keys});
  const Term scores = matmul(
      b, {.batch = {a.batch, a.heads}, .m = a.queries, .n = a.keys, .k = a.size, .transpose_b = true}, q, k, true);
  const auto logit = [=](const Index& i) {
    Expr x = scores.at(i) * expr::imm(0.25, DType::F32);
    const Expr low = expr::imm(-INFINITY, DType::F32);
    if (a.mask == Mask::Added) x = x + mask.at({i[0], i[2], i[3]});
    if (a.mask == Mask::Chosen) x = expr::select(mask.at({i[0], i[2], i[3]}), x, low);
    if (a.mask == Mask::Causal) x = expr::select(i[3] <= i[2], x, low);
    if (a.softcap > 0)
      x = expr::call(Function::Tanh, {x / expr::imm(a.softcap, DType::F32)}) * expr::imm(a.softcap, DType::F32);
    return x;
  };
  const std::vector<Expr> rows{a.batch, a.heads, a.queries}, dims{a.batch, a.heads, a.queries, a.keys};
  const auto with = [](Index row, const Expr& key) {
    row.push_back(key);
    return row;
  };
  const auto largest = [&] {
    return b.reduce("max", Reduce::Max, DType::F32, rows, {a.keys},
                    [=](const Index& row, const Index& in) { return logit(with(row, in[0])); });
  };
  const Term top = largest();
  const Term exps = b.stage("exp", DType::F32, dims, [=](const Index& i) {
    return expr::call(Function::Exp, {logit(i) - top.at({i[0], i[1], i[2]})});
  });
  const Term sum = b.reduce("sum", Reduce::Sum, DType::F32, rows, {a.keys},
                            [=](const Index& row, const Index& in) { return exps.at(with(row, in[0])); });
  const Term other = a.empty_is_zero ? largest() : top;
  const Term weights{DType::F32, dims, [=](const Index& i) {
                       const Expr p = exps.at(i) / sum.at({i[0], i[1], i[2]});
                       const Expr low = expr::imm(-INFINITY, DType::F32);
                       const Expr nothing = other.at({i[0], i[1], i[2]}) == low;
                       return a.empty_is_zero ? expr::select(nothing, expr::imm(0, DType::F32), p) : p;
                     }};
  const Term result =
      matmul(b, {.batch = {a.batch, a.heads}, .m = a.queries, .n = a.value_size, .k = a.keys}, weights, v, true);
  if (!a.joint) {
    b.output(result);
  } else {
    b.output({DType::F32, {a.batch, a.queries, a.heads, a.value_size}, [=](const Index& i) {
                return result.at({i[0], i[2], i[1], i[3]});
              }});
  }
  return {b.finish(), {}};
}

void expect_attention(const Problem& problem, const std::vector<int64_t>& symbols = {},
                      const tensor::Target& target = cpu::host_target()) {
  expect_matches("attention", problem, random_inputs(problem.program, symbols, 5), symbols, 1e-5, 2e-6, target);
}

TEST(Attention, SizesThatDivideNothing) {
  for (int64_t queries : {1, 9, 29, 61})
    for (int64_t keys : {1, 3, 65, 144}) {
      SCOPED_TRACE(str(queries, " x ", keys));
      expect_attention(attention({.queries = queries, .keys = keys, .size = 24, .value_size = 20}));
    }
}

TEST(Attention, HeadsOfEachSize) {
  for (int64_t size : {1, 3, 17, 32, 64, 80, 128}) {
    SCOPED_TRACE(size);
    for (int64_t queries : {3, 20})
      expect_attention(attention({.queries = queries, .keys = 21, .size = size, .value_size = 130 - size}));
  }
}

TEST(Attention, KeysAsColumns) {
  for (int64_t keys : {3, 40, 144})
    for (int64_t queries : {3, 20})
      expect_attention(attention({.queries = queries, .keys = keys, .size = 24, .columns = true}));
}

TEST(Attention, MasksAndCaps) {
  for (Mask mask : {Mask::None, Mask::Added, Mask::Chosen, Mask::Causal})
    for (int64_t queries : {1, 19})
      for (double softcap : {0.0, 2.0}) {
        SCOPED_TRACE(str(int(mask), " ", queries, " ", softcap));
        expect_attention(
            attention({.batch = 2, .queries = queries, .keys = 70, .mask = mask, .joint = true, .softcap = softcap}));
      }
}

TEST(Attention, RowsWithoutKeys) {
  for (bool empty_is_zero : {true, false})
    for (int64_t queries : {4, 15})
      for (int64_t keys : {5, 40}) {
        const Problem problem =
            attention({.queries = queries, .keys = keys, .mask = Mask::Chosen, .empty_is_zero = empty_is_zero});
        std::vector<Tensor> inputs = random_inputs(problem.program, {}, 6);
        for (int64_t key = 0; key < keys; ++key) {
          inputs[3].set_int(key, 0);
          inputs[3].set_int((queries - 1) * keys + key, 0);
        }
        expect_matches("attention", problem, inputs, {}, 1e-5, 2e-6);
      }
}

TEST(Attention, LengthsThatTheRunKnows) {
  const auto n = expr::make_var("N", {0, INT64_MAX, 1}), m = expr::make_var("M", {0, INT64_MAX, 1});
  for (bool joint : {false, true}) {
    Problem problem = attention(
        {.batch = Expr(n), .queries = Expr(m), .keys = Expr(n) + Expr(m), .mask = Mask::Added, .joint = joint});
    problem.program.symbols = {n, m};
    for (auto [past, fresh] : {std::pair<int64_t, int64_t>{1, 1}, {2, 0}, {3, 1}, {2, 8}, {1, 9}, {3, 100}, {2, 129}}) {
      SCOPED_TRACE(str(past, " + ", fresh));
      expect_attention(problem, {past, fresh});
    }
  }
}

TEST(Attention, SharesOfAHead) {
  tensor::Target target = cpu::host_target();
  target.cores = 7;
  for (int64_t queries : {5, 64, 97, 200}) {
    SCOPED_TRACE(queries);
    expect_attention(attention({.heads = 3, .queries = queries, .keys = 33}), {}, target);
  }
}

TEST(Attention, OfNarrowVectors) {
  for (const tensor::Target& target : narrow_targets())
    for (int64_t queries : {2, 23})
      for (int64_t keys : {1, 7, 45})
        expect_attention(
            attention({.queries = queries, .keys = keys, .size = 12, .value_size = 21, .mask = Mask::Added}), {},
            target);
}

// Values far from each other miss in caches that hold them when they are neighbours.
TEST(Attention, PacksValuesOfManyKeysInFarRows) {
  const auto packs = [](const Attention& a) {
    auto proposals = sketch::family_of("attention")->propose(attention(a), cpu::host_target(), nullptr);
    return std::ranges::min_element(proposals, {}, &sketch::Proposal::cost_ns)->point.at("pack") == 1;
  };
  EXPECT_TRUE(packs({.heads = 12, .queries = 4096, .keys = 4096, .size = 64, .value_size = 64, .joint = true}));
  EXPECT_FALSE(packs({.heads = 12, .queries = 4096, .keys = 4096, .size = 64, .value_size = 64}));
  EXPECT_FALSE(packs({.heads = 12, .queries = 4, .keys = 4096, .size = 64, .value_size = 64, .joint = true}));
  EXPECT_FALSE(packs({.heads = 12, .queries = 128, .keys = 128, .size = 64, .value_size = 64, .joint = true}));
}

TEST(Attention, RefusesWhatIsNone) {
  const sketch::Family* family = sketch::family_of("attention");
  std::string why;
  EXPECT_TRUE(family->propose(softmax({3, 4, 5}, 2), cpu::host_target(), &why).empty());
  EXPECT_FALSE(why.empty());
}

}  // namespace
}  // namespace sardonyx::testing
