// Expressions.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <span>

#include "backends/cpu/llvm/emitter.h"
#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

using expr::BufferPtr;
using expr::Expr;
using expr::Function;
using expr::Kind;
using llvm::Intrinsic::ID;

namespace {

// The dot product of words for the lanes of `e`.
ID of_lanes(const Expr& e, ID sixteen, ID eight, ID four) {
  const int lanes = e->type.lanes;
  check(lanes == 16 || lanes == 8 || lanes == 4, "a dot product of words in ", lanes, " lanes");
  return lanes == 16 ? sixteen : lanes == 8 ? eight : four;
}

}  // namespace

llvm::Type* Emitter::register_type(expr::Type type) {
  llvm::Type* scalar = nullptr;
  switch (type.dtype) {
    case DType::F32:
      scalar = b_.getFloatTy();
      break;
    case DType::F64:
      scalar = b_.getDoubleTy();
      break;
    case DType::F16:
      scalar = b_.getHalfTy();
      break;
    case DType::BF16:
      scalar = b_.getInt16Ty();
      break;
    case DType::Bool:
      scalar = b_.getInt1Ty();
      break;
    default:
      // What is no number here is only moved.
      check(is_integer(type.dtype) || is_mini_float(type.dtype) || is_complex(type.dtype), "no machine type for ",
            dtype_name(type.dtype));
      scalar = b_.getIntNTy(unsigned(bits_of(type.dtype)));
  }
  return type.lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, unsigned(type.lanes));
}

llvm::Type* Emitter::memory_type(expr::Type type) {
  return register_type({type.dtype == DType::Bool ? DType::U8 : type.dtype, type.lanes});
}

llvm::Type* Emitter::int_type(expr::Type like, int bits) {
  llvm::Type* scalar = b_.getIntNTy(unsigned(bits));
  return like.lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, unsigned(like.lanes));
}

Emitter::Value* Emitter::splat(Value* v, int lanes) {
  if (lanes == 1 || v->getType()->isVectorTy()) return v;
  return b_.CreateVectorSplat(unsigned(lanes), v);
}

Emitter::Value* Emitter::any(Value* condition) {
  return condition->getType()->isVectorTy() ? b_.CreateOrReduce(condition) : condition;
}

Emitter::Value* Emitter::both(Value* a, Value* b) {
  if (!a) return b;
  if (!b) return a;
  auto lanes = [](Value* v) {
    auto* type = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
    return type ? int(type->getNumElements()) : 1;
  };
  int count = std::max(lanes(a), lanes(b));
  return b_.CreateAnd(splat(a, count), splat(b, count));
}

Emitter::Value* Emitter::lanes_guard(int lanes) { return guard_ ? splat(guard_, lanes) : nullptr; }

Emitter::Value* Emitter::pointer(const BufferPtr& buffer, Value* index) {
  auto found = pointers_.find(buffer.get());
  check(found != pointers_.end(), "buffer ", buffer->name, " is not an argument of kernel ", kernel_.name);
  return b_.CreateGEP(memory_type({buffer->dtype, 1}), found->second, index);
}

bool Emitter::loads(const Expr& e) {
  if (auto found = loads_.find(e.get()); found != loads_.end()) return found->second;
  bool result = e->kind == Kind::Load;
  for (const Expr& a : e->args) result = result || loads(a);
  loads_[e.get()] = result;
  return result;
}

bool Emitter::unrolled(const Expr& e) {
  if (unrolled_vars_.empty()) return false;
  if (auto found = unrolled_.find(e.get()); found != unrolled_.end()) return found->second;
  bool result = e->kind == Kind::Var &&
                std::find(unrolled_vars_.begin(), unrolled_vars_.end(), e->var.get()) != unrolled_vars_.end();
  for (const Expr& a : e->args) result = result || unrolled(a);
  unrolled_[e.get()] = result;
  return result;
}

