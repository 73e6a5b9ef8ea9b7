// OpenCL code of every family on a real device against the interpreter, and what the text itself promises.
#include "backends/opencl/codegen.h"
#include "backends/opencl/split_vectors.h"
#include "compiler/expr/scalar.h"
#include "compiler/tensor/schedule/schedule.h"
#include "tests/backends/opencl_runner.h"
#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

using expr::Kind;

const DType all_dtypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8,  DType::U8,  DType::I16,
                            DType::U16, DType::I32, DType::U32, DType::I64,  DType::U64, DType::Bool};

Problem map_of(const std::vector<DType>& inputs, DType result, std::vector<Expr> dims,
               const std::function<Expr(const std::vector<Expr>&)>& body) {
  ProgramBuilder b;
  std::vector<Term> terms;
  for (size_t i = 0; i < inputs.size(); ++i) terms.push_back(b.input(str("x", i), inputs[i], dims));
  b.output({result, dims, [=](const Index& i) {
              std::vector<Expr> args;
              for (const Term& t : terms) args.push_back(t.at(i));
              return body(args);
            }});
  return {b.finish(), {}};
}

// ---- element-wise ----

TEST(OpenClCode, EveryDtypeComputesAndSelects) {
  for (DType dtype : all_dtypes) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    ProgramBuilder b;
    Term x = b.input("x", dtype, {3, 37}), y = b.input("y", dtype, {3, 37}), c = b.input("c", DType::Bool, {37});
    b.output({dtype, {3, 37}, [=](const Index& i) {
                Expr sum = dtype == DType::Bool ? x.at(i) || y.at(i) : x.at(i) * y.at(i) + x.at(i) - y.at(i);
                return expr::select(c.at({i[1]}), sum, expr::min(x.at(i), y.at(i)));
              }});
    b.output({DType::Bool, {3, 37}, [=](const Index& i) { return x.at(i) < y.at(i) && !(x.at(i) == y.at(i)); }});
    b.output({DType::Bool, {3, 37}, [=](const Index& i) { return x.at(i) <= y.at(i) || c.at({i[1]}); }});
    double eps = dtype == DType::F16 ? 2e-3 : dtype == DType::BF16 ? 2e-2 : 1e-6;
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, eps, eps));
  }
}

TEST(OpenClCode, CastsBetweenAllTypes) {
  for (DType from : all_dtypes) {
    SCOPED_TRACE(std::string(dtype_name(from)));
    ProgramBuilder b;
    Term x = b.input("x", from, {21});
    for (DType to : all_dtypes) {
      if (to != from) b.output({to, {21}, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    }
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, 0, 0, {{}}, 70000));
  }
}

TEST(OpenClCode, NumbersBecomeByteTypesAsInTheInterpreter) {
  const Tensor numbers = boundary_numbers(DType::F32);
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {numbers.count()});
  for (DType to : byte_dtypes) b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
  EXPECT_TRUE(expect_on_device({b.finish(), {}}, 0, 0, {{}}, [&](const auto&) { return std::vector{numbers}; }));
}

TEST(OpenClCode, EveryCodeOfByteTypesConvertsAndMoves) {
  for (DType from : byte_dtypes) {
    SCOPED_TRACE(std::string(dtype_name(from)));
    const Tensor codes = all_codes(from);
    ProgramBuilder b;
    Term x = b.input("x", from, {codes.count()});
    for (DType to : {DType::F32, DType::I32, DType::Bool})
      b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    const Expr one = expr::imm(1, from), last = codes.count() - 1;
    b.output({from, x.dims, [=](const Index& i) { return expr::select(i[0] < Expr(3), one, x.at({last - i[0]})); }});
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, 0, 0, {{}}, [&](const auto&) { return std::vector{codes}; }));
  }
}

