// Random sequences of schedule primitives on random small programs compute what the interpreter computes.
#include <algorithm>

#include "compiler/tensor/schedule/schedule.h"
#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::BufferPtr;
using expr::Expr;
using tensor::Index;
using tensor::Nest;
using tensor::ProgramBuilder;
using tensor::Reduce;
using tensor::Scheduled;
using tensor::Stmt;
using tensor::StmtKind;
using tensor::Term;

constexpr int schedules = 2000, batch = 50;

class RandomCase {
 public:
  explicit RandomCase(unsigned seed) : random_(seed) {}

  int64_t pick(int64_t low, int64_t high) { return low + int64_t(random_() % uint64_t(high - low + 1)); }

  Program program() {
    ProgramBuilder b;
    int64_t m = pick(1, 20), n = pick(1, 20), k = pick(1, 12);
    auto f32 = DType::F32;
    switch (pick(0, 4)) {
      case 0: {  // product with an epilogue
        Term x = b.input("x", f32, {m, k}), y = b.input("y", f32, {k, n}), bias = b.input("bias", f32, {n});
        Term c = b.reduce("c", Reduce::Sum, f32, {m, n}, {k}, [=](const Index& o, const Index& r) {
          return x.at({o[0], r[0]}) * y.at({r[0], o[1]});
        });
        b.output(
            {f32, {m, n}, [=](const Index& i) { return expr::max(c.at(i) + bias.at({i[1]}), expr::imm(0, f32)); }});
        break;
      }
      case 1: {  // a chain of maps with a transposed read
        Term x = b.input("x", f32, {m, n}), y = b.input("y", f32, {n, m});
        Term s = b.stage("s", f32, {m, n}, [=](const Index& i) { return x.at(i) + y.at({i[1], i[0]}); });
        Term t = b.stage("t", f32, {m, n}, [=](const Index& i) { return s.at(i) * expr::imm(2, f32); });
        b.output({f32, {n, m}, [=](const Index& i) { return t.at({i[1], i[0]}) - y.at(i); }});
        break;
      }
      case 2: {  // a windowed sum with padding
        Term x = b.input("x", f32, {m, n});
        b.output(b.reduce("w", Reduce::Sum, f32, {m, n}, {3}, [=](const Index& o, const Index& r) {
          Expr at = o[1] + r[0] - Expr(1);
          return expr::select(Expr(0) <= at && at < Expr(n), x.at({o[0], at}), expr::imm(0, f32));
        }));
        break;
      }
      case 3: {  // rows minus their maximum
        Term x = b.input("x", f32, {m, n});
        Term top = b.reduce("top", Reduce::Max, f32, {m}, {n}, [=](const Index& o, const Index& r) {
          return x.at({o[0], r[0]});
        });
        b.output({f32, {m, n}, [=](const Index& i) { return x.at(i) - top.at({i[0]}); }});
        break;
      }
      default: {  // a stencil over a temporary
        Term x = b.input("x", f32, {m + 2, n});
        Term d = b.stage("d", f32, {m + 2, n}, [=](const Index& i) { return x.at(i) * x.at(i); });
        b.output({f32, {m, n}, [=](const Index& i) {
                    return d.at({i[0], i[1]}) + d.at({i[0] + Expr(1), i[1]}) + d.at({i[0] + Expr(2), i[1]});
                  }});
      }
    }
    return b.finish();
  }

