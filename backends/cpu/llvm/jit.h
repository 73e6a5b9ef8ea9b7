// Loaded machine code. Pages are written, then made executable and read-only; nothing is ever both. The code lives as
// long as the JitCode.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace llvm {
class MemoryBuffer;
}

namespace sardonyx::cpu {

class JitCode {
 public:
  // Links the objects. Throws Error(InternalError) when one refers to a symbol that none defines.
  explicit JitCode(std::vector<std::unique_ptr<llvm::MemoryBuffer>> objects);
  ~JitCode();
  JitCode(const JitCode&) = delete;
  JitCode& operator=(const JitCode&) = delete;
  // Addresses of the named functions, in order.
  std::vector<void*> lookup(std::span<const std::string> symbols);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sardonyx::cpu