TEST(OpenClCode, FloatsSaturateAndNanIsZeroAsInteger) {
  std::vector<float> values{NAN,    INFINITY, -INFINITY, 3e9f, -3e9f, 1e19f, -1e19f,
                            255.9f, -0.9f,    128,       -129, 65536, 2e9f};
  for (const tensor::Target& target : device_targets()) {
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {13});
    for (DType to : all_dtypes) {
      if (is_integer(to)) b.output({to, {13}, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    }
    Problem problem{b.finish(), {}};
    std::vector<Tensor> inputs{Tensor::of<float>(DType::F32, {13}, values)};
    auto want = tensor::interpret(problem.program, inputs, {});
    const sketch::Family& family = sketch::families(target).front();
    auto lowered = family.lower(problem, family.propose(problem, target, nullptr).at(0).point, target);
    DeviceResult got = DeviceRunner(problem, std::get<Lowered>(lowered), target).run(inputs, {});
    ASSERT_EQ(got.outputs.size(), want.size()) << got.completion.text;
    for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(close(got.outputs[i], want[i], 0, 0)) << i;
  }
}

TEST(OpenClCode, IntegersDivideShiftAndWrap) {
  for (DType dtype : {DType::I8, DType::U8, DType::I16, DType::U16, DType::I32, DType::U32, DType::I64, DType::U64}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    ProgramBuilder b;
    Term x = b.input("x", dtype, {45}), y = b.input("y", dtype, {45});
    Expr big = expr::int_imm(expr::wrap(int64_t{0x7135791f3579135f}, dtype), dtype);
    auto divisor = [=](const Index& i) {
      return expr::select(y.at(i) == expr::imm(0, dtype), expr::imm(1, dtype), y.at(i));
    };
    for (auto kind : {Kind::Div, Kind::Mod, Kind::TruncDiv, Kind::TruncRem}) {
      b.output({dtype, {45}, [=](const Index& i) { return expr::make(kind, x.at(i) * big, divisor(i)); }});
      b.output({dtype, {45}, [=](const Index& i) { return expr::make(kind, x.at(i), expr::imm(4, dtype)); }});
      b.output({dtype, {45}, [=](const Index& i) { return expr::make(kind, x.at(i), expr::imm(7, dtype)); }});
    }
    for (auto f : {Function::BitAnd, Function::BitOr, Function::BitXor, Function::ShiftLeft, Function::ShiftRight}) {
      b.output({dtype, {45}, [=](const Index& i) { return expr::call(f, {x.at(i), y.at(i)}); }});
    }
    for (auto f : {Function::BitNot, Function::Abs}) {
      b.output({dtype, {45}, [=](const Index& i) { return expr::call(f, {x.at(i)}); }});
    }
    b.output({dtype, {45}, [=](const Index& i) { return expr::max(x.at(i) * big + big, y.at(i)) - big; }});
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, 0, 0));
  }
}

TEST(OpenClCode, EveryFloatFunction) {
  for (DType dtype : {DType::F32, DType::F64}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    ProgramBuilder b;
    Term x = b.input("x", dtype, {29}), y = b.input("y", dtype, {29}), z = b.input("z", dtype, {29});
    for (int f = 0; f < int(Function::BitAnd); ++f) {
      Function function = Function(f);
      bool predicate = function == Function::IsNan || function == Function::IsInf;
      b.output({predicate ? DType::Bool : dtype, {29}, [=](const Index& i) {
                  std::vector<Expr> args{x.at(i), y.at(i), z.at(i)};
                  args.resize(size_t(expr::function_arity(function)));
                  return expr::call(function, args);
                }});
    }
    double eps = dtype == DType::F32 ? 2e-6 : 1e-13;
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, eps, eps));
  }
}

TEST(OpenClCode, NanWinsMinAndMax) {
  for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::BF16}) {
    for (const tensor::Target& target : device_targets()) {
      Problem problem = map_of({dtype, dtype}, dtype, {9}, [=](const std::vector<Expr>& v) {
        return expr::max(v[0], v[1]) + expr::min(v[0], expr::imm(1, dtype));
      });
      Tensor a(dtype, {9}), c(dtype, {9});
      for (int64_t i = 0; i < 9; ++i) {
        a.set_double(i, i % 3 == 0 ? NAN : double(i));
        c.set_double(i, i % 3 == 1 ? NAN : 5);
      }
      auto want = tensor::interpret(problem.program, std::vector<Tensor>{a, c}, {});
      const sketch::Family& family = sketch::families(target).front();
      auto lowered = family.lower(problem, family.propose(problem, target, nullptr).at(0).point, target);
      DeviceResult got = DeviceRunner(problem, std::get<Lowered>(lowered), target).run({a, c}, {});
      EXPECT_TRUE(close(got.outputs.at(0), want[0], 0, 0));
    }
  }
}

// ---- shapes ----