Emitter::Value* Emitter::address(const BufferPtr& buffer, const Expr& index) {
  std::vector<std::pair<const expr::Node*, int>> shared;
  std::vector<std::pair<Expr, int>> shared_terms;
  std::vector<std::pair<Value*, int>> varying;
  int64_t constant = 0;
  auto collect = [&](auto& self, const Expr& e, int sign) -> void {
    if (e->kind == Kind::Add || e->kind == Kind::Sub) {
      self(self, e->args[0], sign);
      self(self, e->args[1], e->kind == Kind::Add ? sign : -sign);
      return;
    }
    if (e->kind == Kind::IntImm) {
      constant += sign * e->int_value;
    } else if (!loads(e) && !unrolled(e)) {
      shared.emplace_back(e.get(), sign);
      shared_terms.emplace_back(e, sign);
    } else {
      Value* v = value_of(e);
      if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(v)) {
        constant += sign * known->getSExtValue();
      } else {
        varying.emplace_back(v, sign);
      }
    }
  };
  collect(collect, index, 1);
  auto sum = [&](const std::vector<std::pair<Value*, int>>& terms) {
    Value* total = nullptr;
    for (const auto& [v, sign] : terms) {
      if (!total) {
        total = sign > 0 ? v : b_.CreateNeg(v);
      } else {
        total = sign > 0 ? b_.CreateAdd(total, v) : b_.CreateSub(total, v);
      }
    }
    return total;
  };
  if (bases_block_ != b_.GetInsertBlock()) {
    bases_.clear();
    bases_block_ = b_.GetInsertBlock();
  }
  Value* base = nullptr;
  for (const Base& known : bases_) {
    if (known.buffer == buffer.get() && known.terms == shared) base = known.pointer;
  }
  if (!base) {
    std::vector<std::pair<Value*, int>> values;
    for (const auto& [e, sign] : shared_terms) values.emplace_back(value_of(e), sign);
    base = pointer(buffer, values.empty() ? b_.getInt64(0) : sum(values));
    bases_.push_back({buffer.get(), shared, base});
  }
  llvm::Type* element = memory_type({buffer->dtype, 1});
  if (!varying.empty()) base = b_.CreateGEP(element, base, sum(varying));
  return constant == 0 ? base : b_.CreateConstGEP1_64(element, base, uint64_t(constant));
}

Emitter::Value* Emitter::from_memory(Value* v, expr::Type type) {
  return type.dtype == DType::Bool ? b_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType())) : v;
}

Emitter::Value* Emitter::to_memory(Value* v, expr::Type type) {
  return type.dtype == DType::Bool ? b_.CreateZExt(v, memory_type(type)) : v;
}

Emitter::Value* Emitter::evaluate(const Expr& e) {
  memo_.clear();
  return value_of(e);
}

Emitter::Value* Emitter::value_of(const Expr& e) {
  if (auto found = memo_.find(e.get()); found != memo_.end()) return found->second;
  Value* result = compute(e);
  memo_[e.get()] = result;
  return result;
}

