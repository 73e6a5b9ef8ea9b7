#include "compiler/sketch/map.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/tensor/lower/lower.h"

namespace sardonyx::sketch {

using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

// Calls f once per distinct node.
void visit_shared(const Expr& e, const std::function<void(const Expr&)>& f) {
  std::unordered_set<const expr::Node*> seen;
  expr::visit(e, [&](const Expr& x) {
    if (!seen.insert(x.get()).second) return false;
    f(x);
    return true;
  });
}

// Whether `var` occurs anywhere but inside load indices.
bool used_outside_loads(const Expr& e, const expr::Variable* var) {
  bool found = false;
  std::unordered_set<const expr::Node*> seen;
  expr::visit(e, [&](const Expr& x) {
    if (found || x->kind == Kind::Load || !seen.insert(x.get()).second) return false;
    found = x->kind == Kind::Var && x->var.get() == var;
    return !found;
  });
  return found;
}

struct Access {
  Expr offset;
  DType dtype;
  bool is_store;
};

std::vector<Access> accesses(const Map& map) {
  std::vector<Access> list;
  for (const Map::Output& out : map.outputs) {
    list.push_back({flat_offset(*out.buffer, out.index), out.buffer->dtype, true});
    visit_shared(out.value, [&](const Expr& x) {
      if (x->kind == Kind::Load) list.push_back({flat_offset(*x->buffer, x->args), x->buffer->dtype, false});
    });
  }
  return list;
}

bool walks_as_one(const Expr& offset, const Axis& outer, const Axis& inner) {
  bool uses_outer = expr::uses_var(offset, outer.var.get()), uses_inner = expr::uses_var(offset, inner.var.get());
  if (!uses_outer && !uses_inner) return true;
  auto a = expr::linear_in(offset, outer.var), b = expr::linear_in(offset, inner.var);
  if (!a || !b) return false;
  for (const Expr* c : {&a->coefficient, &b->coefficient}) {
    if (expr::uses_var(*c, outer.var.get()) || expr::uses_var(*c, inner.var.get())) return false;
  }
  return expr::prove_equal(a->coefficient, b->coefficient * inner.extent);
}

Map substituted(const Map& map, const expr::Substitution& substitution) {
  Map result;
  for (const Map::Output& out : map.outputs) {
    Index index;
    for (const Expr& e : out.index) index.push_back(tensor::substitute_shared(e, substitution));
    result.outputs.push_back({out.buffer, index, tensor::substitute_shared(out.value, substitution)});
  }
  return result;
}

}  // namespace

Expr flat_offset(const expr::Buffer& buffer, const Index& index) {
  Expr flat = 0;
  for (size_t i = 0; i < index.size(); ++i) flat = i == 0 ? index[0] : flat * buffer.dims[i] + index[i];
  return tensor::simplify_index(flat, {});
}

int64_t byte_stride(const Expr& load, const VarPtr& variable) {
  const auto linear = expr::linear_in(flat_offset(*load->buffer, load->args), variable);
  if (!linear) return 0;
  return expr::as_int(expr::simplify(linear->coefficient)).value_or(0) * int64_t(size_of(load->type.dtype));
}

bool neighbours_along(const Expr& load, const VarPtr& variable) {
  return byte_stride(load, variable) == int64_t(size_of(load->type.dtype));
}

Map map_of(const Stage& stage) {
  Map map{stage.axes, {}};
  Index index;
  for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
  map.outputs.push_back({stage.output, index, stage.body});
  return map;
}

void append(Map& map, const Stage& stage) {
  expr::Substitution renamed;
  Index index;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    renamed[stage.axes[i].var.get()] = Expr(map.axes[i].var);
    index.emplace_back(map.axes[i].var);
  }
  map.outputs.push_back({stage.output, index, tensor::substitute_shared(stage.body, renamed)});
}

