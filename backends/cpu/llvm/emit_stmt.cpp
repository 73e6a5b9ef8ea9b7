// Statements and the frame of a kernel function.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include "backends/cpu/llvm/emitter.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

using expr::Buffer;
using expr::BufferPtr;
using expr::Kind;
using tensor::Stmt;
using tensor::StmtKind;
using tensor::StmtNode;

Emitter::Emitter(llvm::Module& module, const tensor::LoweredKernel& kernel, const std::string& symbol,
                 const tensor::Target& target)
    : module_(module), context_(module.getContext()), b_(context_), kernel_(kernel), target_(target), symbol_(symbol) {}

void Emitter::emit() {
  llvm::Type* ptr = b_.getPtrTy();
  llvm::Type* i64 = b_.getInt64Ty();
  auto* type = llvm::FunctionType::get(b_.getInt32Ty(), {ptr, ptr, ptr, i64, i64}, false);
  function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol_, module_);
  function_->addFnAttr(llvm::Attribute::NoUnwind);
  function_->addFnAttr("no-builtins");
  function_->addFnAttr("prefer-vector-width", std::to_string(target_.vector_bytes * 8));
  function_->addFnAttr("min-legal-vector-width", std::to_string(target_.vector_bytes * 8));
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", function_));

  // Every argument and scratch buffer is a scope of its own: none overlaps another.
  std::vector<tensor::ScratchSlot> slots = tensor::scratch_layout(kernel_.body, nullptr);
  std::vector<const Buffer*> apart;
  for (const BufferPtr& buffer : kernel_.buffers) apart.push_back(buffer.get());
  for (const tensor::ScratchSlot& slot : slots) apart.push_back(slot.buffer.get());
  llvm::MDBuilder md(context_);
  llvm::MDNode* domain = md.createAliasScopeDomain(symbol_);
  std::vector<llvm::Metadata*> scopes;
  for (const Buffer* buffer : apart) {
    scopes.push_back(
        md.createAliasScope(str(scopes.size(), " ", buffer->name), domain));  // scopes are told apart by name
  }
  for (size_t i = 0; i < apart.size(); ++i) {
    std::vector<llvm::Metadata*> others = scopes;
    others.erase(others.begin() + long(i));
    alias_[apart[i]] = {llvm::MDNode::get(context_, {scopes[i]}), llvm::MDNode::get(context_, others)};
  }
  llvm::MDNode* invariant_arguments = llvm::MDNode::get(context_, {});
  for (size_t i = 0; i < kernel_.buffers.size(); ++i) {
    auto* slot = b_.CreateConstInBoundsGEP1_64(ptr, function_->getArg(0), i);
    auto* base = b_.CreateLoad(ptr, slot, kernel_.buffers[i]->name);
    base->setMetadata(llvm::LLVMContext::MD_invariant_load, invariant_arguments);
    pointers_[kernel_.buffers[i].get()] = base;
  }
  for (size_t i = 0; i < kernel_.symbols.size(); ++i) {
    auto* slot = b_.CreateConstInBoundsGEP1_64(i64, function_->getArg(1), i);
    auto* dim = b_.CreateLoad(i64, slot, kernel_.symbols[i]->name);
    dim->setMetadata(llvm::LLVMContext::MD_invariant_load, invariant_arguments);
    variables_[kernel_.symbols[i].get()] = dim;
  }
  scratch_ = function_->getArg(2);
  auto* dummy = b_.CreateAlloca(llvm::ArrayType::get(b_.getInt8Ty(), 64));
  dummy->setAlignment(llvm::Align(64));
  b_.CreateMemSetInline(dummy, llvm::Align(64), b_.getInt8(0), b_.getInt64(64));
  dummy_ = dummy;
  for (const tensor::ScratchSlot& slot : slots) {
    pointers_[slot.buffer.get()] = b_.CreateInBoundsGEP(b_.getInt8Ty(), scratch_, evaluate(slot.offset));
  }
  emit_grid();
  b_.CreateRet(b_.getInt32(0));
}

void Emitter::emit_grid() {
  std::vector<Value*> extents;
  for (const tensor::Axis& axis : kernel_.grid) extents.push_back(evaluate(axis.extent));
  counted_loop(function_->getArg(3), function_->getArg(4), "grid", [&](Value* g) {
    Value* rest = g;
    for (size_t i = extents.size(); i-- > 0;) {
      const expr::Variable* var = kernel_.grid[i].var.get();
      if (i == 0) {
        variables_[var] = rest;
      } else {
        variables_[var] = b_.CreateURem(rest, extents[i], kernel_.grid[i].var->name);
        rest = b_.CreateUDiv(rest, extents[i]);
      }
    }
    emit(kernel_.body);
  });
}