TEST(OpenClCode, OddZeroAndSymbolicSizes) {
  auto n = expr::make_var("N", {0, INT64_MAX, 1});
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {Expr(n), 10}), y = b.input("y", DType::U8, {Expr(n), Expr(n)});
  b.output({DType::F32, {10, Expr(n)}, [=](const Index& i) { return x.at({i[1], i[0]}) - expr::imm(1, DType::F32); }});
  b.output({DType::U8, {Expr(n), Expr(n)}, [=](const Index& i) { return y.at({i[1], i[0]}) + y.at(i); }});
  Problem problem{b.finish(), {}};
  problem.program.symbols = {n};
  EXPECT_TRUE(expect_on_device(problem, 0, 0, {{0}, {1}, {5}, {16}, {37}}));
}

TEST(OpenClCode, LargeMapsAreShared) {
  Problem problem = map_of({DType::F32, DType::I8}, DType::F32, {100003},
                           [](const std::vector<Expr>& v) { return v[0] * v[0] + expr::cast(v[1], DType::F32); });
  EXPECT_TRUE(expect_on_device(problem, 1e-6, 1e-6));
}

TEST(OpenClCode, ConcatReadsOnlyWhatIsThere) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F16, {3, 4}), y = b.input("y", DType::F16, {3, 29});
  b.output({DType::F16, {3, 33}, [=](const Index& i) {
              return expr::select(i[1] < Expr(4), x.at(i), y.at({i[0], i[1] - Expr(4)}));
            }});
  EXPECT_TRUE(expect_on_device({b.finish(), {}}, 0, 0));
}

TEST(OpenClCode, ReportsBadIndicesAndZeroDivisors) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {6, 20}), index = b.input("index", DType::I64, {5}),
       divisor = b.input("divisor", DType::I32, {5});
  b.output({DType::F32, {5, 20}, [=](const Index& i) { return x.at({index.at({i[0]}), i[1]}); }});
  b.output({DType::I32, {5, 20}, [=](const Index& i) {
              return expr::make(Kind::TruncDiv, expr::imm(7, DType::I32), divisor.at({i[0]}));
            }});
  Problem problem{b.finish(), {}};
  std::mt19937 random(1);
  Tensor data = random_tensor(DType::F32, {6, 20}, random);
  auto ints = [](DType dtype, std::vector<int64_t> values) {
    Tensor t(dtype, {int64_t(values.size())});
    for (size_t i = 0; i < values.size(); ++i) t.set_int(int64_t(i), values[i]);
    return t;
  };
  Tensor good = ints(DType::I64, {0, 5, 3, 3, 1}), ones = ints(DType::I32, {1, -1, 2, 3, 4});
  for (const tensor::Target& target : device_targets()) {
    for (const sketch::Family& family : sketch::families(target)) {
      auto proposals = family.propose(problem, target, nullptr);
      if (proposals.empty()) continue;
      SCOPED_TRACE(family.name);
      auto lowered = family.lower(problem, proposals[0].point, target);
      DeviceRunner runner(problem, std::get<Lowered>(lowered), target);
      auto completion = [&](const Tensor& indices, const Tensor& divisors) {
        return runner.run({data, indices, divisors}, {}).completion;
      };
      EXPECT_DONE(completion(good, ones));
      for (int64_t bad : {int64_t{6}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
        Completion failed = completion(ints(DType::I64, {0, 5, bad, 3, 1}), ones);
        EXPECT_EQ(failed.status, runtime::kernel_error_status(runtime::IndexOutOfRange));
        EXPECT_NE(failed.text.find(runtime::kernel_error_text(runtime::IndexOutOfRange)), std::string::npos);
      }
      Completion failed = completion(good, ints(DType::I32, {1, 2, 0, 1, 1}));
      EXPECT_NE(failed.text.find(runtime::kernel_error_text(runtime::DivisionByZero)), std::string::npos);
      EXPECT_DONE(completion(good, ones));
    }
  }
}

// ---- reductions and contractions ----

TEST(OpenClCode, RowReductions) {
  EXPECT_TRUE(expect_on_device(softmax({3, 37, 50}, 2), 1e-5, 1e-6));
  EXPECT_TRUE(expect_on_device(softmax({3, 37, 5}, 1), 1e-5, 1e-6));
  EXPECT_TRUE(expect_on_device(layer_norm(), 1e-4, 1e-5));
}

