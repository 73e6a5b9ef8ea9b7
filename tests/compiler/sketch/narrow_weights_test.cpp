// Products by weights of few bits against the interpreter: tiles of one row, which widen in registers, and of many,
// which read a widened panel; the ends of panels, blocks and words.
#include "compiler/sketch/narrow_weights.h"

#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

struct Case {
  Expr m;
  int64_t n, k, block = 0;  // 0: none; else of the reduction axis
  DType dtype = DType::I4;
  bool zeros = false, transposed = false, per_column = true;
  int epilogue = 0;
};

std::string describe(const Case& c) {
  return str("m ", expr::to_string(c.m), " n ", c.n, " k ", c.k, " block ", c.block, " ", dtype_name(c.dtype),
             c.zeros ? " zeros" : "", c.transposed ? " transposed" : "", c.per_column ? "" : " per tensor",
             " epilogue ", c.epilogue);
}

// x [m, k] by the matrix that codes, zeros and scales stand for, as the primitives of DequantizeLinear express it.
Problem narrow_product(const Case& c) {
  ProgramBuilder b;
  const int64_t blocks = c.block ? (c.k + c.block - 1) / c.block : 1, columns = c.per_column ? c.n : 1;
  const auto dims = [&](int64_t depth, int64_t width) {
    return c.transposed ? std::vector<Expr>{width, depth} : std::vector<Expr>{depth, width};
  };
  Term x = b.input("x", DType::F32, {c.m, c.k}), codes = b.input("codes", c.dtype, dims(c.k, c.n));
  Term scale = b.input("scale", DType::F32, dims(blocks, columns)), bias = b.input("bias", DType::F32, {c.n});
  Term zero = b.input("zero", c.dtype, dims(blocks, columns));
  const auto at = [c](const Term& term, const Expr& k, const Expr& n) {
    return term.at(c.transposed ? Index{n, k} : Index{k, n});
  };
  const auto parameter = [=](const Term& term, const Expr& k, const Expr& n) {
    return at(term, c.block ? k / Expr(c.block) : Expr(0), c.per_column ? n : Expr(0));
  };
  Term sums = b.reduce("sums", Reduce::Sum, DType::F32, {c.m, c.n}, {c.k}, [=](const Index& o, const Index& r) {
    Expr value = at(codes, r[0], o[1]);
    if (!is_float(c.dtype)) {
      value = expr::cast(value, DType::I32);
      if (c.zeros) value = value - expr::cast(parameter(zero, r[0], o[1]), DType::I32);
      value = expr::cast(value, DType::F32) * parameter(scale, r[0], o[1]);
    }
    return x.at({o[0], r[0]}) * expr::cast(value, DType::F32);
  });
  if (c.epilogue == 0) {
    b.output(sums);
  } else {
    b.output({DType::F32, {c.m, c.n}, [=](const Index& i) {
                const Expr v = sums.at(i) + bias.at({i[1]});
                if (c.epilogue == 1) return v;
                return v * (expr::imm(1, DType::F32) + expr::call(Function::Erf, {v * expr::imm(0.7, DType::F32)}));
              }});
  }
  Problem problem{b.finish(), {}};
  if (c.m->kind == expr::Kind::Var) problem.program.symbols = {c.m->var};
  for (const auto& input : problem.program.inputs) problem.constant.push_back(input->name != "x");
  return problem;
}

// Codes over the whole range of their type, scales that are positive.
std::vector<Tensor> random_operands(const Problem& problem, const std::vector<int64_t>& symbols) {
  std::mt19937 random(7);
  std::vector<Tensor> inputs = random_inputs(problem.program, symbols, 7, -1, 1);
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor& tensor = inputs[i];
    if (is_integer(tensor.dtype()))
      for (int64_t e = 0; e < tensor.count(); ++e)
        tensor.raw()[e] = uint8_t(extend_element(int64_t(random() & 255), tensor.dtype()));
    if (problem.program.inputs[i]->name == "scale")
      for (int64_t e = 0; e < tensor.count(); ++e) tensor.data<float>()[e] = 0.02f + 0.001f * float(e % 13);
  }
  return inputs;
}

// At the proposed point, and with tiles of one row that read the same panels.
void expect_product(const Case& c, const std::vector<int64_t>& symbols = {},
                    const tensor::Target& target = cpu::host_target()) {
  SCOPED_TRACE(describe(c));
  const Problem problem = narrow_product(c);
  const auto inputs = random_operands(problem, symbols);
  const double tolerance = 2e-6 * double(c.k) * (c.dtype == DType::I8 || c.dtype == DType::U8 ? 4 : 1);
  expect_matches("narrow", problem, inputs, symbols, 1e-5, tolerance, target);
  const auto* family = sketch::family_of("narrow");
  sketch::Point single = family->propose(problem, target, nullptr).at(0).point;
  single["rows"] = 1, single["nv"] = single.at("panel");
  const auto lowered = family->lower(problem, single, target);
  ASSERT_TRUE(std::holds_alternative<Lowered>(lowered)) << std::get<sketch::Refusal>(lowered).reason;
  const RunResult got = Runner(problem, std::get<Lowered>(lowered), target).run(inputs, symbols);
  ASSERT_EQ(got.code, 0);
  const auto want = tensor::interpret(problem.program, inputs, symbols);
  EXPECT_TRUE(close(got.outputs[0], want[0], 1e-5, tolerance));
}