void Emitter::counted_loop(Value* begin, Value* end, const char* name, const std::function<void(Value*)>& body) {
  auto* before = b_.GetInsertBlock();
  auto* head = llvm::BasicBlock::Create(context_, name, function_);
  auto* exit = llvm::BasicBlock::Create(context_, str(name, ".end"), function_);
  b_.CreateCondBr(b_.CreateICmpSLT(begin, end), head, exit);
  b_.SetInsertPoint(head);
  auto* counter = b_.CreatePHI(b_.getInt64Ty(), 2, name);
  counter->addIncoming(begin, before);
  body(counter);
  Value* next = b_.CreateNSWAdd(counter, b_.getInt64(1));
  counter->addIncoming(next, b_.GetInsertBlock());
  auto* back = b_.CreateCondBr(b_.CreateICmpSLT(next, end), head, exit);
  // The schedule already unrolled and vectorised what should be.
  auto flag = [&](const char* text) { return llvm::MDNode::get(context_, llvm::MDString::get(context_, text)); };
  auto vectorize = llvm::MDNode::get(context_, {llvm::MDString::get(context_, "llvm.loop.vectorize.enable"),
                                                llvm::ConstantAsMetadata::get(b_.getFalse())});
  auto loop = llvm::MDNode::getDistinct(context_, {nullptr, flag("llvm.loop.unroll.disable"), vectorize});
  loop->replaceOperandWith(0, loop);
  back->setMetadata(llvm::LLVMContext::MD_loop, loop);
  b_.SetInsertPoint(exit);
}

void Emitter::emit(const Stmt& stmt) {
  switch (stmt->kind) {
    case StmtKind::For:
      return emit_for(*stmt);
    case StmtKind::Store:
      return emit_store(*stmt);
    case StmtKind::If:
      return emit_if(*stmt);
    case StmtKind::Check:
      return emit_check(*stmt);
    case StmtKind::Block:
      for (const Stmt& s : stmt->body) emit(s);
      return;
    case StmtKind::Let: {
      variables_[stmt->var.get()] = evaluate(stmt->value);
      if (!unrolled(stmt->value)) return emit(stmt->body[0]);
      unrolled_vars_.push_back(stmt->var.get());  // it differs between the copies as the loop's variable does
      unrolled_.clear();
      emit(stmt->body[0]);
      unrolled_vars_.pop_back();
      unrolled_.clear();
      return;
    }
    case StmtKind::Allocate: {
      if (stmt->buffer->scope != Buffer::Scope::Scratch) {
        int64_t count = 1;
        for (const Expr& d : stmt->buffer->dims) {
          auto extent = expr::as_int(d);
          check(extent.has_value(), "buffer ", stmt->buffer->name, " has symbolic dims");
          count *= *extent;
        }
        llvm::IRBuilder<> entry(&function_->getEntryBlock(), function_->getEntryBlock().begin());
        auto* slot = entry.CreateAlloca(llvm::ArrayType::get(memory_type({stmt->buffer->dtype, 1}), uint64_t(count)),
                                        nullptr, stmt->buffer->name);
        slot->setAlignment(llvm::Align(64));
        pointers_[stmt->buffer.get()] = slot;
      }
      const bool registers = stmt->buffer->scope == Buffer::Scope::Register;
      accumulators_ += registers;
      emit(stmt->body[0]);
      accumulators_ -= registers;
      return;
    }
    case StmtKind::Prefetch: {
      memo_.clear();
      Value* at = address(stmt->buffer, stmt->index[0]);
      const uint32_t locality = stmt->level == tensor::CacheLevel::First ? 3 : 2;
      b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {b_.getPtrTy()},
                         {at, b_.getInt32(0), b_.getInt32(locality), b_.getInt32(1)});
      return;
    }
    case StmtKind::Transpose:
      return emit_transpose(stmt->buffer);
  }
}

void Emitter::emit_for(const StmtNode& loop) {
  if (loop.for_kind == tensor::ForKind::Unrolled) {
    unrolled_vars_.push_back(loop.var.get());
    unrolled_.clear();
    for (int64_t i = 0; i < *expr::as_int(loop.extent); ++i) {
      variables_[loop.var.get()] = b_.getInt64(uint64_t(i));
      emit(loop.body[0]);
    }
    unrolled_vars_.pop_back();
    unrolled_.clear();
    return;
  }
  bool serial = loop.for_kind == tensor::ForKind::Serial || loop.for_kind == tensor::ForKind::Lane;
  check(serial, "loop ", loop.var->name, " was not lowered");
  counted_loop(b_.getInt64(0), evaluate(loop.extent), "loop", [&](Value* counter) {
    variables_[loop.var.get()] = counter;
    emit(loop.body[0]);
  });
}

