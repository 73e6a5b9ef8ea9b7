// Vector loops become vector expressions.
#include <unordered_map>

#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

namespace {

using expr::Buffer;
using expr::Kind;

class Vectorizer {
 public:
  Vectorizer(expr::VarPtr var, int lanes) : var_(std::move(var)), lanes_(lanes) {}

  Stmt run(const Stmt& s) {
    switch (s->kind) {
      case StmtKind::For: {
        check(!varies(s->extent), "loop ", s->var->name, " inside vector loop ", var_->name,
              " has a lane-dependent extent");
        return make_for(s->for_kind, s->var, s->extent, run(s->body[0]));
      }
      case StmtKind::Store: {
        Expr index = vector(s->index[0]);
        Expr value = vector(s->value);
        if (auto found = widened_.find(s->buffer.get()); found != widened_.end()) {
          check(index->type.lanes == 1, "register buffer ", s->buffer->name, " has a lane-dependent index");
          return make_store(found->second, {lane_ramp(index)}, widen(value));
        }
        if (index->type.lanes > 1) value = widen(value);
        check(value->type.lanes == index->type.lanes, "lanes of loop ", var_->name, " all store to one element of ",
              s->buffer->name);
        return make_store(s->buffer, {index}, value);
      }
      case StmtKind::Allocate: {
        auto wide = std::make_shared<Buffer>(*s->buffer);
        Expr count = lanes_;
        for (const Expr& d : s->buffer->dims) count = count * d;
        wide->dims = {count};
        wide->flat = true;
        widened_[s->buffer.get()] = wide;
        return make_allocate(wide, run(s->body[0]));
      }
      case StmtKind::If:
        return make_if(vector(s->condition), run(s->body[0]), s->body.size() > 1 ? run(s->body[1]) : nullptr);
      case StmtKind::Let: {
        if (!varies(s->value)) return make_let(s->var, s->value, run(s->body[0]));
        return run(substitute(s->body[0], {{s->var.get(), s->value}}));
      }
      case StmtKind::Check:
        return make_check(vector(s->condition), s->code);
      case StmtKind::Prefetch:
        return make_prefetch(s->buffer, {expr::simplify(substitute_shared(s->index[0], {{var_.get(), Expr(0)}}))},
                             s->level);
      case StmtKind::Transpose:
        check(false, "buffer ", s->buffer->name, " is transposed inside vector loop ", var_->name);
        break;
      case StmtKind::Block: {
        std::vector<Stmt> body;
        for (const Stmt& b : s->body) body.push_back(run(b));
        return make_block(std::move(body));
      }
    }
    return s;
  }

 private:
  Expr lane_ramp(const Expr& index) { return expr::ramp(expr::simplify(index * lanes_), 1, lanes_); }
  Expr widen(const Expr& e) { return e->type.lanes == 1 ? expr::broadcast(e, lanes_) : e; }

  bool varies(const Expr& e) {
    if (auto found = varies_.find(e.get()); found != varies_.end()) return found->second;
    bool result =
        (e->kind == Kind::Var && e->var == var_) || (e->kind == Kind::Load && widened_.count(e->buffer.get()));
    for (const Expr& a : e->args) result = result || varies(a);
    varies_.emplace(e.get(), result);
    kept_.push_back(e);
    return result;
  }

  Expr vector(const Expr& e) {
    if (!varies(e)) return e;
    if (auto found = done_.find(e.get()); found != done_.end()) return found->second;
    Expr result = compute(e);
    done_.emplace(e.get(), result);
    return result;
  }

  Expr compute(const Expr& e) {
    if (e->kind == Kind::Load) {
      Expr index = vector(e->args[0]);
      if (auto found = widened_.find(e->buffer.get()); found != widened_.end()) {
        check(index->type.lanes == 1, "register buffer ", e->buffer->name, " has a lane-dependent index");
        return expr::load(found->second, {lane_ramp(index)});
      }
      return expr::load(e->buffer, {index});
    }
    if (e->type.dtype == DType::I64 && affine(e)) {
      if (auto linear = expr::linear_in(e, var_)) {
        Expr stride = expr::simplify(linear->coefficient), base = expr::simplify(linear->rest);
        if (expr::is_const(stride, 0)) return base;
        return expr::ramp(base, stride, lanes_);
      }
    }
    std::vector<Expr> args;
    bool wide = false;
    for (const Expr& a : e->args) {
      args.push_back(vector(a));
      wide = wide || args.back()->type.lanes > 1;
    }
    if (wide) {
      for (Expr& a : args) a = widen(a);
    }
    return expr::rebuild(e, std::move(args));
  }

  // Where lanes differ it is free of loads and other types, so that linear_in may look at it.
  bool affine(const Expr& e) {
    if (!varies(e)) return true;
    if (auto found = affine_.find(e.get()); found != affine_.end()) return found->second;
    bool result = e->kind != Kind::Load && e->kind != Kind::Call && e->kind != Kind::Cast && e->kind != Kind::Select;
    for (const Expr& a : e->args) result = result && affine(a);
    affine_.emplace(e.get(), result);
    return result;
  }

  expr::VarPtr var_;
  int lanes_;
  std::unordered_map<const Buffer*, BufferPtr> widened_;
  std::unordered_map<const expr::Node*, Expr> done_;
  std::unordered_map<const expr::Node*, bool> varies_, affine_;
  std::vector<Expr> kept_;  // keeps memoised nodes alive, so that no address is reused
};

}  // namespace

Stmt vectorize(const Stmt& stmt) {
  return mutate(stmt, [](const Stmt& s) {
    if (s->kind != StmtKind::For || s->for_kind != ForKind::Vector) return s;
    int lanes = int(*expr::as_int(s->extent));
    if (lanes == 1) return substitute(s->body[0], {{s->var.get(), Expr(0)}});
    return Vectorizer(s->var, lanes).run(s->body[0]);
  });
}

}  // namespace sardonyx::tensor
