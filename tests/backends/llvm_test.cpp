// Code generation end to end: memory protection, lifetimes, parallel batches, other targets, compile time.
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/backends/folder.h"
#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::Expr;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Term;

Problem scaled_sum(int64_t n, double factor) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {n}), y = b.input("y", DType::F32, {n});
  b.output({DType::F32, {n}, [=](const Index& i) { return x.at(i) * expr::imm(factor, DType::F32) + y.at(i); }});
  return {b.finish(), {}};
}

std::vector<tensor::LoweredKernel> kernels(int count) {
  std::vector<tensor::LoweredKernel> list;
  for (int i = 0; i < count; ++i) {
    auto lowered = sketch::family_of("pointwise")->lower(scaled_sum(100 + i, i), {}, cpu::host_target());
    list.push_back(std::get<Lowered>(lowered).launches[0]);
  }
  return list;
}

float run(const runtime::Kernel& kernel, int64_t n) {
  auto invocation = kernel.prepare({});
  std::vector<float> x(size_t(n), 2), y(size_t(n), 3), z(size_t(n), 0);
  void* buffers[] = {x.data(), y.data(), z.data()};
  EXPECT_EQ(runtime::on_host(*invocation).run(buffers, nullptr, nullptr, 0, invocation->grid), 0);
  return z.back();
}

TEST(Llvm, NoPageIsWritableAndExecutable) {
  // oneDNN's own code, which tests before this one may have made, lies in pages of both kinds.
  const auto count = [](const std::string& wanted) {
    std::ifstream maps("/proc/self/maps");
    int found = 0;
    for (std::string line; std::getline(maps, line);) found += line.substr(line.find(' ') + 1, 3) == wanted;
    return found;
  };
  const int both = count("rwx"), executable = count("r-x");
  auto compiled = cpu::compile_kernels(kernels(20), cpu::host_target(), Settings{});
  EXPECT_EQ(count("rwx"), both);
  EXPECT_GT(count("r-x"), executable);
  EXPECT_EQ(run(*compiled[7], 107), 7 * 2 + 3);
}

TEST(Llvm, KernelsOutliveEachOther) {
  std::shared_ptr<const runtime::Kernel> kept;
  {
    auto compiled = cpu::compile_kernels(kernels(9), cpu::host_target(), Settings{});
    kept = compiled[4];
  }
  EXPECT_EQ(run(*kept, 104), 4 * 2 + 3);
}

TEST(Llvm, ThreadsCompileAtOnce) {
  std::vector<std::thread> threads;
  std::vector<float> results(4);
  for (size_t t = 0; t < results.size(); ++t) {
    threads.emplace_back([&, t] {
      auto compiled = cpu::compile_kernels(kernels(5), cpu::host_target(), Settings{});
      results[t] = run(*compiled[3], 103);
    });
  }
  for (std::thread& t : threads) t.join();
  for (float r : results) EXPECT_EQ(r, 3 * 2 + 3);
}

TEST(Llvm, NothingToCompile) { EXPECT_TRUE(cpu::compile_kernels({}, cpu::host_target(), Settings{}).empty()); }

TEST(Llvm, WrongNumberOfDimsIsAnInternalError) {
  auto compiled = cpu::compile_kernels(kernels(1), cpu::host_target(), Settings{});
  const int64_t dims[] = {1};
  EXPECT_THROW(compiled[0]->prepare(dims), Error);
}

// Narrower vectors take the scalar remainders and smaller tiles; the code must be right there too.
TEST(Llvm, NarrowTargets) {
  for (const tensor::Target& target : narrow_targets()) {
    const int bytes = target.vector_bytes;
    SCOPED_TRACE(bytes);
    Problem sum = scaled_sum(1003, 1.5);
    expect_matches("pointwise", sum, random_inputs(sum.program, {}, 1), {}, 1e-6, 1e-6, target);
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {13, 21}), w = b.input("w", DType::F32, {21, 37});
    Term c = b.reduce("c", tensor::Reduce::Sum, DType::F32, {13, 37}, {21}, [=](const Index& o, const Index& k) {
      return x.at({o[0], k[0]}) * w.at({k[0], o[1]});
    });
    b.output({DType::F32, {13, 37}, [=](const Index& i) { return expr::call(expr::Function::Tanh, {c.at(i)}); }});
    Problem product{b.finish(), {false, true}};
    auto inputs = random_inputs(product.program, {}, 2, -1, 1);
    expect_matches("contraction", product, inputs, {}, 1e-5, 1e-5, target);
    ProgramBuilder r;
    Term v = r.input("v", DType::F32, {5, 77});
    r.output(r.reduce("s", tensor::Reduce::Sum, DType::F32, {5}, {77}, [=](const Index& o, const Index& k) {
      return v.at({o[0], k[0]});
    }));
    Problem rows{r.finish(), {}};
    expect_matches("row_reduction", rows, random_inputs(rows.program, {}, 3), {}, 1e-5, 1e-5, target);
  }
}

