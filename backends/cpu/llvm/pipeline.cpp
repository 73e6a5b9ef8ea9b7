#include "backends/cpu/llvm/pipeline.h"

#include <llvm/Analysis/AliasAnalysis.h>
#include <llvm/Analysis/AssumptionCache.h>
#include <llvm/Analysis/BasicAliasAnalysis.h>
#include <llvm/Analysis/BlockFrequencyInfo.h>
#include <llvm/Analysis/BranchProbabilityInfo.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/MemorySSA.h>
#include <llvm/Analysis/OptimizationRemarkEmitter.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/Analysis/ProfileSummaryInfo.h>
#include <llvm/Analysis/ScalarEvolution.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/IndVarSimplify.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimpleLoopUnswitch.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <mutex>

#include "backends/cpu/llvm/address_induction.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::cpu {

namespace {

// Passes of LLVM that are always off. MachineLICM moves the constants of an epilogue's functions out of all loops, also
// those of the sum in front of it, whose accumulators take nearly all registers: LLVM then spills or copies these
// inside the sum, which made products with a GELU 1.8 times slower. Constants as memory operands cost pointwise kernels
// 1 %; the IR has been through LICM. Instead of loop strength reduction there is address_induction.h.
void leave_out_passes() {
  auto& options = llvm::cl::getRegisteredOptions();
  for (const char* name : {"disable-machine-licm", "disable-lsr"}) {
    const auto found = options.find(name);
    check(found != options.end(), "LLVM has no option ", name);
    static_cast<llvm::cl::opt<bool>*>(found->second)->setValue(true);
  }
}

}  // namespace

std::unique_ptr<llvm::TargetMachine> make_target_machine(const tensor::Target& target) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    leave_out_passes();
  });
  std::string error;
  const char* triple = "x86_64-pc-linux-gnu";
  const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(triple, error);
  check(backend != nullptr, "LLVM has no x86-64 back end: ", error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, target.cpu, join(target.features, ","), options, llvm::Reloc::PIC_,
                                   llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default, true));
}

namespace {

// What the passes below ask for. llvm::PassBuilder would register all analyses, and link all of LLVM's passes.
// tests/structure/check_analyses.py reads this file and tells what is missing.
void register_analyses(llvm::FunctionAnalysisManager& functions, llvm::TargetMachine& machine) {
  auto add = [&](auto analysis) { functions.registerPass([&] { return std::move(analysis); }); };
  add(llvm::PassInstrumentationAnalysis());
  add(llvm::TargetIRAnalysis(machine.getTargetIRAnalysis()));
  add(llvm::TargetLibraryAnalysis());
  add(llvm::AssumptionAnalysis());
  add(llvm::DominatorTreeAnalysis());
  add(llvm::PostDominatorTreeAnalysis());
  add(llvm::LoopAnalysis());
  add(llvm::BranchProbabilityAnalysis());
  add(llvm::BlockFrequencyAnalysis());
  add(llvm::OptimizationRemarkEmitterAnalysis());
  add(llvm::ScalarEvolutionAnalysis());
  add(llvm::MemorySSAAnalysis());
  add(llvm::BasicAA());
  functions.registerPass([] {
    llvm::AAManager aliases;
    aliases.registerFunctionAnalysis<llvm::BasicAA>();
    return aliases;
  });
}

}  // namespace

void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::ModuleAnalysisManager modules;
  register_analyses(functions, machine);
  functions.registerPass([&] { return llvm::LoopAnalysisManagerFunctionProxy(loops); });
  functions.registerPass([&] { return llvm::ModuleAnalysisManagerFunctionProxy(modules); });
  loops.registerPass([&] { return llvm::FunctionAnalysisManagerLoopProxy(functions); });
  loops.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
  loops.registerPass([] { return llvm::ShouldRunExtraSimpleLoopUnswitch(); });
  modules.registerPass([&] { return llvm::FunctionAnalysisManagerModuleProxy(functions); });
  modules.registerPass([] { return llvm::PassInstrumentationAnalysis(); });
  modules.registerPass([] { return llvm::ProfileSummaryAnalysis(); });

  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  llvm::LoopPassManager nest;
  nest.addPass(llvm::LICMPass(llvm::LICMOptions()));
  nest.addPass(llvm::IndVarSimplifyPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(nest), /*UseMemorySSA=*/true));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(AddressInductionPass());
  llvm::ModulePassManager pipeline;
  pipeline.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  pipeline.run(module, modules);
}

std::unique_ptr<llvm::MemoryBuffer> emit_object(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  check(!machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile),
        "LLVM cannot emit objects");
  passes.run(module);
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), module.getName(), false);
}

std::string module_text(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace sardonyx::cpu
