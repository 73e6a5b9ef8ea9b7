// Each schedule primitive on its own: what it makes, that the result computes the same, and what it refuses.
#include "compiler/tensor/schedule/schedule.h"

#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::BufferPtr;
using expr::Expr;
using expr::VarPtr;
using tensor::Index;
using tensor::Nest;
using tensor::ProgramBuilder;
using tensor::Reduce;
using tensor::Scheduled;
using tensor::Stmt;
using tensor::StmtKind;
using tensor::Tail;
using tensor::Term;

Program product() {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {10, 6}), y = b.input("y", DType::F32, {6, 9}),
       bias = b.input("bias", DType::F32, {9});
  Term c = b.reduce("c", Reduce::Sum, DType::F32, {10, 9}, {6}, [=](const Index& o, const Index& r) {
    return x.at({o[0], r[0]}) * y.at({r[0], o[1]});
  });
  b.output({DType::F32, {10, 9}, [=](const Index& i) { return c.at(i) + bias.at({i[1]}); }});
  return b.finish();
}

std::vector<VarPtr> loops_of(const Stmt& stmt) {
  std::vector<VarPtr> loops;
  tensor::visit(stmt, [&](const Stmt& s) {
    if (s->kind == StmtKind::For) loops.push_back(s->var);
    return true;
  });
  return loops;
}

const Nest& made(const Scheduled& scheduled) {
  static const Nest none;
  if (auto* refusal = std::get_if<tensor::ScheduleRefusal>(&scheduled)) {
    ADD_FAILURE() << "refused: " << refusal->reason;
    return none;
  }
  return std::get<tensor::Rewrite>(scheduled).nest;
}

const std::vector<VarPtr>& new_loops(const Scheduled& scheduled) { return std::get<tensor::Rewrite>(scheduled).loops; }

bool refused(const Scheduled& scheduled) { return std::holds_alternative<tensor::ScheduleRefusal>(scheduled); }

void expect_same(const Program& program, const Nest& nest) {
  auto kernels = tensor::launches(nest, "test");
  auto compiled = cpu::compile_kernels(kernels, cpu::host_target(), Settings{});
  auto inputs = random_inputs(program, {}, 1);
  std::unordered_map<const expr::Buffer*, Tensor> memory;
  for (size_t i = 0; i < inputs.size(); ++i) memory[program.inputs[i].get()] = inputs[i];
  for (const auto& list : {nest.temporaries, nest.outputs}) {
    for (const BufferPtr& b : list) memory[b.get()] = Tensor(b->dtype, evaluate_dims(b->dims, {}));
  }
  for (size_t k = 0; k < kernels.size(); ++k) {
    auto invocation = compiled[k]->prepare({});
    std::vector<void*> buffers;
    for (const BufferPtr& b : kernels[k].buffers) buffers.push_back(memory.at(b.get()).raw());
    auto scratch = allocate_bytes(size_t(invocation->scratch_bytes) + 64);
    ASSERT_EQ(runtime::on_host(*invocation).run(buffers.data(), nullptr, scratch.get(), 0, invocation->grid), 0);
  }
  auto want = tensor::interpret(program, inputs, {});
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(close(memory.at(program.outputs[i].get()), want[i], 1e-5, 1e-5))
        << tensor::to_string(nest.nests.back());
  }
}

class Schedule : public ::testing::Test {
 protected:
  Program program = product();
  Nest nest = tensor::realize(program);  // init, update, epilogue
  std::vector<VarPtr> update = loops_of(nest.nests[1]), epilogue = loops_of(nest.nests[2]);
  BufferPtr c = nest.temporaries[0], out = nest.outputs[0];
};

TEST_F(Schedule, RealizeGivesOnePerfectNestPerStage) {
  ASSERT_EQ(nest.nests.size(), 3u);
  EXPECT_EQ(update.size(), 3u);
  EXPECT_EQ(epilogue.size(), 2u);
  expect_same(program, nest);
}

TEST_F(Schedule, SplitGuardsOrPeelsTheRest) {
  for (Tail tail : {Tail::Guard, Tail::Peel}) {
    Scheduled s = tensor::split(nest, epilogue[1], 4, tail);
    ASSERT_EQ(new_loops(s).size(), 2u);
    bool guarded = tensor::to_string(made(s).nests[2]).find("if") != std::string::npos;
    EXPECT_TRUE(guarded);
    expect_same(program, made(s));
  }
  Scheduled even = tensor::split(nest, epilogue[0], 5, Tail::Guard);
  EXPECT_EQ(tensor::to_string(made(even).nests[2]).find("if"), std::string::npos);
  EXPECT_TRUE(refused(tensor::split(nest, expr::make_var("other"), 4, Tail::Guard)));
}