void Emitter::emit_if(const StmtNode& branch) {
  Value* condition = evaluate(branch.condition);
  if (condition->getType()->isVectorTy()) {
    Value* outer = guard_;
    guard_ = both(outer, condition);
    emit(branch.body[0]);
    if (branch.body.size() > 1) {
      guard_ = both(outer, b_.CreateNot(condition));
      emit(branch.body[1]);
    }
    guard_ = outer;
    return;
  }
  auto* then_block = llvm::BasicBlock::Create(context_, "then", function_);
  auto* exit = llvm::BasicBlock::Create(context_, "endif", function_);
  auto* else_block = branch.body.size() > 1 ? llvm::BasicBlock::Create(context_, "else", function_) : exit;
  b_.CreateCondBr(condition, then_block, else_block);
  b_.SetInsertPoint(then_block);
  emit(branch.body[0]);
  b_.CreateBr(exit);
  if (branch.body.size() > 1) {
    b_.SetInsertPoint(else_block);
    emit(branch.body[1]);
    b_.CreateBr(exit);
  }
  b_.SetInsertPoint(exit);
}

// Rows are exchanged with lanes bit by bit of their numbers: two shuffles per pair of rows and bit.
void Emitter::emit_transpose(const BufferPtr& buffer) {
  const int count = int(*expr::as_int(buffer->dims[0]));
  const expr::Type type{buffer->dtype, count};
  const llvm::Align align(element_align(buffer->dtype));
  const auto row = [&](int i) { return pointer(buffer, b_.getInt64(uint64_t(i) * uint64_t(count))); };
  std::vector<Value*> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back(with_alias(b_.CreateAlignedLoad(memory_type(type), row(i), align), buffer));
  }
  for (int bit = 1; bit < count; bit *= 2) {
    std::vector<int> even, odd;  // the lanes of two rows, those of the second one numbered after those of the first
    for (int lane = 0; lane < count; ++lane) {
      even.push_back(lane & bit ? count + lane - bit : lane);
      odd.push_back(lane & bit ? count + lane : lane + bit);
    }
    for (int i = 0; i < count; ++i) {
      if (i & bit) continue;
      Value *a = rows[size_t(i)], *b = rows[size_t(i + bit)];
      rows[size_t(i)] = b_.CreateShuffleVector(a, b, even);
      rows[size_t(i + bit)] = b_.CreateShuffleVector(a, b, odd);
    }
  }
  for (int i = 0; i < count; ++i) with_alias(b_.CreateAlignedStore(rows[size_t(i)], row(i), align), buffer);
}

llvm::BasicBlock* Emitter::fail_block(int32_t code) {
  auto& block = fail_blocks_[code];
  if (!block) {
    block = llvm::BasicBlock::Create(context_, "fail", function_);
    llvm::IRBuilder<>(block).CreateRet(b_.getInt32(uint32_t(code)));
  }
  return block;
}

void Emitter::emit_check(const StmtNode& check) {
  Value* bad = b_.CreateNot(evaluate(check.condition));
  if (guard_) {
    bool vector = guard_->getType()->isVectorTy() && !bad->getType()->isVectorTy();
    bad = vector ? b_.CreateAnd(bad, any(guard_)) : both(guard_, bad);
  }
  auto* next = llvm::BasicBlock::Create(context_, "checked", function_);
  llvm::MDBuilder md(context_);
  b_.CreateCondBr(any(bad), fail_block(check.code), next, md.createBranchWeights(1, 1 << 20));
  b_.SetInsertPoint(next);
}

void Emitter::emit_store(const StmtNode& store) {
  memo_.clear();
  Value* value = value_of(store.value);
  check(store.index.size() == 1, "store to ", store.buffer->name, " is not flat");
  store_to(store.buffer, store.index[0], value);
}

void Emitter::store_to(const BufferPtr& buffer, const Expr& index, Value* value) {
  int lanes = index->type.lanes;
  expr::Type type{buffer->dtype, lanes};
  if (lanes > 1 && !value->getType()->isVectorTy()) value = splat(value, lanes);
  check(lanes > 1 || !value->getType()->isVectorTy(), "vector value at a scalar index of ", buffer->name);
  value = to_memory(value, type);
  llvm::Align align(element_align(buffer->dtype));
  if (lanes == 1) {
    Value* at = address(buffer, index);
    if (guard_) {  // rare: a uniform store under a vector guard
      auto* then_block = llvm::BasicBlock::Create(context_, "store", function_);
      auto* exit = llvm::BasicBlock::Create(context_, "stored", function_);
      b_.CreateCondBr(any(guard_), then_block, exit);
      b_.SetInsertPoint(then_block);
      with_alias(b_.CreateAlignedStore(value, at, align), buffer);
      b_.CreateBr(exit);
      b_.SetInsertPoint(exit);
    } else {
      with_alias(b_.CreateAlignedStore(value, at, align), buffer);
    }
    return;
  }
  Value* mask = lanes_guard(lanes);
  bool dense = index->kind == Kind::Ramp && expr::is_const(index->args[1], 1);
  if (dense) {
    Value* at = address(buffer, index->args[0]);
    if (mask) {
      with_alias(b_.CreateMaskedStore(value, at, align, mask), buffer);
    } else {
      with_alias(b_.CreateAlignedStore(value, at, align), buffer);
    }
    return;
  }
  Value* addresses = pointer(buffer, value_of(index));
  with_alias(b_.CreateMaskedScatter(value, addresses, align, mask), buffer);
}

}  // namespace sardonyx::cpu
