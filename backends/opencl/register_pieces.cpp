#include "backends/opencl/register_pieces.h"

#include <unordered_set>

#include "compiler/expr/simplify.h"

namespace sardonyx::opencl {

using expr::Buffer;
using expr::Expr;
using expr::Kind;
using tensor::ForKind;
using tensor::Stmt;
using tensor::StmtKind;

namespace {

constexpr int none = 0;

class Finder {
 public:
  std::unordered_map<const Buffer*, Pieces> find(const Stmt& body) {
    walk(body);
    std::erase_if(pieces_, [](const auto& entry) { return entry.second.lanes == none; });
    return std::move(pieces_);
  }

 private:
  void walk(const Stmt& s) {
    for (const Expr& e : {s->extent, s->condition, s->value}) {
      if (e.defined()) read(e);
    }
    for (const Expr& e : s->index) read(e);
    if (s->kind == StmtKind::Store) {
      access(*s->buffer, s->index[0]);
      if (auto found = pieces_.find(s->buffer.get()); found != pieces_.end() && masks_ > 0) found->second.masked = true;
    }
    const bool mask = s->kind == StmtKind::If && s->condition->type.lanes > 1;
    const bool known = s->kind == StmtKind::For && s->for_kind == ForKind::Unrolled;
    if (known) unrolled_.insert(s->var.get());
    masks_ += mask;
    for (const Stmt& child : s->body) walk(child);
    masks_ -= mask;
    if (known) unrolled_.erase(s->var.get());
  }

  void read(const Expr& e) {
    std::unordered_set<const expr::Node*> seen;
    expr::visit(e, [&](const Expr& x) {
      if (!seen.insert(x.get()).second) return false;
      // A vector index of equal lanes is read as one scalar.
      if (x->kind == Kind::Load) {
        const Expr& index = x->args[0];
        access(*x->buffer, index->kind == Kind::Broadcast ? index->args[0] : index);
      }
      return true;
    });
  }

  void access(const Buffer& buffer, const Expr& index) {
    if (buffer.scope != Buffer::Scope::Register) return;
    auto [entry, first] = pieces_.try_emplace(&buffer, Pieces{index->type.lanes});
    int& lanes = entry->second.lanes;
    if (lanes != index->type.lanes || !known_place(index)) lanes = none;
  }

  bool known_place(const Expr& index) const {
    const int lanes = index->type.lanes;
    if (lanes > 1 && (index->kind != Kind::Ramp || !expr::is_const(index->args[1], 1))) return false;
    const Expr& start = piece_start(index);
    bool known = true;
    expr::visit(start, [&](const Expr& x) {
      known = known && x->kind != Kind::Load && (x->kind != Kind::Var || unrolled_.count(x->var.get()) > 0);
      return known;
    });
    return known && (lanes == 1 || expr::prove_divisible(start, lanes));
  }

  std::unordered_map<const Buffer*, Pieces> pieces_;
  std::unordered_set<const expr::Variable*> unrolled_;  // variables of the unrolled loops around the statement
  int masks_ = 0;                                       // Ifs over lanes around the statement
};

}  // namespace

std::unordered_map<const Buffer*, Pieces> register_pieces(const Stmt& body) { return Finder().find(body); }

const Expr& piece_start(const Expr& index) { return index->kind == Kind::Ramp ? index->args[0] : index; }

}  // namespace sardonyx::opencl
