// Accuracy of the expanded math functions, run through the code generator and compared with libm in higher precision.
#include "compiler/tensor/lower/math.h"

#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::Expr;
using expr::Function;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Term;

struct Case {
  Function function;
  long double (*exact)(long double);
  double low, high;         // where accuracy is measured
  double ulps = 4;          // F32
  double relative = 1e-14;  // F64
};

long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }

const Case cases[] = {
    {Function::Exp, expl, -87, 88},         {Function::Expm1, expm1l, -5, 80},
    {Function::Log, logl, 1e-30, 1e30},     {Function::Log1p, log1pl, -0.99, 50},
    {Function::Sigmoid, sigmoid, -80, 80},  {Function::Tanh, tanhl, -12, 12},
    {Function::Erf, erfl, -5, 5},           {Function::Sin, sinl, -100, 100},
    {Function::Cos, cosl, -100, 100},       {Function::Tan, tanl, -20, 20},
    {Function::Asin, asinl, -1, 1},         {Function::Acos, acosl, -1, 1},
    {Function::Atan, atanl, -50, 50},       {Function::Sinh, sinhl, -60, 60},
    {Function::Cosh, coshl, -60, 60},       {Function::Asinh, asinhl, -100, 100},
    {Function::Acosh, acoshl, 1, 100},      {Function::Atanh, atanhl, -0.999, 0.999},
    {Function::Log, logl, 0.5, 2},          {Function::Exp, expl, -1, 1},
    {Function::Expm1, expm1l, -0.01, 0.01},
};

Tensor apply(Function function, const std::vector<Tensor>& inputs, const tensor::Target& target = cpu::host_target()) {
  ProgramBuilder b;
  DType dtype = inputs[0].dtype();
  Expr n = inputs[0].count();
  std::vector<Term> terms;
  for (size_t i = 0; i < inputs.size(); ++i) terms.push_back(b.input("x" + std::to_string(i), dtype, {n}));
  b.output({dtype, {n}, [=](const Index& i) {
              std::vector<Expr> args;
              for (const Term& t : terms) args.push_back(t.at(i));
              return expr::call(function, args);
            }});
  Problem problem{b.finish(), {}};
  auto lowered = sketch::family_of("pointwise")->lower(problem, {}, target);
  Runner runner(problem, std::get<Lowered>(lowered), target);
  return runner.run(inputs, {}).outputs[0];
}

double ulps(double got, double want) {
  if (got == want || (std::isnan(got) && std::isnan(want))) return 0;
  float w = float(want);
  double step = double(std::nextafterf(std::fabs(w), INFINITY)) - double(std::fabs(w));
  return std::fabs(got - want) / step;
}

TEST(Math, SingleWithinFourUlps) {
  std::mt19937 random(3);
  for (const Case& c : cases) {
    Tensor x = random_tensor(DType::F32, {20011}, random, c.low, c.high);
    Tensor y = apply(c.function, {x});
    double worst = 0, at = 0;
    for (int64_t i = 0; i < x.count(); ++i) {
      double error = ulps(y.as_double(i), double(c.exact(x.as_double(i))));
      if (error > worst) worst = error, at = x.as_double(i);
    }
    EXPECT_LE(worst, c.ulps) << expr::function_name(c.function) << " at " << at;
  }
}

TEST(Math, SaturatedFunctionsStayWithinOne) {
  for (Function function : {Function::Erf, Function::Tanh}) {
    Tensor x(DType::F32, {1 << 20});
    for (int64_t i = 0; i < x.count(); ++i) x.data<float>()[i] = 1 + float(i) * 9 / float(x.count());
    const Tensor y = apply(function, {x});
    float highest = 0;
    for (int64_t i = 0; i < y.count(); ++i) highest = std::max(highest, y.data<float>()[i]);
    EXPECT_EQ(highest, 1) << expr::function_name(function);
    EXPECT_EQ(y.data<float>()[y.count() - 1], 1) << expr::function_name(function);
  }
}

// Powers of two are put together in other ways by targets with wide vectors, with narrow ones and by single elements.
TEST(Math, ExponentialsReachBothEndsOfTheirRange) {
  std::vector<tensor::Target> targets = narrow_targets();
  targets.push_back(cpu::host_target());
  for (const tensor::Target& target : targets) {
    for (int64_t count : {1, 3, 4, 8, 16, 1000}) {
      std::mt19937 random(6);
      for (const auto& [low, high] : {std::pair<double, double>{-104, -86}, {87, 89}}) {
        const Tensor x = random_tensor(DType::F32, {count}, random, low, high), y = apply(Function::Exp, {x}, target);
        for (int64_t i = 0; i < count; ++i) {
          const double got = y.as_double(i), want = double(float(expl(x.as_double(i))));
          EXPECT_TRUE(got == want || std::fabs(got - want) <= 5e-7 * want + 2e-45) << got << " at " << x.as_double(i);
        }
      }
      const Tensor z = random_tensor(DType::F64, {count}, random, -744, -700), e = apply(Function::Exp, {z}, target);
      for (int64_t i = 0; i < count; ++i)
        EXPECT_NEAR(e.as_double(i), std::exp(z.as_double(i)), 1e-14 * std::exp(z.as_double(i)) + 1e-323);
    }
  }
}

