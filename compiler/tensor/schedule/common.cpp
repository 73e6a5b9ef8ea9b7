#include "compiler/tensor/schedule/common.h"

#include "runtime/base/strings.h"

namespace sardonyx::tensor {

using expr::Kind;

int statement_with(const Nest& nest, const VarPtr& loop) {
  for (size_t i = 0; i < nest.nests.size(); ++i) {
    if (!copies_of(nest.nests[i], loop).empty()) return int(i);
  }
  return -1;
}

std::vector<Stmt> copies_of(const Stmt& stmt, const VarPtr& loop) {
  std::vector<Stmt> found;
  visit(stmt, [&](const Stmt& s) {
    if (s->kind == StmtKind::For && s->var == loop) found.push_back(s);
    return true;
  });
  return found;
}

Stmt rewrite_loop(const Stmt& stmt, const VarPtr& loop, const std::function<Stmt(const Stmt&)>& f) {
  return mutate(stmt, [&](const Stmt& s) { return s->kind == StmtKind::For && s->var == loop ? f(s) : s; });
}

Nest with_statement(const Nest& nest, int position, Stmt stmt) {
  Nest result = nest;
  result.nests[size_t(position)] = std::move(stmt);
  return result;
}

std::vector<Index> loads_of(const Stmt& stmt, const BufferPtr& buffer) {
  std::vector<Index> found;
  visit_exprs(stmt, [&](const Expr& e) {
    expr::visit(e, [&](const Expr& x) {
      if (x->kind == Kind::Load && x->buffer == buffer) found.push_back(x->args);
      return true;
    });
  });
  return found;
}

std::vector<Index> stores_of(const Stmt& stmt, const BufferPtr& buffer) {
  std::vector<Index> found;
  visit(stmt, [&](const Stmt& s) {
    if (s->kind == StmtKind::Store && s->buffer == buffer) found.push_back(s->index);
    return true;
  });
  return found;
}

namespace {

bool same_index(const Index& a, const Index& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!expr::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

}  // namespace

bool is_recurrence(const Stmt& stmt) {
  bool found = false;
  visit(stmt, [&](const Stmt& s) {
    if (s->kind != StmtKind::Store) return true;
    for (const Index& load : loads_of(s, s->buffer)) found = found || !same_index(load, s->index);
    return true;
  });
  return found;
}

bool independent(const Stmt& loop, std::string* why) {
  std::vector<const expr::Buffer*> local;
  visit(loop, [&](const Stmt& s) {
    if (s->kind == StmtKind::Allocate) local.push_back(s->buffer.get());
    return true;
  });
  bool result = true;
  auto no = [&](std::string reason) {
    if (result && why) *why = std::move(reason);
    result = false;
  };
  visit(loop, [&](const Stmt& s) {
    if (s->kind != StmtKind::Store) return true;
    if (std::find(local.begin(), local.end(), s->buffer.get()) != local.end()) return true;
    // Some index moves with the loop by a constant step that the other variables inside cannot undo.
    int moving = -1;
    for (size_t d = 0; d < s->index.size(); ++d) {
      auto linear = expr::linear_in(s->index[d], loop->var);
      auto step = linear ? expr::as_int(linear->coefficient) : std::nullopt;
      if (!step || *step == 0) continue;
      expr::Scope scope;
      expr::Substitution origin;
      for (const Axis& axis : loops_in(loop->body[0])) {
        auto extent = expr::as_int(axis.extent);
        scope[axis.var.get()] = {0, extent ? *extent - 1 : INT64_MAX, 1};
        origin[axis.var.get()] = Expr(0);
      }
      Expr span = expr::simplify(linear->rest - expr::substitute(linear->rest, origin));
      expr::Facts facts = expr::facts_of(span, scope);
      bool bounded = facts.min > INT64_MIN / 2 && facts.max < INT64_MAX / 2;
      if (bounded && facts.max - facts.min < std::abs(*step)) moving = int(d);
    }
    if (moving < 0) {
      no("iterations may store to the same element of " + s->buffer->name);
      return true;
    }
    for (const Index& load : loads_of(loop, s->buffer)) {
      if (!expr::equal(load[size_t(moving)], s->index[size_t(moving)])) {
        no("an iteration reads elements of " + s->buffer->name + " that another stores");
      }
    }
    return true;
  });
  return result;
}

std::optional<Chain> chain_of(const Stmt& stmt) {
  Chain chain;
  const Stmt* s = &stmt;
  while ((*s)->kind == StmtKind::For && (*s)->for_kind == ForKind::Serial) {
    chain.axes.push_back({(*s)->var, (*s)->extent});
    s = &(*s)->body[0];
  }
  if ((*s)->kind != StmtKind::Store) return std::nullopt;
  chain.store = *s;
  return chain;
}

std::vector<Axis> loops_in(const Stmt& stmt) {
  std::vector<Axis> axes;
  visit(stmt, [&](const Stmt& s) {
    if (s->kind == StmtKind::For) axes.push_back({s->var, s->extent});
    return true;
  });
  return axes;
}

std::optional<Box> box_of(const std::vector<Index>& accesses, const std::vector<Axis>& inner) {
  if (accesses.empty()) return std::nullopt;
  expr::Scope scope;
  expr::Substitution origin;
  for (const Axis& axis : inner) {
    auto extent = expr::as_int(axis.extent);
    scope[axis.var.get()] = {0, extent ? *extent - 1 : INT64_MAX, 1};
    origin[axis.var.get()] = Expr(0);
  }
  Box box;
  for (size_t d = 0; d < accesses[0].size(); ++d) {
    Expr base;
    int64_t low = 0, high = 0;
    for (const Index& access : accesses) {
      Expr here = expr::simplify(expr::substitute(access[d], origin));
      bool has_load = false;
      expr::visit(access[d], [&](const Expr& x) {
        has_load = has_load || x->kind == Kind::Load;
        return true;
      });
      if (has_load) return std::nullopt;
      if (!base.defined()) base = here;
      expr::Facts facts = expr::facts_of(expr::simplify(access[d] - base), scope);
      if (facts.min < -4096 || facts.max > 4096) return std::nullopt;
      low = std::min(low, facts.min);
      high = std::max(high, facts.max);
    }
    box.base.push_back(expr::simplify(base + low));
    box.extents.push_back(high - low + 1);
  }
  int64_t count = 1;
  for (int64_t e : box.extents) count *= e;
  if (count > 1 << 20) return std::nullopt;
  return box;
}

BufferPtr local_copy(const BufferPtr& buffer, const char* suffix, const std::vector<int64_t>& extents) {
  auto copy = std::make_shared<expr::Buffer>(*buffer);
  copy->name += suffix;
  copy->dims.assign(extents.begin(), extents.end());
  if (copy->dims.empty()) copy->dims.emplace_back(1);
  copy->scope = expr::Buffer::Scope::Scratch;
  return copy;
}

Stmt over_box(const Box& box, const BufferPtr& buffer,
              const std::function<Stmt(const Index& at, const Index& local)>& f) {
  std::vector<Axis> axes;
  Index at, local;
  Expr inside;
  for (size_t d = 0; d < box.extents.size(); ++d) {
    VarPtr i = expr::make_var(str("c", d), {0, box.extents[d] - 1, 1});
    axes.push_back({i, Expr(box.extents[d])});
    local.emplace_back(i);
    at.push_back(expr::simplify(box.base[d] + Expr(i)));
    for (const Expr& condition : {Expr(0) <= at[d], at[d] < buffer->dims[d]}) {
      if (expr::prove(condition)) continue;
      inside = inside.defined() ? inside && condition : condition;
    }
  }
  if (local.empty()) local.emplace_back(0);
  Stmt body = f(at, local);
  if (inside.defined()) body = make_if(inside, body);
  return make_loops(ForKind::Serial, axes, body);
}

}  // namespace sardonyx::tensor
