// Narrow types are storage: arithmetic on narrow floats runs in F32 and rounds where a value is stored or cast, small
// integers are computed with in a byte. What is only moved (loaded, selected, stored) keeps its bits.
#include <unordered_map>

#include "compiler/tensor/lower/lower.h"
#include "compiler/tensor/lower/narrow.h"
#include "runtime/base/mini_float.h"

namespace sardonyx::tensor {

namespace {

using expr::Function;
using expr::Kind;
using narrow::is_narrow_float;
using narrow::is_small_integer;

class Legalizer {
 public:
  // What holds the value of `e`: storage for narrow types, else a value of the same type.
  Expr held(const Expr& e) { return remembered(held_, e, &Legalizer::make_held); }

 private:
  using Memo = std::unordered_map<const expr::Node*, Expr>;

  // Values of narrow floats in F32, all else as it is held.
  Expr number(const Expr& e) { return remembered(numbers_, e, &Legalizer::make_number); }

  Expr remembered(Memo& memo, const Expr& e, Expr (Legalizer::*make)(const Expr&)) {
    if (auto found = memo.find(e.get()); found != memo.end()) return found->second;
    Expr result = (this->*make)(e);
    memo.emplace(e.get(), result);
    return result;
  }

  Expr with(const Expr& e, Expr (Legalizer::*of_operand)(const Expr&)) {
    std::vector<Expr> args;
    bool same = true;
    for (const Expr& arg : e->args) {
      args.push_back((this->*of_operand)(arg));
      same = same && args.back().same_as(arg);
    }
    return same ? e : expr::rebuild(e, std::move(args));
  }

  static bool moves(const Expr& e) { return e->kind == Kind::Select || e->kind == Kind::Broadcast; }

  Expr make_held(const Expr& e) {
    const DType dtype = e->type.dtype;
    if (is_narrow_float(dtype)) return narrow_float(e, dtype);
    if (is_small_integer(dtype)) return small_integer(e, dtype);
    return with(e, &Legalizer::number);
  }

  Expr make_number(const Expr& e) {
    const DType dtype = e->type.dtype;
    if (!is_narrow_float(dtype)) return held(e);
    if (e->kind == Kind::FloatImm) return expr::float_imm(e->float_value, DType::F32);
    if (e->kind == Kind::Load || e->kind == Kind::Cast) return narrow::decode(held(e), dtype);
    return with(e, &Legalizer::number);
  }

  Expr narrow_float(const Expr& e, DType dtype) {
    const MiniFloat* format = mini_float(dtype);
    if (moves(e)) return with(e, &Legalizer::held);
    if (e->kind == Kind::FloatImm)
      return format ? expr::int_imm(encode_mini(*format, float(e->float_value)), DType::U8) : e;
    if (e->kind == Kind::Load) return load(e);
    return narrow::encode(number(e->kind == Kind::Cast ? e->args[0] : e), dtype);
  }

  Expr small_integer(const Expr& e, DType dtype) {
    if (moves(e)) return with(e, &Legalizer::held);
    if (e->kind == Kind::IntImm) return expr::int_imm(e->int_value, narrow::storage_of(dtype));
    if (e->kind == Kind::Load) return load(e);
    if (e->kind == Kind::Cast) return narrow::to_small_integer(number(e->args[0]), dtype);
    return narrow::extended(with(e, &Legalizer::held), dtype);
  }

  Expr load(const Expr& e) {
    const Expr loaded = with(e, &Legalizer::held);
    return narrow::storage_of(e->type.dtype) == e->type.dtype ? loaded : expr::call(Function::Bits, {loaded});
  }

  Memo held_, numbers_;
};

}  // namespace

Stmt legalize_types(const Stmt& stmt) {
  return mutate_exprs(stmt, [](const Expr& e) { return Legalizer().held(e); });
}

}  // namespace sardonyx::tensor