TEST_F(Schedule, FuseNeedsDirectNesting) {
  expect_same(program, made(tensor::fuse(nest, epilogue[0], epilogue[1])));
  EXPECT_TRUE(refused(tensor::fuse(nest, update[0], update[2])));
}

TEST_F(Schedule, ReorderPermutesButKeepsRecurrences) {
  Scheduled s = tensor::reorder(nest, {update[2], update[0], update[1]});
  EXPECT_EQ(loops_of(made(s).nests[1])[0], update[2]);
  expect_same(program, made(s));
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {4, 5});
  b.output(b.scan("sum", DType::F32, {4, 5}, 1, [=](const Index& i, const Term& self) {
    return expr::select(i[1] == Expr(0), x.at(i), self.at({i[0], i[1] - Expr(1)}) + x.at(i));
  }));
  Program scan = b.finish();
  Nest scanned = tensor::realize(scan);
  auto loops = loops_of(scanned.nests[0]);
  EXPECT_TRUE(refused(tensor::reorder(scanned, {loops[1], loops[0]})));
  EXPECT_TRUE(refused(tensor::vectorize(scanned, loops[1])));
  EXPECT_FALSE(refused(tensor::bind(scanned, loops[0])));
}

TEST_F(Schedule, BindTakesOutermostIndependentLoops) {
  Scheduled s = tensor::bind(nest, epilogue[0]);
  EXPECT_EQ(tensor::launches(made(s), "t")[2].grid.size(), 1u);
  expect_same(program, made(s));
  EXPECT_TRUE(refused(tensor::bind(nest, epilogue[1])));  // not outermost
  Scheduled k_first = tensor::reorder(nest, {update[2], update[0], update[1]});
  EXPECT_TRUE(refused(tensor::bind(made(k_first), update[2])));  // a reduction
}

TEST_F(Schedule, VectorizeRefusesReductionsAndLongLoops) {
  expect_same(program, made(tensor::vectorize(nest, epilogue[1])));
  expect_same(program, made(tensor::vectorize(nest, update[1])));
  EXPECT_TRUE(refused(tensor::vectorize(nest, update[2])));
  Scheduled once = tensor::vectorize(nest, epilogue[1]);
  EXPECT_TRUE(refused(tensor::vectorize(made(once), epilogue[0])));  // vectors do not nest
}

TEST_F(Schedule, UnrollCopiesConstantLoops) { expect_same(program, made(tensor::unroll(nest, update[2]))); }

TEST_F(Schedule, InlineTakesPointwiseTemporariesOnly) {
  EXPECT_TRUE(refused(tensor::inline_buffer(nest, c)));    // a reduction
  EXPECT_TRUE(refused(tensor::inline_buffer(nest, out)));  // an output
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {7});
  Term s = b.stage("s", DType::F32, {7}, [=](const Index& i) { return x.at(i) + x.at(i); });
  b.output({DType::F32, {7}, [=](const Index& i) { return s.at(i) * s.at(i); }});
  Program p = b.finish();
  Nest n = tensor::realize(p);
  ASSERT_EQ(n.temporaries.size(), 1u);
  Scheduled inlined = tensor::inline_buffer(n, n.temporaries[0]);
  EXPECT_EQ(made(inlined).nests.size(), 1u);
  expect_same(p, made(inlined));
}

TEST_F(Schedule, ComputeAtMovesTheReductionIntoTheTile) {
  Scheduled tiles = tensor::split(nest, epilogue[0], 4, Tail::Guard);
  Scheduled s = tensor::compute_at(made(tiles), c, new_loops(tiles)[0]);
  EXPECT_EQ(made(s).nests.size(), 1u);
  EXPECT_TRUE(made(s).temporaries.empty());
  expect_same(program, made(s));
  EXPECT_TRUE(refused(tensor::compute_at(nest, out, epilogue[0])));
}

TEST_F(Schedule, CachesKeepLocalCopies) {
  expect_same(program, made(tensor::cache_read(nest, program.inputs[1], update[0])));
  expect_same(program, made(tensor::cache_write(nest, c, update[0])));
  EXPECT_TRUE(refused(tensor::cache_read(nest, c, update[0])));     // stored there
  EXPECT_TRUE(refused(tensor::cache_write(nest, out, update[0])));  // not stored there
}

TEST_F(Schedule, RfactorMakesAReductionIndependent) {
  Scheduled s = tensor::rfactor(nest, update[2]);
  expect_same(program, made(s));
  EXPECT_FALSE(refused(tensor::vectorize(made(s), update[2])));
  EXPECT_TRUE(refused(tensor::rfactor(nest, update[0])));
}