Emitter::Value* Emitter::compute(const Expr& e) {
  llvm::Type* type = register_type(e->type);
  switch (e->kind) {
    case Kind::IntImm:
      return llvm::ConstantInt::get(type, uint64_t(e->int_value), is_signed(e->type.dtype));
    case Kind::FloatImm:
      // Narrow floats are stored, never computed with: what is left of them are constants to store.
      if (e->type.dtype == DType::F16 || e->type.dtype == DType::BF16) {
        expr::Type wide = e->type;
        wide.dtype = DType::F32;
        return convert(llvm::ConstantFP::get(register_type(wide), llvm::APFloat(float(e->float_value))), wide, e->type);
      }
      if (e->type.dtype == DType::F32) return llvm::ConstantFP::get(type, llvm::APFloat(float(e->float_value)));
      return llvm::ConstantFP::get(type, e->float_value);
    case Kind::Var: {
      auto found = variables_.find(e->var.get());
      check(found != variables_.end(), "variable ", e->var->name, " is not bound in kernel ", kernel_.name);
      return found->second;
    }
    case Kind::Cast:
      return emit_cast(e);
    case Kind::Add:
    case Kind::Sub:
    case Kind::Mul:
      return emit_binary(e);
    case Kind::Div:
    case Kind::Mod:
    case Kind::TruncDiv:
    case Kind::TruncRem:
      return emit_division(e);
    case Kind::Min:
    case Kind::Max:
      return emit_min_max(e);
    case Kind::Eq:
    case Kind::Ne:
    case Kind::Lt:
    case Kind::Le:
      return emit_compare(e);
    case Kind::And:
      return b_.CreateAnd(value_of(e->args[0]), value_of(e->args[1]));
    case Kind::Or:
      return b_.CreateOr(value_of(e->args[0]), value_of(e->args[1]));
    case Kind::Not:
      return b_.CreateNot(value_of(e->args[0]));
    case Kind::Select:
      return emit_select(e);
    case Kind::Load:
      return emit_load(e);
    case Kind::Call:
      return emit_call(e);
    case Kind::Broadcast:
      return splat(value_of(e->args[0]), e->type.lanes);
    case Kind::Ramp: {
      std::vector<llvm::Constant*> steps;
      llvm::Type* scalar = register_type({e->type.dtype, 1});
      for (int i = 0; i < e->type.lanes; ++i) steps.push_back(llvm::ConstantInt::get(scalar, uint64_t(i)));
      Value* base = splat(value_of(e->args[0]), e->type.lanes);
      Value* stride = splat(value_of(e->args[1]), e->type.lanes);
      return b_.CreateAdd(base, b_.CreateMul(stride, llvm::ConstantVector::get(steps)));
    }
  }
  fail(Status::InternalError, "internal error: unknown expression kind");
}

Emitter::Value* Emitter::multiply_add(Value* a, Value* b, Value* c) {
  // Fused where the target can; fma would be a library call elsewhere.
  return b_.CreateIntrinsic(llvm::Intrinsic::fmuladd, {a->getType()}, {a, b, c});
}

// A product that is added or subtracted is fused with that. The expression alone decides where: left to LLVM, the bits
// of a result would depend on the code around it.
Emitter::Value* Emitter::emit_fused(const Expr& e) {
  const Expr &left = e->args[0], &right = e->args[1];
  const auto negated = [&](Value* v) { return e->kind == Kind::Sub ? b_.CreateFNeg(v) : v; };
  if (right->kind == Kind::Mul)
    return multiply_add(negated(value_of(right->args[0])), value_of(right->args[1]), value_of(left));
  return multiply_add(value_of(left->args[0]), value_of(left->args[1]), negated(value_of(right)));
}

Emitter::Value* Emitter::emit_binary(const Expr& e) {
  const bool sum = e->kind == Kind::Add || e->kind == Kind::Sub;
  const bool of_product = e->args[0]->kind == Kind::Mul || e->args[1]->kind == Kind::Mul;
  if (sum && of_product && is_float(e->type.dtype)) return emit_fused(e);
  Value* a = value_of(e->args[0]);
  Value* b = value_of(e->args[1]);
  switch (e->kind) {
    case Kind::Add:
      if (is_float(e->type.dtype)) return b_.CreateFAdd(a, b);
      return b_.CreateAdd(a, b);
    case Kind::Sub:
      if (is_float(e->type.dtype)) return b_.CreateFSub(a, b);
      return b_.CreateSub(a, b);
    default:
      if (e->type.dtype == DType::Bool) return b_.CreateAnd(a, b);
      if (is_float(e->type.dtype)) return b_.CreateFMul(a, b);
      return b_.CreateMul(a, b);
  }
}

