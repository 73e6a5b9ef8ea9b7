// Conversions.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <cmath>

#include "backends/cpu/llvm/emitter.h"
#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

using expr::Expr;
using expr::Function;
using expr::Kind;
using llvm::Intrinsic::ID;

namespace {

bool is_integer_of(const Expr& e, int64_t value) {
  return e->kind == Kind::Broadcast ? is_integer_of(e->args[0], value) : expr::is_const(e, value);
}

// min(max(x, low), high) in any order, the bounds being numbers of a type: x itself may be NaN.
bool is_clamped_to(const Expr& e, DType dtype) {
  const int64_t low = is_signed(dtype) ? -(int64_t{1} << (bits_of(dtype) - 1)) : 0;
  const double bottom = double(low), top = double(low + (int64_t{1} << bits_of(dtype)) - 1);
  bool below = false, above = false;
  Expr inner = e;
  while (inner->kind == Kind::Min || inner->kind == Kind::Max) {
    const auto left = expr::float_number(inner->args[0]), right = expr::float_number(inner->args[1]);
    if (!left == !right) return false;
    const double bound = left ? *left : *right;
    if (!(bound >= bottom && bound <= top)) return false;
    (inner->kind == Kind::Min ? above : below) = true;
    if (below && above) return true;
    inner = inner->args[left ? 1 : 0];
  }
  return false;
}

// The other operand of `e`, which is of `kind` and has the number as one operand; null when it is something else.
Expr beside_number(const Expr& e, Kind kind, double number) {
  if (e->kind != kind) return {};
  if (expr::float_number(e->args[1]) == number) return e->args[0];
  return expr::float_number(e->args[0]) == number ? e->args[1] : Expr();
}

Expr rounded_by(const Expr& e) { return e->kind == Kind::Call && e->function == Function::Round ? e->args[0] : Expr(); }

}  // namespace

Emitter::Value* Emitter::f32_from_bf16(Value* bits) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(bits->getType());
  expr::Type like{DType::F32, vector ? int(vector->getNumElements()) : 1};
  Value* wide = b_.CreateShl(b_.CreateZExt(bits, int_type(like, 32)), 16);
  return b_.CreateBitCast(wide, register_type(like));
}

Emitter::Value* Emitter::bf16_from_f32(Value* v) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  expr::Type like{DType::F32, vector ? int(vector->getNumElements()) : 1};
  llvm::Type* i32 = int_type(like, 32);
  auto constant = [&](uint64_t x) { return llvm::ConstantInt::get(i32, x); };
  Value* bits = b_.CreateBitCast(v, i32);
  Value* odd = b_.CreateAnd(b_.CreateLShr(bits, 16), constant(1));
  Value* rounded = b_.CreateAdd(bits, b_.CreateAdd(odd, constant(0x7fff)));
  Value* quiet = b_.CreateOr(bits, constant(0x400000));
  Value* result = b_.CreateSelect(b_.CreateFCmpUNO(v, v), quiet, rounded);
  return b_.CreateTrunc(b_.CreateLShr(result, 16), int_type(like, 16));
}

// F32 of the sign-extended nibble that `e` shifts up and down again, sixteen lanes at once: a look-up by the low four
// bits of each lane. Null when `e` is something else or the machine has no such look-up.
Emitter::Value* Emitter::nibble_to_f32(const Expr& e) {
  const auto shifts = [](const Expr& x, Function function) { return x->kind == Kind::Call && x->function == function; };
  const expr::Type type{DType::I32, 16};
  if (target_.vector_bytes < 64 || e->type != type || !shifts(e, Function::ShiftRight)) return nullptr;
  const Expr& up = e->args[0];
  if (!shifts(up, Function::ShiftLeft) || !is_integer_of(e->args[1], 28)) return nullptr;
  llvm::SmallVector<llvm::Constant*> numbers;
  for (int i = 0; i < 16; ++i) numbers.push_back(llvm::ConstantFP::get(b_.getFloatTy(), i < 8 ? i : i - 16));
  Value* amount = value_of(up->args[1]);
  if (!llvm::isa<llvm::Constant>(amount)) return nullptr;
  Value* down = b_.CreateSub(llvm::ConstantInt::get(amount->getType(), 28), amount);
  Value* lowest = b_.CreateLShr(value_of(up->args[0]), down);
  return b_.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_sf_512, {},
                            {llvm::ConstantVector::get(numbers), lowest});
}

