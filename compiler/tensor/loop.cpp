#include "compiler/tensor/loop.h"
#include "compiler/tensor/kernel.h"

#include <unordered_map>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::tensor {

namespace {

Stmt wrap(StmtNode node) { return std::make_shared<const StmtNode>(std::move(node)); }

bool same(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!a[i].same_as(b[i])) return false;
  }
  return true;
}

std::vector<Expr> map_all(const std::vector<Expr>& list, const std::function<Expr(const Expr&)>& f) {
  std::vector<Expr> result;
  result.reserve(list.size());
  for (const Expr& e : list) result.push_back(f(e));
  return result;
}

Expr mutate_cached(const Expr& e, const std::function<Expr(const Expr&)>& f,
                   std::unordered_map<const expr::Node*, Expr>& done) {
  if (auto found = done.find(e.get()); found != done.end()) return found->second;
  std::vector<Expr> args;
  args.reserve(e->args.size());
  for (const Expr& a : e->args) args.push_back(mutate_cached(a, f, done));
  Expr result = f(same(e->args, args) ? e : expr::rebuild(e, std::move(args)));
  done.emplace(e.get(), result);
  return result;
}

}  // namespace

Stmt make_for(ForKind kind, VarPtr var, Expr extent, Stmt body) {
  return wrap({.kind = StmtKind::For,
               .for_kind = kind,
               .var = std::move(var),
               .extent = std::move(extent),
               .body = {std::move(body)}});
}

Stmt make_store(BufferPtr buffer, std::vector<Expr> index, Expr value) {
  return wrap(
      {.kind = StmtKind::Store, .value = std::move(value), .buffer = std::move(buffer), .index = std::move(index)});
}

Stmt make_allocate(BufferPtr buffer, Stmt body) {
  return wrap({.kind = StmtKind::Allocate, .buffer = std::move(buffer), .body = {std::move(body)}});
}

Stmt make_if(Expr condition, Stmt then_body, Stmt else_body) {
  if (auto known = expr::as_int(condition)) {
    if (*known) return then_body;
    return else_body ? else_body : make_block({});
  }
  StmtNode node{.kind = StmtKind::If, .condition = std::move(condition), .body = {std::move(then_body)}};
  if (else_body) node.body.push_back(std::move(else_body));
  return wrap(std::move(node));
}

Stmt make_block(std::vector<Stmt> body) {
  std::vector<Stmt> flat;
  for (Stmt& s : body) {
    if (s->kind == StmtKind::Block) {
      flat.insert(flat.end(), s->body.begin(), s->body.end());
    } else {
      flat.push_back(std::move(s));
    }
  }
  if (flat.size() == 1) return flat[0];
  return wrap({.kind = StmtKind::Block, .body = std::move(flat)});
}

Stmt make_let(VarPtr var, Expr value, Stmt body) {
  return wrap({.kind = StmtKind::Let, .var = std::move(var), .value = std::move(value), .body = {std::move(body)}});
}

Stmt make_check(Expr condition, int32_t code) {
  return wrap({.kind = StmtKind::Check, .condition = std::move(condition), .code = code});
}

Stmt make_prefetch(BufferPtr buffer, std::vector<Expr> index, CacheLevel level) {
  return wrap({.kind = StmtKind::Prefetch, .buffer = std::move(buffer), .index = std::move(index), .level = level});
}

Stmt make_transpose(BufferPtr buffer) { return wrap({.kind = StmtKind::Transpose, .buffer = std::move(buffer)}); }

Stmt make_loops(ForKind kind, const std::vector<Axis>& axes, Stmt body) {
  for (size_t i = axes.size(); i-- > 0;) body = make_for(kind, axes[i].var, axes[i].extent, std::move(body));
  return body;
}

Stmt with_body(const Stmt& stmt, std::vector<Stmt> body) {
  if (stmt->body == body) return stmt;
  if (stmt->kind == StmtKind::Block) return make_block(std::move(body));
  StmtNode node = *stmt;
  node.body = std::move(body);
  return wrap(std::move(node));
}

Stmt mutate(const Stmt& stmt, const std::function<Stmt(const Stmt&)>& f) {
  std::vector<Stmt> body;
  body.reserve(stmt->body.size());
  for (const Stmt& s : stmt->body) body.push_back(mutate(s, f));
  return f(with_body(stmt, std::move(body)));
}

Stmt mutate_exprs(const Stmt& stmt, const std::function<Expr(const Expr&)>& f) {
  return mutate(stmt, [&](const Stmt& s) -> Stmt {
    StmtNode node = *s;
    if (s->extent.defined()) node.extent = f(s->extent);
    if (s->condition.defined()) node.condition = f(s->condition);
    if (s->value.defined()) node.value = f(s->value);
    node.index = map_all(s->index, f);
    bool unchanged = node.extent.same_as(s->extent) && node.condition.same_as(s->condition) &&
                     node.value.same_as(s->value) && same(node.index, s->index);
    if (unchanged) return s;
    if (s->kind == StmtKind::If)
      return make_if(node.condition, node.body[0], node.body.size() > 1 ? node.body[1] : nullptr);
    return wrap(std::move(node));
  });
}