// `bytes` that end where a page begins that nobody may touch.
class GuardedBlock {
 public:
  explicit GuardedBlock(size_t bytes) : page_(size_t(sysconf(_SC_PAGESIZE))), whole_((bytes / page_ + 2) * page_) {
    block_ = static_cast<uint8_t*>(mmap(nullptr, whole_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(block_ + whole_ - page_, page_, PROT_NONE);
    data_ = block_ + whole_ - page_ - bytes;
  }
  ~GuardedBlock() { munmap(block_, whole_); }
  uint8_t* data() const { return data_; }

 private:
  size_t page_, whole_;
  uint8_t *block_, *data_;
};

// Two loads and a shuffle stand for the gather; the second one must end with the last element that is asked for.
TEST(Llvm, EverySecondElementUpToTheLastOne) {
  std::vector<tensor::Target> targets = narrow_targets();
  targets.push_back(cpu::host_target());
  for (const tensor::Target& target : targets)
    for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::I8})
      for (int64_t n : {16, 23, 32, 64, 77}) {
        SCOPED_TRACE(std::string(dtype_name(dtype)) + " " + std::to_string(n) + " vectors of " +
                     std::to_string(target.vector_bytes));
        ProgramBuilder b;
        Term x = b.input("x", dtype, {2 * n - 1});
        b.output({dtype, {n}, [=](const Index& i) { return x.at({i[0] * 2}); }});
        const Problem problem{b.finish(), {}};
        auto lowered = sketch::family_of("pointwise")->lower(problem, {}, target);
        auto compiled = cpu::compile_kernels(std::get<Lowered>(lowered).launches, target, Settings{});
        const std::vector<Tensor> inputs = random_inputs(problem.program, {}, 1);
        const GuardedBlock from(size_t(inputs[0].bytes()));
        std::memcpy(from.data(), inputs[0].raw(), size_t(inputs[0].bytes()));
        Tensor got(dtype, {n});
        void* buffers[] = {from.data(), got.raw()};
        const auto invocation = compiled[0]->prepare({});
        ASSERT_EQ(runtime::on_host(*invocation).run(buffers, nullptr, nullptr, 0, invocation->grid), 0);
        EXPECT_TRUE(close(got, tensor::interpret(problem.program, inputs, {})[0], 0, 0));
      }
}

// Lanes behind the edge of an image are off.
TEST(Llvm, StridedWindowsReadInsideTheImage) {
  for (int64_t width : {9, 31, 64}) {
    ProgramBuilder b;
    const int64_t out = (width + 1) / 2;
    Term x = b.input("x", DType::F32, {5, width});
    Term y = b.reduce("y", tensor::Reduce::Sum, DType::F32, {5, out}, {3}, [=](const Index& o, const Index& k) {
      const Expr at = o[1] * 2 + k[0] - 1;
      return expr::select(Expr(0) <= at && at < Expr(width), x.at({o[0], at}), expr::imm(0, DType::F32));
    });
    b.output(y);
    const Problem problem{b.finish(), {}};
    const std::vector<Tensor> inputs = random_inputs(problem.program, {}, 2);
    const Tensor want = tensor::interpret(problem.program, inputs, {})[0];
    const GuardedBlock from(size_t(inputs[0].bytes()));
    std::memcpy(from.data(), inputs[0].raw(), size_t(inputs[0].bytes()));
    for (const char* name : {"loops", "pointwise", "row_reduction", "contraction", "window"}) {
      const sketch::Family* family = sketch::family_of(name);
      for (const auto& proposal : family->propose(problem, cpu::host_target(), nullptr)) {
        auto lowered = family->lower(problem, proposal.point, cpu::host_target());
        if (!std::holds_alternative<Lowered>(lowered) || std::get<Lowered>(lowered).launches.size() != 1) continue;
        SCOPED_TRACE(std::string(name) + " " + std::to_string(width));
        auto compiled = cpu::compile_kernels(std::get<Lowered>(lowered).launches, cpu::host_target(), Settings{});
        Tensor got(DType::F32, {5, out});
        void* buffers[] = {from.data(), got.raw()};
        const auto invocation = compiled[0]->prepare({});
        auto scratch = allocate_bytes(size_t(invocation->scratch_bytes) + 64);
        ASSERT_EQ(runtime::on_host(*invocation).run(buffers, nullptr, scratch.get(), 0, invocation->grid), 0);
        EXPECT_TRUE(close(got, want, 1e-6, 1e-6));
      }
    }
  }
}