Map collapse(const Map& map) {
  Map current = map;
  for (size_t i = current.axes.size(); i-- > 0;) {  // axes of one point vanish
    if (!expr::is_const(current.axes[i].extent, 1)) continue;
    Map next = substituted(current, {{current.axes[i].var.get(), Expr(0)}});
    next.axes = current.axes;
    next.axes.erase(next.axes.begin() + long(i));
    current = std::move(next);
  }
  for (size_t i = current.axes.size(); i-- > 1;) {
    const Axis outer = current.axes[i - 1], inner = current.axes[i];
    bool one = true;
    for (const Map::Output& out : current.outputs) {
      one = one && !used_outside_loads(out.value, outer.var.get()) && !used_outside_loads(out.value, inner.var.get());
    }
    if (!one) continue;
    for (const Access& access : accesses(current)) one = one && walks_as_one(access.offset, outer, inner);
    if (!one) continue;
    Expr extent = expr::simplify(outer.extent * inner.extent);
    VarPtr fused = loop_var(inner.var->name, extent);
    Map next = substituted(current, {{outer.var.get(), Expr(0)}, {inner.var.get(), Expr(fused)}});
    next.axes = current.axes;
    next.axes[i - 1] = {fused, extent};
    next.axes.erase(next.axes.begin() + long(i));
    current = std::move(next);
  }
  return current;
}

VectorChoice choose_vector(const Map& map, const Target& target) {
  VectorChoice best;
  double best_cost = 1e300;
  std::vector<Access> list = accesses(map);
  double work = 0;
  for (const Map::Output& out : map.outputs) work += scalar_cost_ns(out.value) * 1.2;
  best.ns_per_point = work;
  for (size_t i = map.axes.size(); i-- > 0;) {
    const Axis& axis = map.axes[i];
    size_t widest = 1;
    double memory = 0;
    for (const Access& access : list) {
      if (!expr::uses_var(access.offset, axis.var.get())) {
        memory += access.is_store ? 100 : 0.1;
        continue;
      }
      widest = std::max(widest, size_of(access.dtype));
      auto linear = expr::linear_in(access.offset, axis.var);
      bool dense = linear && expr::is_const(expr::simplify(linear->coefficient), 1);
      memory += dense ? 0.05 * double(size_of(access.dtype)) / 4 : access.is_store ? 1.2 : 0.6;
    }
    for (const Map::Output& out : map.outputs) {
      visit_shared(out.value, [&](const Expr& x) {
        if (x->kind == Kind::Cast && expr::uses_var(x, axis.var.get()))
          widest = std::max(widest, size_of(x->type.dtype));
      });
    }
    int lanes = std::max(1, target.vector_bytes / int(widest));
    int64_t extent = typical(axis.extent);
    while (lanes > 1 && lanes / 2 >= extent) lanes /= 2;
    int64_t steps = (extent + lanes - 1) / lanes;
    double waste = double(steps * lanes) / double(std::max<int64_t>(extent, 1));
    double cost = (memory + work / lanes) * waste + (extent < lanes ? 0.2 : 0);
    if (cost < best_cost) {
      best_cost = cost;
      best = {int(i), lanes, cost};
    }
  }
  return best;
}

int vectors_at_once(const Map& map, const Target& target) {
  double ns = 0;
  for (const Map::Output& out : map.outputs) ns += scalar_cost_ns(out.value);
  return target.kind == tensor::TargetKind::Host && ns > 3 ? 2 : 1;
}

Stmt vector_range(const VarPtr& var, const Expr& begin, const Expr& count, int lanes, const Target& target,
                  const Stmt& body, int unroll) {
  auto at = [&](const Expr& value) { return tensor::substitute(body, {{var.get(), value}}); };
  if (lanes == 1) {
    VarPtr i = loop_var(var->name, count);
    return tensor::make_for(ForKind::Serial, i, count, at(begin + Expr(i)));
  }
  Expr full = expr::simplify(count / lanes), rest = expr::simplify(count % lanes);
  std::vector<Stmt> parts;
  const auto vectors = [&](const Expr& first, const Expr& blocks, int each) {
    if (expr::is_const(blocks, 0)) return;
    VarPtr block = loop_var(var->name + "o", blocks), lane = loop_var(var->name + "i", lanes);
    VarPtr u = loop_var(var->name + "u", each);
    Expr number = first + Expr(block) * each + Expr(u);
    Stmt one = tensor::make_for(ForKind::Vector, lane, lanes, at(begin + number * lanes + Expr(lane)));
    parts.push_back(
        tensor::make_for(ForKind::Serial, block, blocks, tensor::make_for(ForKind::Unrolled, u, each, one)));
  };
  const Expr blocks = expr::simplify(full / unroll);
  vectors(0, blocks, unroll);
  if (unroll > 1) vectors(blocks * unroll, expr::simplify(full % unroll), 1);
  if (!expr::is_const(rest, 0)) {
    Expr start = begin + full * lanes;
    Stmt tail;
    if (target.vector_bytes == 64) {
      VarPtr last = loop_var(var->name + "t", lanes);
      tail = tensor::make_for(ForKind::Vector, last, lanes, tensor::make_if(Expr(last) < rest, at(start + Expr(last))));
      if (!expr::prove(rest != Expr(0))) tail = tensor::make_if(rest != Expr(0), tail);
    } else {
      VarPtr last = loop_var(var->name + "t", rest);
      tail = tensor::make_for(ForKind::Serial, last, rest, at(start + Expr(last)));
    }
    parts.push_back(tail);
  }
  return tensor::make_block(std::move(parts));
}