Emitter::Value* Emitter::emit_division(const Expr& e) {
  Value* a = value_of(e->args[0]);
  Value* b = value_of(e->args[1]);
  if (is_float(e->type.dtype)) {
    check(e->kind == Kind::Div, "float remainder was not expanded");
    return b_.CreateFDiv(a, b);
  }
  const Expr& scalar_divisor = e->args[1]->kind == Kind::Broadcast ? e->args[1]->args[0] : e->args[1];
  auto divisor = expr::as_int(scalar_divisor);
  bool quotient = e->kind == Kind::Div || e->kind == Kind::TruncDiv;
  bool unsigned_operands = !is_signed(e->type.dtype);
  if (!divisor || *divisor == 0 || *divisor == -1) {
    // A zero divisor or the overflowing MIN / -1 would trap: inactive lanes divide by one, -1 negates.
    llvm::Type* type = b->getType();
    Value* one = llvm::ConstantInt::get(type, 1);
    Value* zero = llvm::Constant::getNullValue(type);
    Value* safe = b_.CreateSelect(b_.CreateICmpEQ(b, zero), one, b);
    if (!unsigned_operands) {
      Value* minus = b_.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(type));
      safe = b_.CreateSelect(minus, one, safe);
      Value* general = nullptr;
      Value* q = b_.CreateSDiv(a, safe);
      Value* r = b_.CreateSub(a, b_.CreateMul(q, safe));
      if (e->kind == Kind::Div || e->kind == Kind::Mod) {
        Value* adjust = b_.CreateAnd(b_.CreateICmpNE(r, zero), b_.CreateICmpSLT(b_.CreateXor(r, safe), zero));
        q = b_.CreateSelect(adjust, b_.CreateSub(q, one), q);
        r = b_.CreateSelect(adjust, b_.CreateAdd(r, safe), r);
      }
      general = quotient ? q : r;
      return b_.CreateSelect(minus, quotient ? b_.CreateNeg(a) : zero, general);
    }
    return quotient ? b_.CreateUDiv(a, safe) : b_.CreateURem(a, safe);
  }
  if (unsigned_operands) return quotient ? b_.CreateUDiv(a, b) : b_.CreateURem(a, b);
  bool truncating = e->kind == Kind::TruncDiv || e->kind == Kind::TruncRem;
  if (*divisor > 0 && !truncating) {
    if ((*divisor & (*divisor - 1)) == 0) {
      if (!quotient) return b_.CreateAnd(a, llvm::ConstantInt::get(a->getType(), uint64_t(*divisor - 1)));
      return b_.CreateAShr(a, llvm::ConstantInt::get(a->getType(), uint64_t(__builtin_ctzll(uint64_t(*divisor)))));
    }
    if (e->type.lanes == 1 && e->type.dtype == DType::I64 && expr::facts_of(e->args[0]).min >= 0) {
      return quotient ? b_.CreateUDiv(a, b) : b_.CreateURem(a, b);
    }
  }
  if (truncating) return quotient ? b_.CreateSDiv(a, b) : b_.CreateSRem(a, b);
  Value* zero = llvm::Constant::getNullValue(a->getType());
  Value* r = b_.CreateSRem(a, b);
  Value* adjust = b_.CreateAnd(b_.CreateICmpNE(r, zero), b_.CreateICmpSLT(b_.CreateXor(r, b), zero));
  if (!quotient) return b_.CreateSelect(adjust, b_.CreateAdd(r, b), r);
  return b_.CreateSub(b_.CreateSDiv(a, b), b_.CreateZExt(adjust, a->getType()));
}