// A product reads all its weights, however few rows it has: its estimate decides whether cores share it.
TEST(Llvm, FewRowsCostWhatReadingTheWeightsTakes) {
  const int64_t n = 512, k = 1024;
  const auto m = expr::make_var("M", {1, INT64_MAX, 1});
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {Expr(m), k}), w = b.input("w", DType::F32, {k, n});
  b.output(b.reduce("c", tensor::Reduce::Sum, DType::F32, {Expr(m), n}, {k}, [=](const Index& o, const Index& i) {
    return x.at({o[0], i[0]}) * w.at({i[0], o[1]});
  }));
  Problem problem{b.finish(), {false, true}};
  problem.program.symbols = {m};
  const tensor::Target target = cpu::host_target();
  const sketch::Family* family = sketch::family_of("contraction");
  const auto proposals = family->propose(problem, target, nullptr);
  ASSERT_FALSE(proposals.empty());
  const auto lowered = family->lower(problem, proposals.front().point, target);
  const auto compiled = cpu::compile_kernels(std::get<Lowered>(lowered).launches, target, Settings{});
  const auto cost = [&](int64_t rows) { return compiled.front()->prepare(std::vector<int64_t>{rows})->cost_ns; };
  EXPECT_GT(cost(1), double(n * k * 4) / (target.bytes_per_ns * 10));
  EXPECT_EQ(cost(1), cost(2));
  EXPECT_GT(cost(1000), 10 * cost(1));
}

// z = x * factor + y through a cache in a folder of its own.
class LlvmCache : public ::testing::Test {
 protected:
  std::string path_after(int factor) {
    std::set<std::string> before = files();
    EXPECT_EQ(result(factor), float(factor * 2 + 3));
    for (const std::string& path : files())
      if (before.count(path) == 0) return path;
    ADD_FAILURE() << "nothing was stored";
    return "";
  }
  float result(int factor) {
    Settings settings;
    settings.cache_dir = folder_.path;
    auto lowered = sketch::family_of("pointwise")->lower(scaled_sum(100, factor), {}, target_);
    return run(*cpu::compile_kernels(std::get<Lowered>(lowered).launches, target_, settings)[0], 100);
  }
  std::set<std::string> files() const {
    std::set<std::string> found;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path)) found.insert(file.path());
    return found;
  }

  Folder folder_;
  tensor::Target target_ = cpu::host_target();
};

TEST_F(LlvmCache, KeepsModulesByTheirCodeAndTarget) {
  const std::string stored = read(path_after(2));
  EXPECT_EQ(result(2), 7);
  EXPECT_EQ(files().size(), 1u) << "a hit stores nothing";
  EXPECT_EQ(read(*files().begin()), stored);
  path_after(5);
  target_.features.emplace_back("+prefer-256-bit");
  path_after(2);
}

TEST_F(LlvmCache, IsReallyUsed) {
  const std::string two = path_after(2), five = path_after(5), entry = read(two);
  std::string forged = read(five);
  forged.replace(16, 16, entry, 16, 16);  // the hash of the key, behind 16 bytes of the header
  write(two, forged);
  EXPECT_EQ(result(2), 5 * 2 + 3);
}

TEST_F(LlvmCache, DamageIsAMiss) {
  const std::string path = path_after(2), stored = read(path);
  for (const size_t at : {size_t{20}, stored.size() / 2, stored.size() - 1}) {
    std::string damaged = stored;
    damaged[at] ^= 1;
    write(path, damaged);
    EXPECT_EQ(result(2), 7);
    EXPECT_EQ(read(path), stored) << "made anew";
    write(path, stored.substr(0, at));
    EXPECT_EQ(result(2), 7);
    EXPECT_EQ(read(path), stored);
  }
}

// A generous bound per kernel, so that an explosion is noticed.
TEST(Llvm, CompileTimePerKernel) {
  auto list = kernels(40);
  auto start = std::chrono::steady_clock::now();
  cpu::compile_kernels(list, cpu::host_target(), Settings{});
  double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("ms_per_kernel", std::to_string(ms / 40));
  EXPECT_LT(ms / 40, 100);
}

}  // namespace
}  // namespace sardonyx::testing