TEST_F(Schedule, VerifierRejectsWhatIsNotWellFormed) {
  VarPtr i = expr::make_var("i");
  Stmt unbound = tensor::make_store(out, {Expr(i), Expr(0)}, expr::imm(0, DType::F32));
  EXPECT_THROW(tensor::verify(unbound, {}), Error);
  Stmt wrong_type = tensor::make_store(out, {Expr(0), Expr(0)}, expr::imm(0, DType::F64));
  EXPECT_THROW(tensor::verify(wrong_type, {}), Error);
  Stmt symbolic = tensor::make_for(tensor::ForKind::Vector, expr::make_var("v"), Expr(i), tensor::make_block({}));
  EXPECT_THROW(tensor::verify(symbolic, {i}), Error);
  Stmt twice = tensor::make_for(tensor::ForKind::Serial, i, 2,
                                tensor::make_for(tensor::ForKind::Serial, i, 2, tensor::make_block({})));
  EXPECT_THROW(tensor::verify(twice, {}), Error);
}

TEST_F(Schedule, VerifierAllowsSquaresOfRegistersToBeTransposed) {
  const auto transposed = [](std::vector<Expr> dims, expr::Buffer::Scope scope) {
    auto b = std::make_shared<expr::Buffer>();
    b->name = "square";
    b->dims = std::move(dims);
    b->scope = scope;
    return tensor::make_allocate(b, tensor::make_transpose(b));
  };
  using enum expr::Buffer::Scope;
  const Stmt good = transposed({8, 8}, Register);
  EXPECT_NO_THROW(tensor::verify(good, {}));
  EXPECT_EQ(tensor::to_string(good), "register f32 square[8, 8]\n  transpose square\n");
  const Stmt in_vector = tensor::make_for(tensor::ForKind::Vector, expr::make_var("v"), 4, good);
  for (const Stmt& bad : {transposed({8, 4}, Register), transposed({6, 6}, Register), transposed({64}, Register),
                          transposed({8, 8}, Scratch), in_vector, good->body[0]}) {
    EXPECT_THROW(tensor::verify(bad, {}), Error) << tensor::to_string(bad);
  }
}

TEST_F(Schedule, VerifierKeepsTheRulesOfLanes) {
  using tensor::ForKind;
  VarPtr l = expr::make_var("l"), m = expr::make_var("m"), t = expr::make_var("t");
  Expr zero = expr::imm(0, DType::F32);
  auto buffer = [](expr::Buffer::Scope scope, std::vector<Expr> dims) {
    auto b = std::make_shared<expr::Buffer>();
    b->name = "part";
    b->dims = std::move(dims);
    b->scope = scope;
    return b;
  };
  auto lanes = [](const VarPtr& var, Stmt body, int64_t extent = 4) {
    return tensor::make_for(ForKind::Lane, var, extent, std::move(body));
  };
  auto part = buffer(expr::Buffer::Scope::Register, {4, 2}), tile = buffer(expr::Buffer::Scope::Local, {4});
  auto with = [&](Stmt body) { return tensor::make_allocate(part, tensor::make_allocate(tile, std::move(body))); };
  Stmt fill = lanes(l, tensor::make_block({tensor::make_store(part, {Expr(l), Expr(0)}, zero),
                                           tensor::make_store(tile, {Expr(l)}, zero)}));
  Stmt use = lanes(m, tensor::make_store(part, {Expr(m), Expr(1)}, expr::load(tile, {Expr(3) - Expr(m)})));
  Stmt good = with(tensor::make_for(ForKind::Serial, t, 3, tensor::make_block({fill, use})));
  EXPECT_NO_THROW(tensor::verify(good, {}));
  EXPECT_EQ(tensor::to_string(good).substr(0, 26), "register f32 part[4, 2]\n  ");
  Stmt outside = with(tensor::make_block({fill, tensor::make_store(tile, {Expr(0)}, zero)}));
  Stmt across = with(lanes(l, tensor::make_store(part, {Expr(3) - Expr(l), Expr(0)}, zero)));
  Stmt nested = with(lanes(m, fill));
  Stmt in_vector = with(tensor::make_for(ForKind::Vector, t, 4, fill));
  Stmt other_extent = with(tensor::make_block({fill, lanes(m, tensor::make_store(tile, {Expr(m)}, zero), 2)}));
  for (const Stmt& bad : {outside, across, nested, in_vector, other_extent}) {
    EXPECT_THROW(tensor::verify(bad, {}), Error) << tensor::to_string(bad);
  }
}

}  // namespace
}  // namespace sardonyx::testing