void visit(const Stmt& stmt, const std::function<bool(const Stmt&)>& f) {
  if (!f(stmt)) return;
  for (const Stmt& s : stmt->body) visit(s, f);
}

void visit_exprs(const Stmt& stmt, const std::function<void(const Expr&)>& f) {
  visit(stmt, [&](const Stmt& s) {
    for (const Expr* e : {&s->extent, &s->condition, &s->value}) {
      if (e->defined()) f(*e);
    }
    for (const Expr& e : s->index) f(e);
    return true;
  });
}

Stmt substitute(const Stmt& stmt, const expr::Substitution& substitution) {
  return mutate_exprs(stmt, [&](const Expr& e) { return substitute_shared(e, substitution); });
}

Expr substitute_shared(const Expr& e, const expr::Substitution& substitution) {
  return mutate_shared(e, [&](const Expr& x) {
    if (x->kind != expr::Kind::Var) return x;
    auto found = substitution.find(x->var.get());
    return found == substitution.end() ? x : found->second;
  });
}

Expr redirect(const Expr& e, const BufferPtr& from, const BufferPtr& to, const std::function<Index(const Index&)>& f) {
  return mutate_shared(e, [&](const Expr& x) {
    if (x->kind != expr::Kind::Load || x->buffer != from) return x;
    return expr::load(to, f(x->args));
  });
}

Stmt redirect(const Stmt& stmt, const BufferPtr& from, const BufferPtr& to,
              const std::function<Index(const Index&)>& f) {
  Stmt loads = mutate_exprs(stmt, [&](const Expr& e) { return redirect(e, from, to, f); });
  return mutate(loads, [&](const Stmt& s) {
    if (s->kind != StmtKind::Store || s->buffer != from) return s;
    return make_store(to, f(s->index), s->value);
  });
}

bool loads_from(const Stmt& stmt, const expr::Buffer* buffer) {
  bool found = false;
  visit_exprs(stmt, [&](const Expr& e) {
    if (found) return;
    expr::visit(e, [&](const Expr& x) {
      found = found || (x->kind == expr::Kind::Load && x->buffer.get() == buffer);
      return !found;
    });
  });
  return found;
}

bool stores_to(const Stmt& stmt, const expr::Buffer* buffer) {
  bool found = false;
  visit(stmt, [&](const Stmt& s) {
    found = found || (s->kind == StmtKind::Store && s->buffer.get() == buffer);
    return !found;
  });
  return found;
}

Expr mutate_shared(const Expr& e, const std::function<Expr(const Expr&)>& f) {
  std::unordered_map<const expr::Node*, Expr> done;
  return mutate_cached(e, f, done);
}

std::vector<ScratchSlot> scratch_layout(const Stmt& body, Expr* total) {
  std::vector<ScratchSlot> slots;
  Expr offset = 0;
  visit(body, [&](const Stmt& s) {
    if (s->kind == StmtKind::Allocate && s->buffer->scope == expr::Buffer::Scope::Scratch) {
      slots.push_back({s->buffer, offset});
      Expr bytes = int64_t(size_of(s->buffer->dtype));
      for (const Expr& d : s->buffer->dims) bytes = bytes * d;
      offset = expr::simplify(offset + expr::ceil_div(bytes, 64) * 64);
    }
    return true;
  });
  if (total) *total = offset;
  return slots;
}

Nest realize(const Program& program) {
  Nest nest{
      .inputs = program.inputs, .outputs = program.outputs, .temporaries = {}, .symbols = program.symbols, .nests = {}};
  for (const Stage& stage : program.stages) {
    Index index;
    for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
    bool is_output = false;
    for (const BufferPtr& b : program.outputs) is_output = is_output || b == stage.output;
    if (!is_output) nest.temporaries.push_back(stage.output);
    if (stage.reduce == Reduce::None) {
      std::vector<Axis> axes = stage.axes;
      if (stage.scan_axis >= 0) {  // the recurrence runs innermost, in order
        Axis scan = axes[size_t(stage.scan_axis)];
        axes.erase(axes.begin() + stage.scan_axis);
        axes.push_back(scan);
      }
      nest.nests.push_back(make_loops(ForKind::Serial, axes, make_store(stage.output, index, stage.body)));
      continue;
    }
    std::vector<Axis> fresh;
    expr::Substitution renamed;
    Index init_index;
    for (const Axis& axis : stage.axes) {
      fresh.push_back({expr::make_var(axis.var->name, axis.var->facts), axis.extent});
      init_index.emplace_back(fresh.back().var);
    }
    Expr identity = identity_of(stage.reduce, stage.output->dtype);
    nest.nests.push_back(make_loops(ForKind::Serial, fresh, make_store(stage.output, init_index, identity)));
    std::vector<Axis> axes = stage.axes;
    axes.insert(axes.end(), stage.reduce_axes.begin(), stage.reduce_axes.end());
    Expr next = combine(stage.reduce, expr::load(stage.output, index), stage.body);
    nest.nests.push_back(make_loops(ForKind::Serial, axes, make_store(stage.output, index, next)));
  }
  return nest;
}

}  // namespace sardonyx::tensor
