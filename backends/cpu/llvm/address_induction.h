// Strength reduction of addresses, in place of LLVM's.
//
// LLVM's LoopStrengthReduce (Cooper, Simpson, Vick: Operator Strength Reduction, 2001, is the idea) searches over all
// formulas of all addresses of a nest. On register tiles, whose rows are dozens of addresses, it takes a quarter of the
// time of compiling and at times gives each row a register of its own, more than there are. Here only the addresses
// that an innermost loop would have to shift or multiply for become pointers that it increments; constant distances
// between them stay in the instructions.
#pragma once

#include <llvm/IR/PassManager.h>

namespace sardonyx::cpu {

struct AddressInductionPass : llvm::PassInfoMixin<AddressInductionPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace sardonyx::cpu