Emitter::Value* Emitter::emit_compare(const Expr& e) {
  Value* a = value_of(e->args[0]);
  Value* b = value_of(e->args[1]);
  DType dtype = e->args[0]->type.dtype;
  using P = llvm::CmpInst::Predicate;
  bool ordered = is_signed(dtype);
  P predicate = P::ICMP_EQ;
  switch (e->kind) {
    case Kind::Eq:
      predicate = is_float(dtype) ? P::FCMP_OEQ : P::ICMP_EQ;
      break;
    case Kind::Ne:
      predicate = is_float(dtype) ? P::FCMP_UNE : P::ICMP_NE;
      break;
    case Kind::Lt:
      predicate = is_float(dtype) ? P::FCMP_OLT : ordered ? P::ICMP_SLT : P::ICMP_ULT;
      break;
    default:
      predicate = is_float(dtype) ? P::FCMP_OLE : ordered ? P::ICMP_SLE : P::ICMP_ULE;
      break;
  }
  return b_.CreateCmp(predicate, a, b);
}

Emitter::Value* Emitter::emit_min_max(const Expr& e) {
  Value* a = value_of(e->args[0]);
  Value* b = value_of(e->args[1]);
  bool minimum = e->kind == Kind::Min;
  DType dtype = e->type.dtype;
  if (!is_float(dtype)) {
    using P = llvm::CmpInst::Predicate;
    P less = is_signed(dtype) ? P::ICMP_SLT : P::ICMP_ULT;
    return minimum ? b_.CreateSelect(b_.CreateICmp(less, a, b), a, b)
                   : b_.CreateSelect(b_.CreateICmp(less, a, b), b, a);
  }
  // b wins only when the comparison is true, so a NaN in `a` stays; a NaN in `b` needs a second look.
  bool a_number = expr::is_number(e->args[0]);
  if (a_number) std::swap(a, b);
  Value* wins = minimum ? b_.CreateFCmpOLT(b, a) : b_.CreateFCmpOGT(b, a);
  Value* result = b_.CreateSelect(wins, b, a);
  if (a_number || expr::is_number(e->args[1])) return result;
  return b_.CreateSelect(b_.CreateFCmpUNO(b, b), b, result);
}

Emitter::Value* Emitter::emit_select(const Expr& e) {
  Value* condition = value_of(e->args[0]);
  Value* outer = guard_;
  // Values computed under a guard are not valid outside it, so each arm has a memo of its own.
  auto arm = [&](const Expr& value, bool taken) {
    auto saved = memo_;
    guard_ = both(outer, taken ? condition : b_.CreateNot(condition));
    Value* result = value_of(value);
    guard_ = outer;
    memo_ = std::move(saved);
    return result;
  };
  auto simple = [](const Expr& x) {
    return x->kind == Kind::IntImm || x->kind == Kind::FloatImm || x->kind == Kind::Var ||
           (x->kind == Kind::Broadcast && x->args[0]->args.empty());
  };
  Value* a = simple(e->args[1]) ? value_of(e->args[1]) : arm(e->args[1], true);
  Value* b = simple(e->args[2]) ? value_of(e->args[2]) : arm(e->args[2], false);
  return b_.CreateSelect(condition, a, b);
}

// Out of all loops, but not out of the epilogue of a sum, whose accumulators need the registers.
Emitter::Value* Emitter::load_number(const BufferPtr& buffer) {
  auto* number = b_.CreateAlignedLoad(memory_type({buffer->dtype, 1}), pointers_.at(buffer.get()),
                                      llvm::Align(element_align(buffer->dtype)));
  if (accumulators_ == 0) number->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  return with_alias(number, buffer);
}

