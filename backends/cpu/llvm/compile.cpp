#include "backends/cpu/llvm/compile.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>

#include <fstream>

#include "backends/cpu/llvm/code_cache.h"
#include "backends/cpu/llvm/emitter.h"
#include "backends/cpu/llvm/jit.h"
#include "backends/cpu/llvm/pipeline.h"
#include "compiler/expr/simplify.h"
#include "compiler/tensor/symbol_values.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

namespace {

constexpr size_t kernels_per_module = 8;
constexpr double chunk_ns = 2000;  // smaller chunks cost more to claim than they balance

class JitInvocation final : public runtime::HostInvocation {
 public:
  JitInvocation(runtime::KernelFunction function, std::shared_ptr<JitCode> code)
      : function_(function), code_(std::move(code)) {}
  int32_t run(void* const* buffers, const int64_t* dims, void* scratch, int64_t begin,
              int64_t end) const noexcept override {
    return function_(buffers, dims, scratch, begin, end);
  }

 private:
  runtime::KernelFunction function_;
  std::shared_ptr<JitCode> code_;
};

class JitKernel final : public runtime::Kernel {
 public:
  JitKernel(const tensor::LoweredKernel& kernel, void* function, std::shared_ptr<JitCode> code)
      : name_(kernel.name),
        symbols_(kernel.symbols),
        grid_(kernel.grid),
        scratch_bytes_(kernel.scratch_bytes),
        points_(kernel.points),
        ns_per_point_(kernel.ns_per_point),
        least_ns_(kernel.least_ns),
        function_(reinterpret_cast<runtime::KernelFunction>(function)),
        code_(std::move(code)) {}

  std::string name() const override { return name_; }

  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    const tensor::SymbolValues values = tensor::symbol_values(symbols_, dims, name_);
    auto invocation = std::make_shared<JitInvocation>(function_, code_);
    for (const tensor::Axis& axis : grid_)
      invocation->grid *= std::max<int64_t>(0, expr::evaluate(axis.extent, values));
    invocation->scratch_bytes = expr::evaluate(scratch_bytes_, values);
    const auto points = double(expr::evaluate(points_, values));
    invocation->cost_ns = points > 0 ? std::max(least_ns_, ns_per_point_ * points) : 0;
    double index_ns = invocation->cost_ns / double(std::max<int64_t>(1, invocation->grid));
    invocation->grain = std::max<int64_t>(1, int64_t(chunk_ns / std::max(index_ns, 1.0)));
    return invocation;
  }

 private:
  std::string name_;
  std::vector<expr::VarPtr> symbols_;
  std::vector<tensor::Axis> grid_;
  expr::Expr scratch_bytes_, points_;
  double ns_per_point_, least_ns_;
  runtime::KernelFunction function_;
  std::shared_ptr<JitCode> code_;
};

std::string symbol_of(size_t index) { return str("kernel_", index); }

std::unique_ptr<llvm::MemoryBuffer> compile_module(std::span<const tensor::LoweredKernel> kernels, size_t first,
                                                   const backends::Target& target, const Settings& settings,
                                                   const CodeCache& cache) {
  llvm::LLVMContext context;
  auto machine = make_target_machine(target);
  llvm::Module module(str("sardonyx_", first), context);
  module.setTargetTriple(machine->getTargetTriple().str());
  module.setDataLayout(machine->createDataLayout());
  for (size_t i = 0; i < kernels.size(); ++i) {
    try {
      Emitter(module, kernels[i], symbol_of(first + i), target).emit();
    } catch (Error& error) {
      error.add_context(
          str("while generating code of kernel '", kernels[i].name, "'\n", tensor::to_string(kernels[i].body)));
      throw;
    }
  }
  auto dump = [&](const char* when) {
    if (!settings.dump_dir.empty())
      std::ofstream(str(settings.dump_dir, "/module", first, when, ".ll")) << module_text(module);
  };
  dump("");
  const std::string key = cache.key_of(module);
  if (auto object = cache.find(key)) return object;
  std::string complaint;
  llvm::raw_string_ostream stream(complaint);
  check(!llvm::verifyModule(module, &stream), "LLVM rejects kernel code: ", complaint);
  optimize(module, *machine);
  dump(".opt");
  auto object = emit_object(module, *machine);
  cache.store(key, *object);
  return object;
}

}  // namespace

std::vector<runtime::KernelPtr> compile_kernels(std::span<const tensor::LoweredKernel> kernels,
                                                const backends::Target& target, const Settings& settings) {
  if (kernels.empty()) return {};
  size_t threads = size_t(std::clamp(target.cores, 1, 4));
  // Small batches are spread over the threads rather than packed into few modules.
  size_t per_module = std::clamp<size_t>((kernels.size() + threads - 1) / threads, 1, kernels_per_module);
  size_t modules = (kernels.size() + per_module - 1) / per_module;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> objects(modules);
  const CodeCache cache(settings.dump_dir.empty() ? settings.cache_dir : "", target);  // dumps show every step
  const auto compile = [&](size_t m) {
    size_t first = m * per_module;
    size_t count = std::min(per_module, kernels.size() - first);
    objects[m] = compile_module(kernels.subspan(first, count), first, target, settings, cache);
  };
  parallel_compile(modules, compile, threads);
  auto code = std::make_shared<JitCode>(std::move(objects));
  std::vector<std::string> symbols;
  for (size_t i = 0; i < kernels.size(); ++i) symbols.push_back(symbol_of(i));
  std::vector<void*> functions = code->lookup(symbols);
  std::vector<runtime::KernelPtr> result;
  for (size_t i = 0; i < kernels.size(); ++i) {
    result.push_back(std::make_shared<JitKernel>(kernels[i], functions[i], code));
  }
  return result;
}

}  // namespace sardonyx::cpu
