// The visitor from lowered statements to LLVM IR. Internal to this folder.
//
// It decides nothing: loops, vectors and tiles are what the schedule made them. A Bool is i1 in registers and a byte 0
// or 1 in memory. Guards: inside a Select arm or an If with a vector condition, `guard_` says which lanes are active;
// memory is touched, and integer division performed, only under it, so an untaken arm never faults.
#pragma once
#include <llvm/IR/IRBuilder.h>

#include <map>
#include <unordered_map>

#include "compiler/tensor/kernel.h"
#include "compiler/tensor/target.h"

namespace sardonyx::cpu {

inline int bits_of(DType dtype) { return dtype == DType::Bool ? 1 : int(size_of(dtype)) * 8; }

class Emitter {
 public:
  // Emits `kernel` as external function `symbol` of the module.
  Emitter(llvm::Module& module, const tensor::LoweredKernel& kernel, const std::string& symbol,
          const tensor::Target& target);
  void emit();

 private:
  using Expr = expr::Expr;
  using Value = llvm::Value;

  // ---- statements (emit_stmt.cpp) ----
  void emit_grid();
  void emit(const tensor::Stmt& stmt);
  void emit_for(const tensor::StmtNode& loop);
  void emit_if(const tensor::StmtNode& branch);
  void emit_check(const tensor::StmtNode& check);
  void emit_store(const tensor::StmtNode& store);
  void emit_transpose(const expr::BufferPtr& buffer);
  void store_to(const expr::BufferPtr& buffer, const Expr& index, Value* value);
  // A counted loop from `begin` while less than `end`; `body` gets the counter.
  void counted_loop(Value* begin, Value* end, const char* name, const std::function<void(Value*)>& body);
  llvm::BasicBlock* fail_block(int32_t code);

  // ---- expressions (emit_expr.cpp) ----
  Value* evaluate(const Expr& e);  // starts a fresh memo: loads are not shared across statements
  Value* value_of(const Expr& e);
  Value* compute(const Expr& e);
  Value* emit_binary(const Expr& e);
  Value* emit_fused(const Expr& e);
  Value* multiply_add(Value* a, Value* b, Value* c);
  Value* emit_division(const Expr& e);
  Value* emit_compare(const Expr& e);
  Value* emit_min_max(const Expr& e);
  Value* emit_select(const Expr& e);
  Value* emit_cast(const Expr& e);
  Value* emit_load(const Expr& e);
  Value* load_number(const expr::BufferPtr& buffer);
  Value* every_second(const expr::BufferPtr& buffer, Value* at, Value* mask, expr::Type type);
  Value* emit_call(const Expr& e);
  Value* emit_scale(const Expr& e, Value* a, Value* b);
  Value* emit_reduce(const Expr& e, Value* a);
  Value* convert(Value* v, expr::Type from, expr::Type to);
  Value* nibble_to_f32(const Expr& e);
  Value* saturated_u8(const Expr& e);
  Value* f32_from_bf16(Value* bits);
  Value* bf16_from_f32(Value* v);

  // ---- helpers ----
  llvm::Type* register_type(expr::Type type);
  llvm::Type* memory_type(expr::Type type);
  llvm::Type* int_type(expr::Type like, int bits);
  static size_t element_align(DType dtype) { return is_complex(dtype) ? size_of(dtype) / 2 : size_of(dtype); }
  Value* splat(Value* v, int lanes);
  Value* pointer(const expr::BufferPtr& buffer, Value* index);
  // The address of an element. Copies of unrolled code differ by constants only, so the varying part of the offset is
  // computed once per basic block and the constant part added last.
  Value* address(const expr::BufferPtr& buffer, const Expr& index);
  bool unrolled(const Expr& e);     // depends on the variable of a loop that is being copied
  bool loads(const Expr& e);        // contains a load
  Value* any(Value* condition);     // i1: a lane is set
  Value* both(Value* a, Value* b);  // conjunction, splatting a scalar; null means true
  Value* lanes_guard(int lanes);    // guard_ as a mask of `lanes`, or null
  template <class Instruction>
  Instruction* with_alias(Instruction* access, const expr::BufferPtr& buffer) {
    if (auto found = alias_.find(buffer.get()); found != alias_.end()) {
      access->setMetadata(llvm::LLVMContext::MD_alias_scope, found->second.first);
      access->setMetadata(llvm::LLVMContext::MD_noalias, found->second.second);
    }
    return access;
  }
  Value* from_memory(Value* v, expr::Type type);
  Value* to_memory(Value* v, expr::Type type);

  llvm::Module& module_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  const tensor::LoweredKernel& kernel_;
  const tensor::Target& target_;
  std::string symbol_;
  llvm::Function* function_ = nullptr;
  std::unordered_map<const expr::Variable*, Value*> variables_;
  std::unordered_map<const expr::Buffer*, Value*> pointers_;
  std::unordered_map<const expr::Buffer*, std::pair<llvm::MDNode*, llvm::MDNode*>> alias_;  // scope, noalias
  std::unordered_map<const expr::Node*, Value*> memo_;
  std::map<int32_t, llvm::BasicBlock*> fail_blocks_;
  struct Base {
    const expr::Buffer* buffer;
    std::vector<std::pair<const expr::Node*, int>> terms;  // with sign
    Value* pointer;
  };
  std::vector<Base> bases_;  // of the basic block `bases_block_`
  llvm::BasicBlock* bases_block_ = nullptr;
  std::vector<const expr::Variable*> unrolled_vars_;
  std::unordered_map<const expr::Node*, bool> unrolled_;  // under unrolled_vars_
  std::unordered_map<const expr::Node*, bool> loads_;
  int accumulators_ = 0;  // allocations of registers around what is emitted
  Value* scratch_ = nullptr;
  Value* dummy_ = nullptr;  // 64 readable bytes for loads whose guard is false
  Value* guard_ = nullptr;  // i1 or a vector of i1; null: all active
};

}  // namespace sardonyx::cpu