Stmt map_loops(const Map& map, const VectorChoice& choice, const Target& target) {
  std::vector<Stmt> stores;
  for (const Map::Output& out : map.outputs) stores.push_back(tensor::make_store(out.buffer, out.index, out.value));
  Stmt body = tensor::make_block(std::move(stores));
  if (choice.axis < 0) return body;
  const Axis& inner = map.axes[size_t(choice.axis)];
  body = vector_range(inner.var, 0, inner.extent, choice.lanes, target, body, vectors_at_once(map, target));
  for (size_t i = map.axes.size(); i-- > 0;) {
    if (int(i) != choice.axis) body = tensor::make_for(ForKind::Serial, map.axes[i].var, map.axes[i].extent, body);
  }
  return body;
}

Program inline_pointwise(const Program& program, const std::function<bool(const Stage&)>& keep) {
  Program result = program;
  result.stages.clear();
  std::unordered_map<const expr::Buffer*, const Stage*> inlined;
  std::vector<Stage> stages = program.stages;  // bodies are rewritten in place, so later ones see inlined bodies
  for (Stage& stage : stages) {
    std::vector<std::pair<Expr, Expr>> done;  // structurally equal loads give one node
    stage.body = tensor::mutate_shared(stage.body, [&](const Expr& x) -> Expr {
      if (x->kind != Kind::Load) return x;
      auto found = inlined.find(x->buffer.get());
      if (found == inlined.end()) return x;
      for (const auto& [from, to] : done) {
        if (from->hash == x->hash && expr::equal(from, x)) return to;
      }
      expr::Substitution at;
      for (size_t i = 0; i < x->args.size(); ++i) at[found->second->axes[i].var.get()] = x->args[i];
      Expr value = tensor::substitute_shared(found->second->body, at);
      done.emplace_back(x, value);
      return value;
    });
    bool pointwise = stage.reduce == tensor::Reduce::None && stage.scan_axis < 0;
    if (pointwise && !keep(stage)) {
      inlined[stage.output.get()] = &stage;
      if (!is_output(program, stage.output)) continue;
    }
    result.stages.push_back(stage);
  }
  return result;
}

namespace {

constexpr int64_t inline_limit = 4000;  // nodes of a body after inlining

int64_t node_count(const Expr& e) {
  std::unordered_set<const expr::Node*> seen;
  expr::visit(e, [&](const Expr& x) { return seen.insert(x.get()).second; });
  return int64_t(seen.size());
}

bool same_domain(const std::vector<Axis>& a, const std::vector<Axis>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!expr::prove_equal(a[i].extent, b[i].extent)) return false;
  }
  return true;
}

}  // namespace

std::variant<std::vector<Map>, Refusal> pointwise_maps(const Program& program) {
  for (const Stage& stage : program.stages) {
    if (stage.reduce != tensor::Reduce::None) return Refusal{"stage " + stage.name + " reduces"};
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
  }
  Program flat = inline_pointwise(program, [](const Stage&) { return false; });
  std::vector<Map> maps;
  for (const Stage& stage : flat.stages) {
    if (node_count(stage.body) > inline_limit) return Refusal{"stage " + stage.name + " is too large when inlined"};
    Map* host = nullptr;
    for (Map& map : maps) {
      if (same_domain(map.axes, stage.axes)) host = &map;
    }
    if (host) {
      append(*host, stage);
    } else {
      maps.push_back(map_of(stage));
    }
  }
  for (Map& map : maps) map = collapse(map);
  return maps;
}

}  // namespace sardonyx::sketch