TEST(Math, DoubleWithinTolerance) {
  std::mt19937 random(4);
  for (const Case& c : cases) {
    Tensor x = random_tensor(DType::F64, {5003}, random, c.low, c.high);
    Tensor y = apply(c.function, {x});
    double worst = 0, at = 0;
    for (int64_t i = 0; i < x.count(); ++i) {
      long double want = c.exact(x.as_double(i));
      double error = double(fabsl(y.as_double(i) - want) / std::max(fabsl(want), 1e-3L));
      if (error > worst) worst = error, at = x.as_double(i);
    }
    EXPECT_LE(worst, c.relative) << expr::function_name(c.function) << " at " << at;
  }
}

TEST(Math, PowAndFmod) {
  std::mt19937 random(5);
  Tensor x = random_tensor(DType::F32, {20011}, random, 0.01, 20),
         y = random_tensor(DType::F32, {20011}, random, -10, 10);
  Tensor p = apply(Function::Pow, {x, y}), r = apply(Function::Fmod, {x, y});
  Tensor xd = random_tensor(DType::F64, {5003}, random, 0.01, 20),
         yd = random_tensor(DType::F64, {5003}, random, -90, 90);
  Tensor pd = apply(Function::Pow, {xd, yd});
  double worst = 0, worst_double = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    worst = std::max(worst, ulps(p.as_double(i), double(powl(x.as_double(i), y.as_double(i)))));
    EXPECT_EQ(r.as_double(i), double(std::fmod(float(x.as_double(i)), float(y.as_double(i)))));
  }
  for (int64_t i = 0; i < xd.count(); ++i) {
    long double want = powl(xd.as_double(i), yd.as_double(i));
    worst_double = std::max(worst_double, double(fabsl(pd.as_double(i) - want) / want));
  }
  EXPECT_LE(worst, 1.0);
  EXPECT_LE(worst_double, 1e-14);
}

// Infinities, zeros, NaN and integers of both signs, for every function, against libm.
TEST(Math, SpecialValues) {
  const double special[] = {0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, INFINITY, -INFINITY, NAN, 3, -3, 1000, -1000, 1e-40};
  struct Unary {
    Function function;
    double (*f)(double);
  };
  const Unary unary[] = {{Function::Exp, std::exp},     {Function::Expm1, std::expm1}, {Function::Log, std::log},
                         {Function::Log1p, std::log1p}, {Function::Tanh, std::tanh},   {Function::Erf, std::erf},
                         {Function::Asin, std::asin},   {Function::Acos, std::acos},   {Function::Atan, std::atan},
                         {Function::Sinh, std::sinh},   {Function::Cosh, std::cosh},   {Function::Asinh, std::asinh},
                         {Function::Acosh, std::acosh}, {Function::Atanh, std::atanh}, {Function::Sin, std::sin},
                         {Function::Cos, std::cos},     {Function::Tan, std::tan}};
  for (DType dtype : {DType::F32, DType::F64}) {
    Tensor x(dtype, {int64_t(std::size(special))});
    for (int64_t i = 0; i < x.count(); ++i) x.set_double(i, special[i]);
    for (const Unary& u : unary) {
      Tensor y = apply(u.function, {x});
      for (int64_t i = 0; i < x.count(); ++i) {
        Tensor want(dtype, {1});
        want.set_double(0, u.f(x.as_double(i)));
        double w = want.as_double(0), g = y.as_double(i);
        bool same = (std::isnan(w) && std::isnan(g)) || w == g ||
                    std::fabs(g - w) <= (dtype == DType::F32 ? 3e-7 : 1e-14) * std::max(1e-30, std::fabs(w));
        EXPECT_TRUE(same) << expr::function_name(u.function) << "(" << x.as_double(i) << ") = " << g << ", not " << w;
        EXPECT_TRUE(w != 0 || g != 0 || std::signbit(w) == std::signbit(g)) << expr::function_name(u.function);
      }
    }
    std::vector<double> xs, ys;
    for (double a : special) {
      for (double b : special) xs.push_back(a), ys.push_back(b);
    }
    Tensor a(dtype, {int64_t(xs.size())}), b(dtype, {int64_t(xs.size())});
    for (int64_t i = 0; i < a.count(); ++i) a.set_double(i, xs[size_t(i)]), b.set_double(i, ys[size_t(i)]);
    for (Function f : {Function::Pow, Function::Fmod}) {
      Tensor y = apply(f, {a, b});
      for (int64_t i = 0; i < a.count(); ++i) {
        Tensor want(dtype, {1});
        double p = a.as_double(i), q = b.as_double(i);
        want.set_double(0, f == Function::Pow ? std::pow(p, q) : std::fmod(p, q));
        double w = want.as_double(0), g = y.as_double(i);
        bool same = (std::isnan(w) && std::isnan(g)) || w == g || std::fabs(g - w) <= 1e-6 * std::fabs(w);
        EXPECT_TRUE(same) << expr::function_name(f) << "(" << p << ", " << q << ") = " << g << ", not " << w;
      }
    }
  }
}

}  // namespace
}  // namespace sardonyx::testing