  // One random primitive; the nest stays as it is when it refuses.
  void step(Nest& nest, std::string& trace, int& applied) {
    std::vector<expr::VarPtr> loops;
    std::vector<BufferPtr> buffers = nest.temporaries;
    buffers.insert(buffers.end(), nest.inputs.begin(), nest.inputs.end());
    buffers.insert(buffers.end(), nest.outputs.begin(), nest.outputs.end());
    for (const Stmt& s : nest.nests) {
      tensor::visit(s, [&](const Stmt& x) {
        if (x->kind == StmtKind::For) loops.push_back(x->var);
        return true;
      });
    }
    if (loops.empty()) return;
    auto loop = [&] { return loops[size_t(pick(0, int64_t(loops.size()) - 1))]; };
    auto buffer = [&] { return buffers[size_t(pick(0, int64_t(buffers.size()) - 1))]; };
    expr::VarPtr a = loop();
    size_t next = size_t(std::find(loops.begin(), loops.end(), a) - loops.begin()) + 1;
    expr::VarPtr b = next < loops.size() ? loops[next] : a;
    std::string name;
    Scheduled result = tensor::ScheduleRefusal{"none"};
    BufferPtr p = buffer();
    switch (pick(0, 11)) {
      case 0:
      case 1: {
        const int64_t factors[] = {2, 3, 4, 8, 16};
        int64_t factor = factors[pick(0, 4)];
        bool peel = pick(0, 1) != 0;
        name = "split " + a->name + " " + std::to_string(factor) + (peel ? " peel" : " guard");
        result = tensor::split(nest, a, factor, peel ? tensor::Tail::Peel : tensor::Tail::Guard);
        break;
      }
      case 2:
        name = "fuse " + a->name + " " + b->name;
        result = tensor::fuse(nest, a, b);
        break;
      case 3:
      case 4:
        name = "reorder " + b->name + " " + a->name;
        result = tensor::reorder(nest, {b, a});
        break;
      case 5:
        name = "bind " + a->name;
        result = tensor::bind(nest, a);
        break;
      case 6:
        name = "vectorize " + a->name;
        result = tensor::vectorize(nest, a);
        break;
      case 7:
        name = "unroll " + a->name;
        result = tensor::unroll(nest, a);
        break;
      case 8:
        name = "inline " + p->name;
        result = tensor::inline_buffer(nest, p);
        break;
      case 9:
        name = "compute_at " + p->name + " " + a->name;
        result = tensor::compute_at(nest, p, a);
        break;
      case 10:
        if (pick(0, 1)) {
          name = "cache_read " + p->name + " " + a->name;
          result = tensor::cache_read(nest, p, a);
        } else {
          name = "cache_write " + p->name + " " + a->name;
          result = tensor::cache_write(nest, p, a);
        }
        break;
      default:
        name = "rfactor " + a->name;
        result = tensor::rfactor(nest, a);
    }
    if (auto* rewrite = std::get_if<tensor::Rewrite>(&result)) {
      nest = rewrite->nest;
      trace += name + "\n";
      ++applied;
    }
  }

 private:
  std::mt19937_64 random_;
};

TEST(ScheduleProperty, RandomSchedulesEqualTheInterpreter) {
  int applied = 0;
  for (unsigned first = 0; first < schedules; first += batch) {
    struct Entry {
      unsigned seed;
      Program program;
      Nest nest;
      std::string trace;
      size_t first_kernel, count;
    };
    std::vector<Entry> entries;
    std::vector<tensor::LoweredKernel> kernels;
    for (unsigned seed = first; seed < first + batch; ++seed) {
      RandomCase random(seed);
      Entry e{seed, random.program(), {}, "", kernels.size(), 0};
      e.nest = tensor::realize(e.program);
      int64_t steps = random.pick(1, 12);
      for (int64_t i = 0; i < steps; ++i) random.step(e.nest, e.trace, applied);
      std::vector<tensor::LoweredKernel> launches;
      ASSERT_NO_THROW(launches = tensor::launches(e.nest, "random")) << "seed " << seed << "\n" << e.trace;
      e.count = launches.size();
      kernels.insert(kernels.end(), launches.begin(), launches.end());
      entries.push_back(std::move(e));
    }
    auto compiled = cpu::compile_kernels(kernels, cpu::host_target(), Settings{});
    for (const Entry& e : entries) {
      auto inputs = random_inputs(e.program, {}, e.seed, -1, 1);
      std::vector<Tensor> want = tensor::interpret(e.program, inputs, {});
      std::unordered_map<const expr::Buffer*, Tensor> memory;
      for (size_t i = 0; i < inputs.size(); ++i) memory[e.program.inputs[i].get()] = inputs[i];
      for (const auto& list : {e.nest.temporaries, e.nest.outputs}) {
        for (const BufferPtr& b : list) {
          Tensor t(b->dtype, evaluate_dims(b->dims, {}));
          std::memset(t.raw(), 0xa5, size_t(t.bytes()));
          memory[b.get()] = t;
        }
      }
      for (size_t k = e.first_kernel; k < e.first_kernel + e.count; ++k) {
        auto invocation = compiled[k]->prepare({});
        std::vector<void*> buffers;
        for (const BufferPtr& b : kernels[k].buffers) buffers.push_back(memory.at(b.get()).raw());
        auto scratch = allocate_bytes(size_t(invocation->scratch_bytes) + 64);
        ASSERT_EQ(runtime::on_host(*invocation).run(buffers.data(), nullptr, scratch.get(), 0, invocation->grid), 0);
      }
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_TRUE(close(memory.at(e.program.outputs[i].get()), want[i], 1e-5, 1e-5))
            << "seed " << e.seed << "\n"
            << e.trace << tensor::to_string(kernels[e.first_kernel + e.count - 1].body);
      }
    }
  }
  EXPECT_GT(applied, schedules);  // schedules are not trivially empty
  RecordProperty("applied_primitives", applied);
}

}  // namespace
}  // namespace sardonyx::testing