TEST(OpenClCode, ReductionsOfEveryKindAndDtype) {
  for (DType dtype : {DType::F32, DType::F16, DType::I8, DType::U16, DType::I64, DType::Bool}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    ProgramBuilder b;
    Term x = b.input("x", dtype, {5, 67});
    for (Reduce kind : {Reduce::Sum, Reduce::Product, Reduce::Max, Reduce::Min}) {
      if (dtype == DType::Bool && (kind == Reduce::Sum || kind == Reduce::Product)) continue;
      b.output(b.reduce(str("r", int(kind)), kind, dtype, {5}, {67}, [=](const Index& o, const Index& k) {
        return x.at({o[0], k[0]});
      }));
    }
    EXPECT_TRUE(expect_on_device({b.finish(), {}}, dtype == DType::F16 ? 2e-2 : 1e-4, 1e-3, {{}}, 1.1));
  }
}

TEST(OpenClCode, TheGeneralFamilyRunsAnything) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {6, 30, 4});
  b.output(b.scan("sums", DType::F32, {6, 30, 4}, 1, [=](const Index& i, const Term& self) {
    return expr::select(i[1] == Expr(0), x.at(i), self.at({i[0], i[1] - Expr(1), i[2]}) + x.at(i));
  }));
  EXPECT_TRUE(expect_on_device({b.finish(), {}}, 1e-5, 1e-5, {{}}, 2, "loops"));
  EXPECT_TRUE(expect_on_device(layer_norm(), 1e-4, 1e-5, {{}}, 2, "loops"));
}

TEST(OpenClCode, Products) {
  EXPECT_TRUE(expect_on_device(matmul_problem({{}, 33, 45, 70}, false, true, 2), 1e-5, 2e-5, {{}}, 1));
  EXPECT_TRUE(expect_on_device(matmul_problem({{3}, 7, 19, 21, true, true}, true, false, 1), 1e-5, 2e-5, {{}}, 1));
  EXPECT_TRUE(
      expect_on_device(matmul_problem({{}, 9, 17, 30, false, false, DType::F16}, false, true, 0), 5e-3, 5e-3, {{}}, 1));
  auto m = expr::make_var("M", {1, 4096, 1});
  Problem symbolic = matmul_problem({{}, Expr(m), 40, 24}, false, true, 1);
  symbolic.program.symbols = {m};
  EXPECT_TRUE(expect_on_device(symbolic, 1e-5, 2e-5, {{1}, {5}, {64}}, 1));
}

TEST(OpenClCode, ConvolutionsAndPools) {
  EXPECT_TRUE(expect_on_device(conv_problem({.ic = 5, .h = 11, .w = 13, .oc = 7}), 1e-5, 2e-5, {{}}, 1));
  EXPECT_TRUE(expect_on_device(conv_problem({.ic = 32, .oc = 32, .stride = 2, .blocked_in = true, .blocked_out = true}),
                               1e-5, 5e-5, {{}}, 1));
  EXPECT_TRUE(expect_on_device(conv_problem({.ic = 16, .oc = 16, .groups = 16}), 1e-5, 2e-5, {{}}, 1));
  EXPECT_TRUE(expect_on_device(pool_problem(Reduce::Max, false, 5, 12, 12, 3, 2, 1), 1e-6, 1e-6));
}

// ---- vectors that OpenCL does not have ----

TEST(OpenClCode, OtherNumbersOfLanesAreSplit) {
  for (int64_t lanes : {2, 3, 6, 21, 32}) {
    SCOPED_TRACE(lanes);
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {100}), c = b.input("c", DType::Bool, {100});
    b.output({DType::F32, {100}, [=](const Index& i) {
                Expr far = Expr(99) - i[0];
                return expr::select(c.at(i), x.at({far}) * x.at(i), expr::cast(i[0], DType::F32));
              }});
    Problem problem{b.finish(), {}};
    tensor::Nest nest = tensor::realize(problem.program);
    auto parts = tensor::split(nest, nest.nests[0]->var, lanes, tensor::Tail::Guard);
    const auto& split = std::get<tensor::Rewrite>(parts);
    auto vectors = std::get<tensor::Rewrite>(tensor::vectorize(split.nest, split.loops[1]));
    Lowered lowered{tensor::launches(vectors.nest, "lanes"), {}, {}};
    tensor::visit_exprs(opencl::split_vectors(lowered.launches[0].body), [](const Expr& root) {
      expr::visit(root, [](const Expr& e) {
        EXPECT_TRUE(e->type.lanes <= 16 && (e->type.lanes & (e->type.lanes - 1)) == 0) << e->type.lanes;
        return true;
      });
    });
    auto inputs = random_inputs(problem.program, {}, 3);
    auto want = tensor::interpret(problem.program, inputs, {});
    DeviceResult got = DeviceRunner(problem, lowered, opencl_device().target).run(inputs, {});
    ASSERT_EQ(got.outputs.size(), 1u) << got.completion.text;
    EXPECT_TRUE(close(got.outputs[0], want[0], 0, 0));
  }
}

