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
      static constexpr const char* names[] = {"for", "grid", "vector", "unrolled", "lane"};
      out += str(pad, names[int(stmt->for_kind)], " ", stmt->var->name, " < ", expr::to_string(stmt->extent), "\n");
      print(stmt->body[0], depth + 1, out);
      break;
    }
    case StmtKind::Store:
      out += str(pad, "store ", stmt->buffer->name, index_text(stmt->index), " = ", expr::to_string(stmt->value), "\n");
      break;
    case StmtKind::Allocate: {
      static constexpr const char* scopes[] = {"global", "scratch", "register", "local"};
      out += str(pad, scopes[int(stmt->buffer->scope)], " ", dtype_name(stmt->buffer->dtype), " ", stmt->buffer->name,
                 index_text(stmt->buffer->dims), "\n");
      print(stmt->body[0], depth + 1, out);
      break;
    }
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
      out += str(pad, stmt->level == CacheLevel::First ? "prefetch near " : "prefetch ", stmt->buffer->name,
                 index_text(stmt->index), "\n");
      break;
    case StmtKind::Transpose:
      out += str(pad, "transpose ", stmt->buffer->name, "\n");
      break;
  }
}

class Verifier {
 public:
  explicit Verifier(const std::vector<VarPtr>& free) {
    for (const VarPtr& v : free) bound_.insert(v.get());
  }

  void run(const Stmt& s) {
    visit(s, [&](const Stmt& x) {
      if (x->kind == StmtKind::For && x->for_kind == ForKind::Lane && !lanes_) lanes_ = expr::as_int(x->extent);
      return true;
    });
    check_stmt(s);
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
        if (s->for_kind == ForKind::Vector || s->for_kind == ForKind::Unrolled || s->for_kind == ForKind::Lane) {
          check(expr::as_int(s->extent).has_value(), "loop ", s->var->name, " needs a constant extent");
        }
        if (s->for_kind == ForKind::Vector || s->for_kind == ForKind::Lane) return check_parallel_loop(s);
        [[fallthrough]];
      case StmtKind::Let: {
        check(bound_.insert(s->var.get()).second, "variable ", s->var->name, " is bound twice");
        for (const Stmt& b : s->body) check_stmt(b);
        bound_.erase(s->var.get());
        return;
      }
      case StmtKind::Allocate:
        check_allocation(*s->buffer);
        allocated_.insert(s->buffer.get());
        check_stmt(s->body[0]);
        allocated_.erase(s->buffer.get());
        private_.erase(s->buffer.get());
        return;
      case StmtKind::Store:
        check_access(s->buffer, s->index);
        check(lane_ || !lanes_, "store to ", s->buffer->name, " outside the Lane loops of its kernel");
        check(s->value->type.dtype == s->buffer->dtype, "store of ", dtype_name(s->value->type.dtype), " to ",
              dtype_name(s->buffer->dtype), " buffer ", s->buffer->name);
        break;
      case StmtKind::Transpose:
        check_transpose(*s->buffer);
        break;
      default:
        break;
    }
    for (const Stmt& b : s->body) check_stmt(b);
  }

 private:
  void check_parallel_loop(const Stmt& s) {
    check(bound_.insert(s->var.get()).second, "variable ", s->var->name, " is bound twice");
    bool lane = s->for_kind == ForKind::Lane;
    if (lane) {
      check(!lane_ && !in_vector_, "Lane loop ", s->var->name, " lies inside a Lane or Vector loop");
      check(expr::as_int(s->extent) == lanes_, "Lane loop ", s->var->name,
            " has another extent than its kernel's others");
      lane_ = s->var.get();
    }
    bool outer = in_vector_;
    in_vector_ = in_vector_ || !lane;
    check_stmt(s->body[0]);
    in_vector_ = outer;
    if (lane) lane_ = nullptr;
    bound_.erase(s->var.get());
  }

  void check_allocation(const Buffer& buffer) {
    bool constant = buffer.scope == Buffer::Scope::Register || buffer.scope == Buffer::Scope::Local;
    for (const Expr& d : buffer.dims) {
      check(!constant || expr::as_int(d), "buffer ", buffer.name, " has symbolic dims");
    }
    check(buffer.scope != Buffer::Scope::Local || !lane_, "Local buffer ", buffer.name, " is allocated by a lane");
    if (buffer.scope != Buffer::Scope::Register || !lanes_ || lane_) return;
    check(!buffer.dims.empty() && expr::as_int(buffer.dims[0]) == lanes_, "the first dim of register buffer ",
          buffer.name, " is not the number of lanes");
    private_.insert(&buffer);
  }

  void check_transpose(const Buffer& buffer) {
    const auto extent = buffer.dims.size() == 2 ? expr::as_int(buffer.dims[0]) : std::nullopt;
    const bool square =
        extent && *extent > 0 && (*extent & (*extent - 1)) == 0 && expr::as_int(buffer.dims[1]) == extent;
    check(square && buffer.scope == Buffer::Scope::Register && allocated_.count(&buffer), "buffer ", buffer.name,
          " is no square of registers to transpose");
    check(!in_vector_ && !lanes_, "buffer ", buffer.name, " is transposed inside a Vector loop or beside lanes");
  }

  void check_access(const BufferPtr& buffer, const std::vector<Expr>& index) {
    size_t rank = index.size();
    check(rank == buffer->dims.size() || rank == 1, "buffer ", buffer->name, " of rank ", buffer->dims.size(),
          " is indexed with ", rank, " indices");
    if (private_.count(buffer.get())) {
      bool own = rank != buffer->dims.size() || (index[0]->kind == Kind::Var && index[0]->var.get() == lane_);
      check(lane_ && own, "register buffer ", buffer->name, " is read or written across lanes");
    }
    check(buffer->scope == Buffer::Scope::Global || allocated_.count(buffer.get()), "buffer ", buffer->name,
          " is used outside its allocation");
  }

  void check_expr(const Expr& e) {
    if (e->kind == Kind::Var) check(bound_.count(e->var.get()) > 0, "variable ", e->var->name, " is not bound");
    if (e->kind == Kind::Load) check_access(e->buffer, e->args);
    for (const Expr& a : e->args) check_expr(a);
  }

  std::unordered_set<const expr::Variable*> bound_;
  std::unordered_set<const Buffer*> allocated_, private_;  // private_: a part per lane
  std::optional<int64_t> lanes_;                           // extent of the kernel's Lane loops, if it has any
  const expr::Variable* lane_ = nullptr;                   // of the Lane loop around the statement
  bool in_vector_ = false;
};

}  // namespace

std::string to_string(const Stmt& stmt) {
  std::string out;
  print(stmt, 0, out);
  return out;
}

void verify(const Stmt& stmt, const std::vector<VarPtr>& free) { Verifier(free).run(stmt); }

}  // namespace sardonyx::tensor