// U8 of min(max(x, 0), 255), sixteen lanes: the narrowing saturates above, and where x is round(y), or that plus a zero
// point, the conversion rounds. NaN gives 0. Null when `e` is something else.
Emitter::Value* Emitter::saturated_u8(const Expr& e) {
  if (target_.vector_bytes < 64 || e->type != expr::Type{DType::F32, 16}) return nullptr;
  const Expr below = beside_number(e, Kind::Min, 255);
  Expr x = below.defined() ? beside_number(below, Kind::Max, 0) : Expr();
  if (!x.defined()) return nullptr;
  int64_t zero = 0;
  Expr exact = rounded_by(x);
  for (size_t side = 0; side < 2 && x->kind == Kind::Add && !exact.defined(); ++side) {
    const double shift = expr::float_number(x->args[1 - side]).value_or(-1);
    if (shift < 0 || shift > 255 || shift != std::floor(shift)) continue;
    exact = rounded_by(x->args[side]);
    if (exact.defined()) zero = int64_t(shift);
  }
  Value* v = value_of(exact.defined() ? exact : x);
  llvm::Type* words = int_type(e->type, 32);
  Value* low = llvm::ConstantFP::get(v->getType(), double(-zero));
  Value* above = b_.CreateSelect(b_.CreateFCmpOGT(v, low), v, low);
  Value* number = b_.CreateIntrinsic(
      exact.defined() ? llvm::Intrinsic::x86_avx512_mask_cvtps2dq_512 : llvm::Intrinsic::x86_avx512_mask_cvttps2dq_512,
      {}, {above, llvm::PoisonValue::get(words), b_.getInt16(0xffff), b_.getInt32(4)});
  // What is too large became the lowest number, which is a large one without its sign.
  if (zero != 0) number = b_.CreateAdd(number, llvm::ConstantInt::get(words, uint64_t(zero)));
  Value* highest = llvm::ConstantInt::get(words, 255);
  number = b_.CreateSelect(b_.CreateICmpULT(number, highest), number, highest);
  return b_.CreateTrunc(number, register_type({DType::U8, 16}));
}

Emitter::Value* Emitter::emit_cast(const Expr& e) {
  if (e->type.dtype == DType::F32)
    if (Value* number = nibble_to_f32(e->args[0])) return number;
  if (e->type.dtype == DType::U8)
    if (Value* code = saturated_u8(e->args[0])) return code;
  Value* v = value_of(e->args[0]);
  const expr::Type from = e->args[0]->type;
  const bool bytes = is_integer(e->type.dtype) && bits_of(e->type.dtype) <= 16;
  if (from.lanes == 1 || from.dtype != DType::F32 || !bytes || !is_clamped_to(e->args[0], e->type.dtype))
    return convert(v, from, e->type);
  // A number of the type or NaN, which becomes 0: no saturation.
  Value* number = b_.CreateSelect(b_.CreateFCmpORD(v, v), v, llvm::Constant::getNullValue(v->getType()));
  return b_.CreateTrunc(b_.CreateFPToSI(number, int_type(from, 32)), register_type(e->type));
}

Emitter::Value* Emitter::convert(Value* v, expr::Type from, expr::Type to) {
  if (from.dtype == to.dtype) return v;
  expr::Type f32{DType::F32, from.lanes};
  if (from.dtype == DType::BF16) return convert(f32_from_bf16(v), f32, to);
  if (to.dtype == DType::BF16) {
    Value* wide = convert(v, from, f32);
    if (!target_.bf16_products || f32.lanes != 16) return bf16_from_f32(wide);
    return b_.CreateBitCast(b_.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512, {}, {wide}),
                            register_type(to));
  }
  if (from.dtype == DType::F16 && to.dtype != DType::F32) {
    return convert(b_.CreateFPExt(v, register_type(f32)), f32, to);
  }
  if (to.dtype == DType::F16 && from.dtype != DType::F32) {
    return b_.CreateFPTrunc(convert(v, from, f32), register_type(to));
  }
  llvm::Type* type = register_type(to);
  bool from_float = is_float(from.dtype), to_float = is_float(to.dtype);
  if (to.dtype == DType::Bool) {
    Value* zero = llvm::Constant::getNullValue(v->getType());
    return from_float ? b_.CreateFCmpUNE(v, zero) : b_.CreateICmpNE(v, zero);
  }
  if (from_float && to_float) return b_.CreateFPCast(v, type);
  if (from_float && from.lanes > 1 && bits_of(to.dtype) <= 16) {
    // Vectors of bytes would be saturated one by one: I32 first.
    llvm::Type* wide = int_type(from, 32);
    Value* number = b_.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {wide, v->getType()}, {v});
    const int64_t low = is_signed(to.dtype) ? -(int64_t{1} << (bits_of(to.dtype) - 1)) : 0;
    const int64_t high = low + (int64_t{1} << bits_of(to.dtype)) - 1;
    number = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, number, llvm::ConstantInt::get(wide, uint64_t(low), true));
    number =
        b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, number, llvm::ConstantInt::get(wide, uint64_t(high), true));
    return b_.CreateTrunc(number, type);
  }
  if (from_float) {
    ID id = is_signed(to.dtype) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return b_.CreateIntrinsic(id, {type, v->getType()}, {v});
  }
  if (to_float) return is_signed(from.dtype) ? b_.CreateSIToFP(v, type) : b_.CreateUIToFP(v, type);
  return b_.CreateIntCast(v, type, is_signed(from.dtype));
}

}  // namespace sardonyx::cpu