// ---- what the text promises ----

std::vector<tensor::LoweredKernel> kernels_of(const Problem& problem, const tensor::Target& target) {
  const sketch::Family& family = sketch::families(target).front();
  return std::get<Lowered>(family.lower(problem, family.propose(problem, target, nullptr).at(0).point, target))
      .launches;
}

TEST(OpenClCode, RefusesWhatTheDeviceLacks) {
  tensor::Target target;
  target.kind = tensor::TargetKind::OpenClCpu;
  target.max_group = 64;
  target.local_bytes = 1024;
  auto one = [](const std::vector<Expr>& v) { return v[0]; };
  auto doubles = kernels_of(map_of({DType::F64}, DType::F64, {5}, one), target);
  auto singles = kernels_of(map_of({DType::F32}, DType::F32, {5}, one), target);
  auto sines = kernels_of(map_of({DType::F32}, DType::F32, {5},
                                 [](const std::vector<Expr>& v) { return expr::call(Function::Sin, {v[0]}); }),
                          target);
  EXPECT_FALSE(opencl::refusal(singles[0], target));
  EXPECT_NE(opencl::refusal(doubles[0], target).value().find("cl_khr_fp64"), std::string::npos);
  EXPECT_NE(opencl::refusal(sines[0], target).value().find("cl_khr_fp64"), std::string::npos);
  EXPECT_THROW(opencl::compile_kernels(doubles, target, Settings{}), Error);
  tensor::LoweredKernel wide = singles[0];
  wide.lanes = 128;
  EXPECT_NE(opencl::refusal(wide, target).value().find("128"), std::string::npos);
  tensor::LoweredKernel many = singles[0];
  while (many.buffers.size() < 64) many.buffers.insert(many.buffers.begin(), many.buffers[0]);
  EXPECT_NE(opencl::refusal(many, target).value().find("64 operands"), std::string::npos);
  auto tile = std::make_shared<expr::Buffer>(
      expr::Buffer{.name = "tile", .dims = {Expr(257)}, .scope = expr::Buffer::Scope::Local});
  tensor::LoweredKernel local = singles[0];
  local.body = tensor::make_allocate(tile, local.body);
  EXPECT_NE(opencl::refusal(local, target).value().find("1028"), std::string::npos);
}

TEST(OpenClCode, NamesOfTheModelStayOut) {
  ProgramBuilder b;
  Term x = b.input("int main(", DType::F32, {8, 9});
  b.output(b.reduce("*/", Reduce::Sum, DType::F32, {8}, {9}, [=](const Index& o, const Index& k) {
    return x.at({o[0], k[0]});
  }));
  const tensor::Target& target = opencl_device().target;
  auto lowered = sketch::family_of("loops")->lower({b.finish(), {}}, {}, target);
  for (const tensor::LoweredKernel& kernel : std::get<Lowered>(lowered).launches) {
    opencl::ProgramText program(target);
    opencl::Signature signature = program.add(kernel, "k0");
    opencl::Source source = program.finish();
    EXPECT_EQ(source.text.find("main"), std::string::npos);
    EXPECT_EQ(source.text.find("*/"), std::string::npos);
    EXPECT_EQ(signature.outputs, 1);
    EXPECT_FALSE(signature.status);
  }
}

TEST(OpenClCode, KernelsShareProgramsAndMustBeLoaded) {
  const tensor::Target& target = opencl_device().target;
  std::vector<tensor::LoweredKernel> list;
  for (int i = 0; i < 30; ++i) {
    list.push_back(
        kernels_of(map_of({DType::F32}, DType::F32, {5 + i}, [](auto& v) { return v[0] * v[0]; }), target)[0]);
  }
  auto compiled = opencl::compile_kernels(list, target, Settings{});
  ASSERT_EQ(compiled.size(), 30u);
  std::set<const opencl::Source*> sources;
  for (const KernelPtr& kernel : compiled) {
    sources.insert(static_cast<const opencl::Kernel&>(*kernel).source().get());
    EXPECT_THROW(kernel->prepare({}), Error);
  }
  EXPECT_GE(sources.size(), 2u);
  EXPECT_LE(sources.size(), 5u);
  EXPECT_TRUE(opencl::compile_kernels({}, target, Settings{}).empty());
}

}  // namespace
}  // namespace sardonyx::testing
