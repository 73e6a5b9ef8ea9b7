// LLVM passes and machine code emission. The only folder members that see PassBuilder and ORC are pipeline.cpp and
// jit.cpp.
#pragma once
#include <memory>
#include <string>

#include "compiler/tensor/target.h"

namespace llvm {
class MemoryBuffer;
class Module;
class TargetMachine;
}  // namespace llvm

namespace sardonyx::cpu {

// A target machine of the target's CPU and features; one per compile thread.
std::unique_ptr<llvm::TargetMachine> make_target_machine(const tensor::Target& target);
// The slim pass list: the schedule has already vectorised, unrolled and inlined.
void optimize(llvm::Module& module, llvm::TargetMachine& machine);
// An object file of the module.
std::unique_ptr<llvm::MemoryBuffer> emit_object(llvm::Module& module, llvm::TargetMachine& machine);
// Textual IR, for dumps.
std::string module_text(const llvm::Module& module);

}  // namespace sardonyx::cpu
