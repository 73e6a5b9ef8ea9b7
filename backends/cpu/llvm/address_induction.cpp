#include "backends/cpu/llvm/address_induction.h"

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Module.h>

#include <map>
#include <optional>
#include <vector>

namespace sardonyx::cpu {

namespace {

using llvm::dyn_cast;

// The constant that the loop adds to `counter` in each round.
std::optional<int64_t> step_of(const llvm::PHINode& counter, const llvm::BasicBlock& latch) {
  const auto* next = dyn_cast<llvm::BinaryOperator>(counter.getIncomingValueForBlock(&latch));
  if (!next || next->getOpcode() != llvm::Instruction::Add || next->getOperand(0) != &counter) return std::nullopt;
  const auto* step = dyn_cast<llvm::ConstantInt>(next->getOperand(1));
  return step ? std::optional(step->getSExtValue()) : std::nullopt;
}

// An address of a loop: what is invariant, plus the counter times `scale` bytes.
struct Address {
  llvm::GetElementPtrInst* instruction;
  int64_t scale;
};

class InnermostLoop {
 public:
  explicit InnermostLoop(llvm::Loop& loop) : loop_(loop), layout_(loop.getHeader()->getModule()->getDataLayout()) {}

  bool run() {
    entry_ = loop_.getLoopPreheader();
    latch_ = loop_.getLoopLatch();
    if (!entry_ || !latch_) return false;
    std::vector<llvm::PHINode*> counters;
    for (llvm::PHINode& phi : loop_.getHeader()->phis())
      if (phi.getType()->isIntegerTy(64) && step_of(phi, *latch_)) counters.push_back(&phi);
    bool changed = false;
    for (llvm::PHINode* counter : counters) changed = reduce(*counter) || changed;
    return changed;
  }

 private:
  bool reduce(llvm::PHINode& counter) {
    std::vector<Address> addresses;
    std::vector<llvm::Instruction*> products;
    for (llvm::User* user : counter.users()) {
      auto* product = dyn_cast<llvm::BinaryOperator>(user);
      const auto factor = product ? factor_of(*product, counter) : std::nullopt;
      if (factor) {
        products.push_back(product);
        for (llvm::User* address : product->users()) add_address(addresses, address, product, *factor);
      } else {
        add_address(addresses, user, &counter, 1);
      }
    }
    for (const Address& address : addresses) {
      address.instruction->replaceAllUsesWith(
          pointer(counter, address.instruction->getPointerOperand(), address.scale));
      address.instruction->eraseFromParent();
    }
    for (llvm::Instruction* product : products)
      if (product->use_empty()) product->eraseFromParent();
    return !addresses.empty();
  }

  static std::optional<int64_t> factor_of(const llvm::BinaryOperator& product, const llvm::PHINode& counter) {
    const auto* constant = dyn_cast<llvm::ConstantInt>(product.getOperand(1));
    if (!constant || product.getOperand(0) != &counter) return std::nullopt;
    if (product.getOpcode() == llvm::Instruction::Mul) return constant->getSExtValue();
    if (product.getOpcode() == llvm::Instruction::Shl && constant->getZExtValue() < 48)
      return int64_t{1} << constant->getZExtValue();
    return std::nullopt;
  }

  // Scales that x86 applies to an index for nothing stay indices.
  void add_address(std::vector<Address>& addresses, llvm::User* user, const llvm::Value* index, int64_t factor) const {
    auto* address = dyn_cast<llvm::GetElementPtrInst>(user);
    if (!address || address->getNumIndices() != 1 || address->getOperand(1) != index || !loop_.contains(address) ||
        !loop_.isLoopInvariant(address->getPointerOperand()))
      return;
    const int64_t scale = factor * int64_t(layout_.getTypeAllocSize(address->getSourceElementType()));
    if (factor == 1 && (scale == 1 || scale == 2 || scale == 4 || scale == 8)) return;
    addresses.push_back({address, scale});
  }

  // The pointer that starts at base + start * scale.
  llvm::Value* pointer(llvm::PHINode& counter, llvm::Value* base, int64_t scale) {
    llvm::PHINode*& found = pointers_[{&counter, base, scale}];
    if (found) return found;
    llvm::IRBuilder<> before(entry_->getTerminator());
    llvm::Value* first = before.CreateMul(counter.getIncomingValueForBlock(entry_), before.getInt64(uint64_t(scale)));
    llvm::IRBuilder<> head(loop_.getHeader(), loop_.getHeader()->begin());
    found = head.CreatePHI(base->getType(), 2, "address");
    found->addIncoming(before.CreateGEP(before.getInt8Ty(), base, first), entry_);
    llvm::IRBuilder<> end(latch_->getTerminator());
    const int64_t stride = scale * *step_of(counter, *latch_);
    found->addIncoming(end.CreateGEP(end.getInt8Ty(), found, end.getInt64(uint64_t(stride))), latch_);
    return found;
  }

  llvm::Loop& loop_;
  const llvm::DataLayout& layout_;
  llvm::BasicBlock* entry_ = nullptr;
  llvm::BasicBlock* latch_ = nullptr;
  std::map<std::tuple<const llvm::PHINode*, const llvm::Value*, int64_t>, llvm::PHINode*> pointers_;
};

}  // namespace

llvm::PreservedAnalyses AddressInductionPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  bool changed = false;
  for (llvm::Loop* loop : analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder())
    if (loop->isInnermost()) changed = InnermostLoop(*loop).run() || changed;
  if (!changed) return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses kept;
  kept.preserveSet<llvm::CFGAnalyses>();
  return kept;
}

}  // namespace sardonyx::cpu
