#include "backends/cpu/llvm/jit.h"

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/ExecutorProcessControl.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>

#include "runtime/base/status.h"

namespace sardonyx::cpu {

namespace {

template <class T>
T take(llvm::Expected<T> value) {
  if (!value) fail(Status::InternalError, "internal error: LLVM: ", llvm::toString(value.takeError()));
  return std::move(*value);
}

void take(llvm::Error error) {
  if (error) fail(Status::InternalError, "internal error: LLVM: ", llvm::toString(std::move(error)));
}

}  // namespace

// No LLJIT: its platform and frame-registration plug-ins would touch the process, and kernels never unwind.
struct JitCode::State {
  State(std::unique_ptr<llvm::orc::ExecutorProcessControl> control,
        std::unique_ptr<llvm::jitlink::JITLinkMemoryManager> manager)
      : memory(std::move(manager)),
        session(std::move(control)),
        linker(session, *memory),
        library(session.createBareJITDylib("kernels")) {
    session.setErrorReporter([this](llvm::Error error) { complaint += llvm::toString(std::move(error)); });
  }
  ~State() { llvm::consumeError(session.endSession()); }
  std::unique_ptr<llvm::jitlink::JITLinkMemoryManager> memory;
  llvm::orc::ExecutionSession session;
  llvm::orc::ObjectLinkingLayer linker;
  llvm::orc::JITDylib& library;
  std::string complaint;  // what the linker reported, e.g. a symbol that nobody defines
};

JitCode::JitCode(std::vector<std::unique_ptr<llvm::MemoryBuffer>> objects) {
  auto control = take(llvm::orc::SelfExecutorProcessControl::Create());
  auto memory = take(llvm::jitlink::InProcessMemoryManager::Create());
  state_ = std::make_unique<State>(std::move(control), std::move(memory));
  for (auto& object : objects) take(state_->linker.add(state_->library, std::move(object)));
}

JitCode::~JitCode() = default;

std::vector<void*> JitCode::lookup(std::span<const std::string> symbols) {
  std::vector<void*> addresses;
  for (const std::string& symbol : symbols) {
    auto found = state_->session.lookup({&state_->library}, state_->session.intern(symbol));
    if (!found) {
      std::string text = llvm::toString(found.takeError());
      fail(Status::InternalError, "internal error: LLVM: ", text, " ", state_->complaint);
    }
    addresses.push_back(found->getAddress().toPtr<void*>());
  }
  return addresses;
}

}  // namespace sardonyx::cpu
