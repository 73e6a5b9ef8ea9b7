#include "backends/opencl/split_vectors.h"

#include <unordered_map>

#include "backends/opencl/types.h"
#include "compiler/expr/scalar.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::Expr;
using expr::Function;
using expr::Kind;
using tensor::Stmt;
using tensor::StmtKind;

namespace {

struct Part {
  int first, lanes;
};

// The largest native parts first: 21 = 16 + 4 + 1.
std::vector<Part> parts_of(int lanes) {
  std::vector<Part> parts;
  for (int first = 0; first < lanes;) {
    int size = 16;
    while (size > lanes - first) size /= 2;
    parts.push_back({first, size});
    first += size;
  }
  return parts;
}

// Lanes [first, first + lanes) of vectors of one length. Shared nodes stay shared.
class Slicer {
 public:
  explicit Slicer(Part part) : part_(part) {}

  Expr slice(const Expr& e) {
    if (e->type.lanes == 1) return e;
    if (auto found = done_.find(e.get()); found != done_.end()) return found->second;
    Expr result;
    switch (e->kind) {
      case Kind::Broadcast:
        result = part_.lanes == 1 ? e->args[0] : expr::broadcast(e->args[0], part_.lanes);
        break;
      case Kind::Ramp: {
        Expr base = e->args[0] + e->args[1] * expr::int_imm(part_.first, e->type.dtype);
        result = part_.lanes == 1 ? base : expr::ramp(base, e->args[1], part_.lanes);
        break;
      }
      default: {
        std::vector<Expr> args;
        for (const Expr& a : e->args) args.push_back(slice(a));
        result = expr::rebuild(e, std::move(args));
      }
    }
    done_.emplace(e.get(), result);
    return result;
  }

 private:
  Part part_;
  std::unordered_map<const expr::Node*, Expr> done_;
};

Expr combine(Function function, const Expr& a, const Expr& b) {
  bool boolean = a->type.dtype == DType::Bool;
  switch (function) {
    case Function::ReduceAdd:
      return boolean ? a || b : a + b;
    case Function::ReduceMul:
      return boolean ? a && b : a * b;
    case Function::ReduceMin:
      return expr::min(a, b);
    default:
      return expr::max(a, b);
  }
}

Expr reduce_parts(const Expr& e) {
  const Expr& vector = e->args[0];
  if (native_lanes(vector->type.lanes)) return e;
  Expr total;
  for (const Part& part : parts_of(vector->type.lanes)) {
    Expr slice = Slicer(part).slice(vector);
    if (part.lanes > 1) slice = expr::call(e->function, {slice});
    total = total.defined() ? combine(e->function, total, slice) : slice;
  }
  return total;
}

// The lanes of what a statement itself evaluates.
int lanes_of(const Stmt& s) {
  int lanes = 1;
  auto see = [&](const Expr& e) {
    if (e.defined()) lanes = std::max(lanes, e->type.lanes);
  };
  see(s->condition);
  see(s->value);
  for (const Expr& e : s->index) see(e);
  return lanes;
}

Stmt split(const Stmt& s) {
  int lanes = lanes_of(s);
  if (!native_lanes(lanes)) {
    std::vector<Stmt> statements;
    for (const Part& part : parts_of(lanes)) {
      Slicer slicer(part);
      statements.push_back(tensor::mutate_exprs(s, [&](const Expr& e) { return slicer.slice(e); }));
    }
    return tensor::make_block(std::move(statements));
  }
  std::vector<Stmt> body;
  bool changed = false;
  for (const Stmt& child : s->body) {
    body.push_back(split(child));
    changed = changed || body.back() != child;
  }
  return changed ? tensor::with_body(s, std::move(body)) : s;
}

}  // namespace

Stmt split_vectors(const Stmt& body) {
  Stmt combined = tensor::mutate_exprs(body, [](const Expr& e) {
    return tensor::mutate_shared(e, [](const Expr& x) {
      return x->kind == Kind::Call && expr::is_horizontal(x->function) ? reduce_parts(x) : x;
    });
  });
  return split(combined);
}

}  // namespace sardonyx::opencl
