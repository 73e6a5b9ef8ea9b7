// The printed form of statements and their verifier.
#include <unordered_set>

#include "compiler/tensor/loop.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::tensor {

namespace {

using expr::Buffer;
using expr::Kind;

std::string index_text(const std::vector<Expr>& index) {
  std::string text;
  for (const Expr& e : index) text += (text.empty() ? "" : ", ") + expr::to_string(e);
  return "[" + text + "]";
}

void print(const Stmt& stmt, int depth, std::string& out) {
  std::string pad(size_t(depth) * 2, ' ');
  switch (stmt->kind) {
    case StmtKind::For: {
      static constexpr const char* names[] = {"for", "grid", "vector", "unrolled"};
      out += str(pad, names[int(stmt->for_kind)], " ", stmt->var->name, " < ", expr::to_string(stmt->extent), "\n");
      print(stmt->body[0], depth + 1, out);
      break;
    }
    case StmtKind::Store:
      out += str(pad, "store ", stmt->buffer->name, index_text(stmt->index), " = ", expr::to_string(stmt->value), "\n");
      break;
    case StmtKind::Allocate:
      out += str(pad, stmt->buffer->scope == Buffer::Scope::Register ? "register " : "scratch ",
                 dtype_name(stmt->buffer->dtype), " ", stmt->buffer->name, index_text(stmt->buffer->dims), "\n");
      print(stmt->body[0], depth + 1, out);
      break;
    case StmtKind::If:
      out += str(pad, "if ", expr::to_string(stmt->condition), "\n");
      print(stmt->body[0], depth + 1, out);
      if (stmt->body.size() > 1) {
        out += pad + "else\n";
        print(stmt->body[1], depth + 1, out);
      }
      break;
    case StmtKind::Block:
      for (const Stmt& s : stmt->body) print(s, depth, out);
      break;
    case StmtKind::Let:
      out += str(pad, "let ", stmt->var->name, " = ", expr::to_string(stmt->value), "\n");
      print(stmt->body[0], depth + 1, out);
      break;
    case StmtKind::Check:
      out += str(pad, "check ", expr::to_string(stmt->condition), " else ", stmt->code, "\n");
      break;
    case StmtKind::Prefetch:
      out += str(pad, "prefetch ", stmt->buffer->name, index_text(stmt->index), "\n");
      break;
  }
}

class Verifier {
 public:
  explicit Verifier(const std::vector<VarPtr>& free) {
    for (const VarPtr& v : free) bound_.insert(v.get());
  }

  void check_stmt(const Stmt& s) {
    for (const Expr& e : s->index) check_expr(e);
    if (s->extent.defined()) check_expr(s->extent);
    if (s->value.defined()) check_expr(s->value);
    if (s->condition.defined()) {
      check_expr(s->condition);
      check(s->condition->type.dtype == DType::Bool, "condition is not bool: ", expr::to_string(s->condition));
    }
    switch (s->kind) {
      case StmtKind::For:
        if (s->for_kind == ForKind::Vector || s->for_kind == ForKind::Unrolled) {
          check(expr::as_int(s->extent).has_value(), "loop ", s->var->name, " needs a constant extent");
        }
        [[fallthrough]];
      case StmtKind::Let: {
        check(bound_.insert(s->var.get()).second, "variable ", s->var->name, " is bound twice");
        for (const Stmt& b : s->body) check_stmt(b);
        bound_.erase(s->var.get());
        return;
      }
      case StmtKind::Allocate:
        allocated_.insert(s->buffer.get());
        check_stmt(s->body[0]);
        allocated_.erase(s->buffer.get());
        return;
      case StmtKind::Store:
        check_access(s->buffer, s->index.size());
        check(s->value->type.dtype == s->buffer->dtype, "store of ", dtype_name(s->value->type.dtype), " to ",
              dtype_name(s->buffer->dtype), " buffer ", s->buffer->name);
        break;
      default:
        break;
    }
    for (const Stmt& b : s->body) check_stmt(b);
  }

 private:
  void check_access(const BufferPtr& buffer, size_t rank) {
    check(rank == buffer->dims.size() || rank == 1, "buffer ", buffer->name, " of rank ", buffer->dims.size(),
          " is indexed with ", rank, " indices");
    check(buffer->scope == Buffer::Scope::Global || allocated_.count(buffer.get()), "buffer ", buffer->name,
          " is used outside its allocation");
  }

  void check_expr(const Expr& e) {
    if (e->kind == Kind::Var) check(bound_.count(e->var.get()) > 0, "variable ", e->var->name, " is not bound");
    if (e->kind == Kind::Load) check_access(e->buffer, e->args.size());
    for (const Expr& a : e->args) check_expr(a);
  }

  std::unordered_set<const expr::Variable*> bound_;
  std::unordered_set<const Buffer*> allocated_;
};

}  // namespace

std::string to_string(const Stmt& stmt) {
  std::string out;
  print(stmt, 0, out);
  return out;
}

void verify(const Stmt& stmt, const std::vector<VarPtr>& free) { Verifier(free).check_stmt(stmt); }

}  // namespace sardonyx::tensor