Emitter::Value* Emitter::emit_load(const Expr& e) {
  check(e->args.size() == 1, "load from ", e->buffer->name, " is not flat");
  const Expr& index = e->args[0];
  int lanes = e->type.lanes;
  llvm::Align align(element_align(e->buffer->dtype));
  expr::Type type{e->buffer->dtype, lanes};
  if (e->buffer->number) return splat(load_number(e->buffer), lanes);
  // Registers never fault, and a masked access would keep them in memory.
  bool guarded = guard_ && e->buffer->scope != expr::Buffer::Scope::Register;
  if (lanes == 1) {
    Value* at = address(e->buffer, index);
    if (guarded) at = b_.CreateSelect(any(guard_), at, dummy_);
    return from_memory(with_alias(b_.CreateAlignedLoad(memory_type(type), at, align), e->buffer), type);
  }
  if (index->kind == Kind::Broadcast) {
    Value* at = address(e->buffer, index->args[0]);
    if (guarded) at = b_.CreateSelect(any(guard_), at, dummy_);
    Value* one = with_alias(b_.CreateAlignedLoad(memory_type({type.dtype, 1}), at, align), e->buffer);
    return splat(from_memory(one, {type.dtype, 1}), lanes);
  }
  Value* mask = guarded ? lanes_guard(lanes) : nullptr;
  bool ramp = index->kind == Kind::Ramp;
  if (ramp && expr::is_const(index->args[1], 1)) {
    Value* at = address(e->buffer, index->args[0]);
    llvm::Instruction* loaded =
        mask ? static_cast<llvm::Instruction*>(b_.CreateMaskedLoad(memory_type(type), at, align, mask,
                                                                   llvm::Constant::getNullValue(memory_type(type))))
             : b_.CreateAlignedLoad(memory_type(type), at, align);
    return from_memory(with_alias(loaded, e->buffer), type);
  }
  if (ramp && !mask && expr::is_const(index->args[1], -1)) {
    Value* last = b_.CreateConstGEP1_64(memory_type({type.dtype, 1}), address(e->buffer, index->args[0]),
                                        uint64_t(int64_t{1} - lanes));
    Value* loaded = with_alias(b_.CreateAlignedLoad(memory_type(type), last, align), e->buffer);
    return from_memory(b_.CreateVectorReverse(loaded), type);
  }
  if (ramp && expr::is_const(index->args[1], 2) && lanes % 2 == 0)
    return from_memory(every_second(e->buffer, address(e->buffer, index->args[0]), mask, type), type);
  Value* addresses = pointer(e->buffer, value_of(index));
  auto* gathered =
      b_.CreateMaskedGather(memory_type(type), addresses, align, mask, llvm::Constant::getNullValue(memory_type(type)));
  return from_memory(with_alias(gathered, e->buffer), type);
}

// Elements 0, 2, 4, ... behind `at`, from two loads that end with the last of them: a gather takes several times
// longer. `mask` may be null.
Emitter::Value* Emitter::every_second(const expr::BufferPtr& buffer, Value* at, Value* mask, expr::Type type) {
  const int lanes = type.lanes;
  llvm::Type* vector = memory_type(type);
  llvm::Constant* nothing = llvm::Constant::getNullValue(vector);
  const llvm::Align align(element_align(buffer->dtype));
  llvm::SmallVector<int> chosen;
  for (int i = 0; i < lanes; ++i) chosen.push_back(2 * i < lanes ? 2 * i : 2 * i + 1);
  // `offset` elements behind `at`; where a mask says so, only those that become lanes.
  const auto load = [&](int offset) -> Value* {
    Value* from = b_.CreateConstGEP1_64(memory_type({type.dtype, 1}), at, uint64_t(offset));
    if (!mask) return with_alias(b_.CreateAlignedLoad(vector, from, align), buffer);
    llvm::SmallVector<int> lane_of;
    for (int j = 0; j < lanes; ++j) lane_of.push_back((j + offset) % 2 == 0 ? (j + offset) / 2 : lanes);
    Value* needed = b_.CreateShuffleVector(mask, llvm::Constant::getNullValue(mask->getType()), lane_of);
    return with_alias(b_.CreateMaskedLoad(vector, from, align, needed, nothing), buffer);
  };
  Value* first = load(0);
  return b_.CreateShuffleVector(first, load(lanes - 1), chosen);
}