TEST(NarrowWeights, Types) {
  for (DType dtype : {DType::I4, DType::U4, DType::I8, DType::U8, DType::F16, DType::BF16})
    for (bool zeros : {false, true})
      for (bool transposed : {false, true})
        for (int64_t m : {1, 20}) expect_product({m, 70, 96, 32, dtype, zeros, transposed, true, 1});
}

TEST(NarrowWeights, Shapes) {
  // Partial vectors, panels, tiles, blocks and words.
  const int64_t shapes[][4] = {{1, 16, 32, 0},    {1, 130, 64, 32},  {2, 300, 100, 32}, {3, 33, 77, 16},
                               {4, 129, 40, 128}, {14, 50, 72, 8},   {15, 17, 33, 32},  {29, 256, 64, 64},
                               {5, 20, 64, 32},   {1, 513, 129, 128}};
  for (const auto& s : shapes)
    for (DType dtype : {DType::I4, DType::U4, DType::I8, DType::BF16})
      for (int epilogue : {0, 2})
        expect_product({s[0], s[1], s[2], s[3], dtype, dtype == DType::U4, s[0] % 2 == 0, true, epilogue});
}

TEST(NarrowWeights, OneScaleAndOneZero) {
  for (DType dtype : {DType::U4, DType::U8, DType::I8}) {
    expect_product({1, 40, 64, 0, dtype, true, false, false});
    expect_product({17, 40, 64, 0, dtype, true, true, false});
    expect_product({6, 40, 64, 32, dtype, true, true, false});
  }
}

TEST(NarrowWeights, SymbolicRows) {
  const auto m = expr::make_var("M", {1, INT64_MAX, 1});
  for (int64_t rows : {1, 2, 3, 14, 15, 100}) {
    expect_product({Expr(m), 150, 96, 32, DType::I4, false, false, true, 2}, {rows});
    expect_product({Expr(m), 40, 33, 0, DType::I8, true, true, true, 1}, {rows});
  }
}

TEST(NarrowWeights, NarrowerVectors) {
  for (const tensor::Target& target : narrow_targets())
    for (DType dtype : {DType::I4, DType::U4, DType::I8, DType::BF16})
      for (int64_t m : {1, 9}) expect_product({m, 70, 104, 32, dtype, dtype == DType::U4, false, true, 1}, {}, target);
}

TEST(NarrowWeights, PackedCodesTakeHalfAByte) {
  const Problem problem = narrow_product({1, 256, 64, 32, DType::I4});
  const auto inputs = random_operands(problem, {});
  const auto* family = sketch::family_of("narrow");
  const auto lowered = std::get<Lowered>(
      family->lower(problem, family->propose(problem, cpu::host_target(), nullptr).at(0).point, cpu::host_target()));
  int64_t bytes = 0;
  for (const sketch::Packed& packed : lowered.packed)
    if (inputs[size_t(packed.input)].dtype() == DType::I4) bytes += packed.pack(inputs[size_t(packed.input)]).bytes();
  EXPECT_EQ(bytes, 256 * 64 / 2);
}

TEST(NarrowWeights, Refusals) {
  const auto* family = sketch::family_of("narrow");
  const auto refuses = [&](const Problem& problem) {
    return family->propose(problem, cpu::host_target(), nullptr).empty();
  };
  EXPECT_TRUE(refuses(matmul_problem({{}, 5, 40, 33}, false, true, 0)));
  EXPECT_TRUE(refuses(narrow_product({5, 40, 64, 12, DType::I4})));  // a word would straddle two blocks
  Problem variable = narrow_product({5, 40, 64, 32, DType::I8});
  variable.constant.assign(variable.constant.size(), false);
  EXPECT_TRUE(refuses(variable));
}

TEST(NarrowWeights, WordsHoldEightNibbles) {
  Tensor codes(DType::U4, {1, 9, 2});
  for (int64_t i = 0; i < codes.count(); ++i) codes.raw()[i] = uint8_t(i % 16);
  const Tensor words = sketch::words_of_nibbles(codes);
  ASSERT_EQ(words.dims(), (Dims{1, 2, 2}));
  EXPECT_EQ(uint32_t(words.as_int(0)), 0x6420eca8u);  // elements 0, 2, .. 14, less 8
  EXPECT_EQ(uint32_t(words.as_int(2)), 0x8u);         // element 16 is 0
}

}  // namespace
}  // namespace sardonyx::testing
