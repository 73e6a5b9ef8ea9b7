#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

void expect_row_reduction(const Problem& problem, const std::vector<int64_t>& symbols = {}, double relative = 1e-5,
                          double absolute = 1e-6) {
  auto inputs = random_inputs(problem.program, symbols, 11);
  expect_matches("loops", problem, inputs, symbols, relative, absolute);
  expect_matches("row_reduction", problem, inputs, symbols, relative, absolute);
}

TEST(RowReduction, SoftmaxAlongEachAxis) {
  for (size_t axis = 0; axis < 3; ++axis) expect_row_reduction(softmax({3, 37, 50}, axis));
}

TEST(RowReduction, SoftmaxOfSymbolicRows) {
  auto n = expr::make_var("N", {1, INT64_MAX, 1});
  for (size_t axis = 0; axis < 2; ++axis) {
    Problem problem = softmax({Expr(n), Expr(n)}, axis);
    problem.program.symbols = {n};
    for (int64_t value : {1, 7, 16, 65, 130}) expect_row_reduction(problem, {value});
  }
}

// Blocks of rows, the last one with fewer.
TEST(RowReduction, SoftmaxOfManyRows) {
  for (int64_t rows : {64, 67, 131})
    for (int64_t columns : {1, 15, 50, 208}) {
      SCOPED_TRACE(str(rows, " x ", columns));
      expect_row_reduction(softmax({rows, columns}, 1));
    }
}

TEST(RowReduction, SoftmaxOfUnusualRows) {
  const Problem problem = softmax({96, 40}, 1);
  std::mt19937 random(1);
  Tensor x = random_tensor(DType::F32, {96, 40}, random);
  const auto fill = [&](int64_t row, float value, int64_t count = 40) {
    std::fill_n(x.data<float>() + row * 40, count, value);
  };
  const float lowest = std::numeric_limits<float>::lowest();
  fill(3, NAN, 1), fill(10, INFINITY, 1), fill(11, -INFINITY), fill(12, -INFINITY, 39), fill(13, lowest);
  fill(14, lowest, 20), fill(15, -lowest), fill(16, -lowest, 1), fill(17, 1e30F, 2), fill(18, -80, 39),
      fill(19, -1e30F, 30);
  expect_matches("row_reduction", problem, {x}, {}, 1e-5, 1e-37);
}

TEST(RowReduction, ExponentialsMayBeResultsToo) {
  ProgramBuilder b;
  const Term x = b.input("x", DType::F32, {70, 33});
  const Term top = b.reduce("max", Reduce::MaxNumber, DType::F32, {70}, {33}, [=](const Index& row, const Index& in) {
    return x.at({row[0], in[0]});
  });
  const auto exponential = [=](const Index& i) { return expr::call(Function::Exp, {x.at(i) - top.at({i[0]})}); };
  const Term e = b.stage("exp", DType::F32, {70, 33}, exponential);
  const Term twice = b.stage("twice", DType::F32, {70, 33}, [=](const Index& i) { return e.at(i) + exponential(i); });
  const Term sum = b.reduce("sum", Reduce::Sum, DType::F32, {70}, {33}, [=](const Index& row, const Index& in) {
    return twice.at({row[0], in[0]});
  });
  b.output(sum);
  b.output({DType::F32, {70, 33}, [=](const Index& i) { return e.at(i) * e.at({i[0], Expr(32) - i[1]}); }});
  b.output({DType::F32, {70, 33}, [=](const Index& i) { return e.at(i) + twice.at(i) / sum.at({i[0]}); }});
  expect_row_reduction({b.finish(), {}});
}

TEST(RowReduction, LayerNorm) { expect_row_reduction(layer_norm()); }

TEST(RowReduction, EachKindOverEachAxisAndType) {
  for (DType dtype : {DType::F32, DType::F64, DType::I32, DType::I64, DType::I8, DType::U8}) {
    for (Reduce kind : {Reduce::Sum, Reduce::Product, Reduce::Max, Reduce::Min}) {
      for (size_t axis = 0; axis < 3; ++axis) {
        SCOPED_TRACE(std::string(dtype_name(dtype)) + " " + std::to_string(int(kind)) + " " + std::to_string(axis));
        std::vector<Expr> dims{5, 21, 34};
        std::vector<Expr> kept = dims;
        kept.erase(kept.begin() + long(axis));
        ProgramBuilder b;
        Term x = b.input("x", dtype, dims);
        b.output(b.reduce("r", kind, dtype, kept, {dims[axis]}, [=](const Index& out, const Index& in) {
          Index i = out;
          i.insert(i.begin() + long(axis), in[0]);
          return x.at(i);
        }));
        Problem problem{b.finish(), {}};
        auto inputs = random_inputs(problem.program, {}, 3);
        expect_matches("row_reduction", problem, inputs, {}, 1e-5, 1e-5);
      }
    }
  }
}

TEST(RowReduction, FullReduction) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {7, 1003});
  b.output(b.reduce("r", Reduce::Sum, DType::F32, {}, {7, 1003}, [=](const Index&, const Index& in) {
    return x.at({in[0], in[1]});
  }));
  expect_row_reduction({b.finish(), {}}, {}, 1e-4, 1e-3);
}

TEST(RowReduction, ArgMaxTakesTheFirst) {
  for (size_t axis = 0; axis < 2; ++axis) {
    ProgramBuilder b;
    std::vector<Expr> dims{13, 70};
    Term x = b.input("x", DType::F32, dims);
    std::vector<Expr> kept{dims[1 - axis]};
    auto at = [=](const Index& o, const Index& k) { return axis ? Index{o[0], k[0]} : Index{k[0], o[0]}; };
    Term best = b.reduce("best", Reduce::Max, DType::F32, kept, {dims[axis]},
                         [=](const Index& o, const Index& k) { return x.at(at(o, k)); });
    b.output(b.reduce("arg", Reduce::Min, DType::I64, kept, {dims[axis]}, [=](const Index& o, const Index& k) {
      return expr::select(x.at(at(o, k)) == best.at(o), k[0], expr::int_imm(INT64_MAX));
    }));
    expect_row_reduction({b.finish(), {}}, {}, 0, 0);
  }
}

TEST(RowReduction, NanWins) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {2, 40});
  b.output(b.reduce("m", Reduce::Max, DType::F32, {2}, {40}, [=](const Index& o, const Index& k) {
    return x.at({o[0], k[0]});
  }));
  Problem problem{b.finish(), {}};
  std::mt19937 random(1);
  Tensor t = random_tensor(DType::F32, {2, 40}, random);
  t.set_double(17, std::nan(""));
  expect_matches("row_reduction", problem, {t}, {}, 0, 0);
}

}  // namespace
}  // namespace sardonyx::testing