Emitter::Value* Emitter::emit_scale(const Expr& e, Value* a, Value* b) {
  const bool single = e->type.dtype == DType::F32;
  const int lanes = e->type.lanes, bits = lanes * bits_of(e->type.dtype);
  llvm::Type* type = a->getType();
  if (target_.vector_bytes == 64 && (bits == 512 || bits == 256 || bits == 128)) {
    Value* all = llvm::Constant::getAllOnesValue(b_.getIntNTy(unsigned(std::max(lanes, 8))));
    std::vector<Value*> args{a, b, llvm::PoisonValue::get(type), all};
    if (bits == 512) args.push_back(b_.getInt32(4));  // the current rounding mode
    const ID of_single = bits == 512   ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_512
                         : bits == 256 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_256
                                       : llvm::Intrinsic::x86_avx512_mask_scalef_ps_128;
    const ID of_double = bits == 512   ? llvm::Intrinsic::x86_avx512_mask_scalef_pd_512
                         : bits == 256 ? llvm::Intrinsic::x86_avx512_mask_scalef_pd_256
                                       : llvm::Intrinsic::x86_avx512_mask_scalef_pd_128;
    return b_.CreateIntrinsic(single ? of_single : of_double, {}, args);
  }
  // Two factors, each a power of two whose exponent is put where it belongs, so that neither overflows.
  const unsigned mantissa = single ? 23 : 52;
  llvm::Type* integer =
      single ? llvm::Type::getInt32Ty(type->getContext()) : llvm::Type::getInt64Ty(type->getContext());
  if (lanes > 1) integer = llvm::FixedVectorType::get(integer, unsigned(lanes));
  Value* n = b_.CreateFPToSI(b, integer);
  Value* high = b_.CreateAShr(n, 1);
  const auto power = [&](Value* exponent) {
    Value* biased = b_.CreateAdd(exponent, llvm::ConstantInt::get(integer, single ? 127 : 1023));
    return b_.CreateBitCast(b_.CreateShl(biased, mantissa), type);
  };
  return b_.CreateFMul(b_.CreateFMul(a, power(high)), power(b_.CreateSub(n, high)));
}

Emitter::Value* Emitter::emit_reduce(const Expr& e, Value* a) {
  bool is_f = is_float(e->type.dtype);
  llvm::Type* scalar = register_type(e->type);
  switch (e->function) {
    case Function::ReduceAdd: {
      if (!is_f) return b_.CreateAddReduce(a);
      auto* sum = b_.CreateFAddReduce(llvm::ConstantFP::getNegativeZero(scalar), a);
      sum->setHasAllowReassoc(true);
      return sum;
    }
    case Function::ReduceMul: {
      if (!is_f) return b_.CreateMulReduce(a);
      auto* product = b_.CreateFMulReduce(llvm::ConstantFP::get(scalar, 1.0), a);
      product->setHasAllowReassoc(true);
      return product;
    }
    case Function::ReduceMin:
    case Function::ReduceMax: {
      bool minimum = e->function == Function::ReduceMin;
      if (!is_f) {
        return minimum ? b_.CreateIntMinReduce(a, is_signed(e->type.dtype))
                       : b_.CreateIntMaxReduce(a, is_signed(e->type.dtype));
      }
      // fmin/fmax reductions ignore NaNs; a NaN lane must win.
      llvm::CallInst* best = minimum ? b_.CreateFPMinReduce(a) : b_.CreateFPMaxReduce(a);
      best->setHasNoNaNs(true);  // so that it becomes a tree; the select below does not use it then
      Value* has_nan = b_.CreateOrReduce(b_.CreateFCmpUNO(a, a));
      return b_.CreateSelect(has_nan, llvm::ConstantFP::getNaN(scalar), best);
    }
    default:
      fail(Status::InternalError, "internal error: not a reduction");
  }
}

