// Expressions: one immutable tree type for symbolic dims, loop bounds, addresses and the scalar bodies of kernels.
//
// Semantics
//  * Every expression has a Type: dtype and lanes (1 for scalars). Dims and loop variables are I64. Operands of binary
//    kinds have equal types; comparisons and logic give Bool with the operands' lanes.
//  * I64 arithmetic of dims and indices does not overflow: importers check sizes before they become expressions.
//    Narrower integer arithmetic wraps (two's complement), as kernels for ONNX's integer types need.
//  * Div and Mod on integers are *floor* division and its remainder (sign of the divisor); x/0 is an error at
//    evaluation. TruncDiv and TruncRem round toward zero (C semantics). On floats Div is IEEE; Mod, TruncDiv and
//    TruncRem are for integers only (fmod is a Call).
//  * Floats are IEEE: no reassociation, x*0 is not 0, min/max are ONNX's (a NaN operand gives NaN).
//  * Select evaluates like a blend but a Load in the untaken arm must not fault: code generation guards it.
//
// Nodes are never mutated; handles are reference-counted, so sub-trees may be shared freely between threads. A pass
// that changes nothing returns the same pointer. Example: `simplify((n * 16 + i) / 16)` gives `n` when 0 <= i < 16.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"

namespace sardonyx::expr {

struct Type {
  DType dtype = DType::I64;
  int lanes = 1;
  bool operator==(const Type&) const = default;
};

enum class Kind : uint8_t {
  IntImm,    // integer or Bool constant: int_value
  FloatImm,  // float constant: float_value
  Var,       // symbol or loop variable: var
  Cast,      // a converted to type (C semantics; float->int truncates and saturates, NaN gives 0; x->Bool is x != 0)
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  TruncDiv,
  TruncRem,
  Min,
  Max,
  Eq,
  Ne,
  Lt,
  Le,
  And,
  Or,
  Not,        // Bool only (bitwise operations on integers are Calls)
  Select,     // args: condition, then, else
  Load,       // buffer[args...]; one index per dim of the buffer, or a single flat element index after flattening
  Call,       // function(args...), element-wise
  Ramp,       // args[0] + args[1] * lane index, `lanes` lanes
  Broadcast,  // args[0] in every lane
};

// Element-wise functions. All are pure. Float functions accept F32 and F64 (others are legalised to F32).
enum class Function : uint8_t {
  Abs,
  Sign,
  Floor,
  Ceil,
  Round /* half to even */,
  Trunc,
  Sqrt,
  Exp,
  Log,
  Log1p,
  Expm1,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Sigmoid,
  Pow,
  Fmod,
  IsNan,
  IsInf,
  Scale,  // a * 2^b for an integral b, rounded once where the target can; of floats
  Fma,    // a * b + c, contracted where the target can
  BitAnd,
  BitOr,
  BitXor,
  BitNot,
  ShiftLeft,
  ShiftRight /* arithmetic when signed */,
  Dot4,  // I32: a + the sum of the four products of the unsigned bytes of b by the signed bytes of c
  // F32: a + the sum of the two products of the BF16 that are the lower and the upper halves of b and c. Numbers below
  // the normal ones may count as 0.
  Dot2,
  // Reinterprets F32 <-> I32 and F64 <-> I64, and the byte of a mini float or small integer as U8 or I8; after
  // legalisation and math expansion, and where a primitive is about bits.
  Bits,
  // Its argument: an index or a divisor that may be wrong although it reads no memory. Lowering checks what contains
  // it, as it checks what contains a Load, and takes it away.
  Checked,
  ReduceAdd,
  ReduceMul,
  ReduceMin,
  ReduceMax,  // horizontal: vector -> scalar; only after vectorisation
};
std::string_view function_name(Function function);

// What is known about a variable. Inclusive bounds.
struct Facts {
  int64_t min = INT64_MIN;
  int64_t max = INT64_MAX;
  int64_t multiple_of = 1;
};

struct Variable {
  std::string name;
  Facts facts;
};
using VarPtr = std::shared_ptr<const Variable>;  // identity is the pointer, the name is for people

class Expr;

// Memory that Load and Store address. `dims` are the logical extents; after flattening, `flat` buffers are addressed
// by one element offset.
struct Buffer {
  std::string name;
  DType dtype = DType::F32;
  std::vector<Expr> dims;
  bool flat = false;
  bool number = false;  // one element, finite, which nothing changes while a kernel runs
  // Global: an argument of the kernel. Scratch: memory of one grid index. Register: private values, constant dims.
  // Local: shared by the lanes of one grid index (compiler/tensor/loop.h), constant dims.
  enum class Scope : uint8_t { Global, Scratch, Register, Local } scope = Scope::Global;
};
using BufferPtr = std::shared_ptr<const Buffer>;

struct Node;

// Handle to an immutable node. Default-constructed handles are null (defined() is false).
class Expr {
 public:
  Expr() = default;
  Expr(int64_t value);  // NOLINT: dims mix freely with integer literals; I64
  Expr(int value) : Expr(int64_t{value}) {}
  explicit Expr(VarPtr var);  // I64
  explicit Expr(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  bool defined() const { return node_ != nullptr; }
  const Node* operator->() const { return node_.get(); }
  const Node& operator*() const { return *node_; }
  const Node* get() const { return node_.get(); }
  bool same_as(const Expr& other) const { return node_ == other.node_; }

 private:
  std::shared_ptr<const Node> node_;
};

struct Node {
  Kind kind = Kind::IntImm;
  Type type;
  int64_t int_value = 0;
  double float_value = 0;
  VarPtr var;
  BufferPtr buffer;
  Function function = Function::Abs;
  std::vector<Expr> args;
  uint64_t hash = 0;  // structural; variables and buffers by identity
};

// ---- construction. Constants fold at once (both operands immediate); nothing else is simplified. ----
Expr int_imm(int64_t value, DType dtype = DType::I64);
Expr float_imm(double value, DType dtype);
Expr bool_imm(bool value);
// An immediate of any numeric dtype.
Expr imm(double value, DType dtype);
VarPtr make_var(std::string name, Facts facts = {});
Expr make(Kind kind, Expr a, Expr b);  // binary kinds
Expr make_not(Expr a);
Expr select(Expr condition, Expr then_value, Expr else_value);
Expr cast(Expr a, DType dtype);  // the same handle when the dtype is equal
Expr load(BufferPtr buffer, std::vector<Expr> index);
Expr call(Function function, std::vector<Expr> args);
Expr ramp(Expr base, Expr stride, int lanes);
Expr broadcast(Expr value, int lanes);
// The same kind of node over other args (types recomputed).
Expr rebuild(const Expr& original, std::vector<Expr> args);

Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr operator/(const Expr& a, const Expr& b);  // floor on integers
Expr operator%(const Expr& a, const Expr& b);  // floor on integers
Expr operator-(const Expr& a);
Expr operator<(const Expr& a, const Expr& b);
Expr operator<=(const Expr& a, const Expr& b);
Expr operator>(const Expr& a, const Expr& b);
Expr operator>=(const Expr& a, const Expr& b);
Expr operator==(const Expr& a, const Expr& b);  // builds a comparison; structural equality is equal()
Expr operator!=(const Expr& a, const Expr& b);
Expr operator&&(const Expr& a, const Expr& b);
Expr operator||(const Expr& a, const Expr& b);
Expr operator!(const Expr& a);
Expr min(const Expr& a, const Expr& b);
Expr max(const Expr& a, const Expr& b);
Expr ceil_div(const Expr& a, const Expr& b);  // (a + b - 1) / b

// ---- queries ----
bool equal(const Expr& a, const Expr& b);      // structural
std::optional<int64_t> as_int(const Expr& e);  // the value of an IntImm
bool is_const(const Expr& e, int64_t value);
std::string to_string(const Expr& e);  // "floordiv(H + 1, 2)"; round-trips through parse for I64
bool uses_var(const Expr& e, const Variable* var);

}  // namespace sardonyx::expr