Emitter::Value* Emitter::emit_call(const Expr& e) {
  std::vector<Value*> args;
  for (const Expr& a : e->args) args.push_back(value_of(a));
  DType dtype = e->args[0]->type.dtype;
  llvm::Type* type = args[0]->getType();
  bool is_f = is_float(dtype);
  auto unary = [&](ID id) { return b_.CreateUnaryIntrinsic(id, args[0]); };
  switch (e->function) {
    case Function::Abs:
      if (is_f) return unary(llvm::Intrinsic::fabs);
      if (!is_signed(dtype)) return args[0];
      return b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, args[0], b_.getFalse());
    case Function::Floor:
      return is_f ? unary(llvm::Intrinsic::floor) : args[0];
    case Function::Ceil:
      return is_f ? unary(llvm::Intrinsic::ceil) : args[0];
    case Function::Round:
      return is_f ? unary(llvm::Intrinsic::roundeven) : args[0];
    case Function::Trunc:
      return is_f ? unary(llvm::Intrinsic::trunc) : args[0];
    case Function::Sqrt:
      return unary(llvm::Intrinsic::sqrt);
    case Function::Fma:
      return multiply_add(args[0], args[1], args[2]);
    case Function::Scale:
      return emit_scale(e, args[0], args[1]);
    case Function::Dot4:
      return b_.CreateIntrinsic(
          of_lanes(e, llvm::Intrinsic::x86_avx512_vpdpbusd_512, llvm::Intrinsic::x86_avx512_vpdpbusd_256,
                   llvm::Intrinsic::x86_avx512_vpdpbusd_128),
          {}, args);
    case Function::Dot2: {
      llvm::Type* pairs = llvm::FixedVectorType::get(b_.getBFloatTy(), unsigned(2 * e->type.lanes));
      for (Value*& factor : std::span(args).subspan(1)) factor = b_.CreateBitCast(factor, pairs);
      return b_.CreateIntrinsic(
          of_lanes(e, llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512, llvm::Intrinsic::x86_avx512bf16_dpbf16ps_256,
                   llvm::Intrinsic::x86_avx512bf16_dpbf16ps_128),
          {}, args);
    }
    case Function::Bits:
      return b_.CreateBitCast(args[0], register_type(e->type));
    case Function::IsNan:
      return b_.CreateFCmpUNO(args[0], args[0]);
    case Function::IsInf:
      return b_.CreateFCmpOEQ(unary(llvm::Intrinsic::fabs), llvm::ConstantFP::getInfinity(type));
    case Function::BitAnd:
      return b_.CreateAnd(args[0], args[1]);
    case Function::BitOr:
      return b_.CreateOr(args[0], args[1]);
    case Function::BitXor:
      return b_.CreateXor(args[0], args[1]);
    case Function::BitNot:
      return b_.CreateNot(args[0]);
    case Function::ShiftLeft:
    case Function::ShiftRight: {
      // Shifts by the width or more: zero (or the sign).
      Value* width = llvm::ConstantInt::get(type, uint64_t(bits_of(dtype)));
      Value* last = llvm::ConstantInt::get(type, uint64_t(bits_of(dtype) - 1));
      Value* inside = b_.CreateICmpULT(args[1], width);
      Value* amount = b_.CreateSelect(inside, args[1], last);
      if (e->function == Function::ShiftRight && is_signed(dtype)) return b_.CreateAShr(args[0], amount);
      Value* zero = llvm::Constant::getNullValue(type);
      Value* moved =
          e->function == Function::ShiftLeft ? b_.CreateShl(args[0], amount) : b_.CreateLShr(args[0], amount);
      return b_.CreateSelect(inside, moved, zero);
    }
    case Function::ReduceAdd:
    case Function::ReduceMul:
    case Function::ReduceMin:
    case Function::ReduceMax:
      return emit_reduce(e, args[0]);
    default:
      fail(Status::InternalError, "internal error: function ", function_name(e->function), " was not expanded");
  }
}

}  // namespace sardonyx::cpu
