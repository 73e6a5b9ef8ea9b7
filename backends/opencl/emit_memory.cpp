// Loads, stores and the guards over them.
#include "backends/opencl/emitter.h"
#include "backends/opencl/types.h"
#include "compiler/expr/simplify.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::BufferPtr;
using expr::Expr;
using expr::Kind;
using expr::Type;
using Text = std::string;

namespace {

bool dense(const Expr& index) { return index->kind == Kind::Ramp && expr::is_const(index->args[1], 1); }

}  // namespace

const Emitter::Place& Emitter::place(const BufferPtr& buffer) const {
  auto found = places_.find(buffer.get());
  check(found != places_.end(), "buffer ", buffer->name, " is not an argument of kernel ", kernel_.name);
  return found->second;
}

Text Emitter::variable(const Place& at, const Expr& index) const {
  return at.pointer + "_" + std::to_string(expr::evaluate(piece_start(index), unrolled_) / at.piece);
}

Expr Emitter::own_index(const BufferPtr& buffer, const Expr& index) {
  if (!lane_ || !lane_private_.count(buffer.get())) return index;
  auto [found, added] = own_indices_.try_emplace(index.get());
  if (added) found->second = tensor::simplify_index(tensor::substitute_shared(index, {{lane_, Expr(0)}}), {});
  return found->second;
}

Emitter::Guard Emitter::both(const Guard& a, const Guard& b) {
  if (a.text.empty()) return b;
  if (b.text.empty()) return a;
  Guard result;
  result.lanes = std::max(a.lanes, b.lanes);
  const Type type{DType::Bool, result.lanes};
  if (result.lanes == 1) {
    result.text = shared(a.text + " && " + b.text, type);
    return result;
  }
  result.text = shared(mask(a, result.lanes) + " & " + mask(b, result.lanes), type);
  const Guard &scalar = a.lanes == 1 ? a : b, &vector = a.lanes == 1 ? b : a;
  if (scalar.lanes == 1 && !vector.first.empty()) {
    result.first = shared(scalar.text + " ? " + vector.first + " : 0", {DType::I32, 1});
  }
  return result;
}

Emitter::Guard Emitter::guard_of(const Expr& condition, bool taken) {
  Guard guard;
  guard.lanes = condition->type.lanes;
  Text text = value_of(condition);
  if (!taken) text = (guard.lanes == 1 ? "(!" : "(~") + text + ")";
  guard.text = kept(condition, text);
  if (taken) guard.first = count_of_first(condition);
  return guard;
}

Text Emitter::any(const Guard& guard) {
  return guard.lanes == 1 ? guard.text : helpers_.some(guard.lanes) + "(" + guard.text + ")";
}

Text Emitter::mask(const Guard& guard, int lanes) {
  return guard.lanes == 1 ? "(int" + std::to_string(lanes) + ")(-" + guard.text + ")" : guard.text;
}

Text Emitter::from_memory(const Text& v, Type type) {
  if (type.dtype != DType::Bool) return v;
  if (type.lanes == 1) return "(" + v + " != 0)";
  Text lanes = std::to_string(type.lanes);
  return "convert_int" + lanes + "(" + v + " != (uchar" + lanes + ")(0))";
}

Text Emitter::to_memory(const Text& v, Type type) {
  if (type.dtype != DType::Bool) return v;
  return type.lanes == 1 ? "(uchar)" + v : "convert_uchar" + std::to_string(type.lanes) + "(" + v + " & 1)";
}

Text Emitter::emit_load(const Expr& e) {
  check(e->args.size() == 1, "load from ", e->buffer->name, " is not flat");
  return load_from(e->buffer, own_index(e->buffer, e->args[0]), e->type.lanes);
}

Text Emitter::load_from(const BufferPtr& buffer, const Expr& index, int lanes) {
  Type type{buffer->dtype, lanes}, element{buffer->dtype, 1};
  const Place& at = place(buffer);
  // Registers are always there.
  bool guarded = !guard_.text.empty() && buffer->scope != expr::Buffer::Scope::Register;
  if (at.piece == lanes) return variable(at, index);
  if (lanes == 1) {
    Text value = at.pointer + "[" + value_of(index) + "]";
    if (guarded) value = "(" + any(guard_) + " ? " + value + " : (" + memory_type_name(element) + ")0)";
    // An operator on narrow integers has made an int of it.
    if (guarded && bits_of(buffer->dtype) < 32) value = "((" + memory_type_name(element) + ")" + value + ")";
    return from_memory(value, element);
  }
  if (index->kind == Kind::Broadcast) {
    Text one = load_from(buffer, index->args[0], 1);
    return "((" + type_name(type) + ")(" + (buffer->dtype == DType::Bool ? "-" : "") + one + "))";
  }
  Text m = guarded ? mask(guard_, lanes) : Text();
  if (dense(index)) {
    Text pointer = at.pointer + " + " + value_of(index->args[0]);
    if (!guarded) return from_memory(helpers_.vector_load(at.space, type, pointer), type);
    const bool first = !guard_.first.empty();
    const Text helper = first ? helpers_.load_first(at.space, type) : helpers_.masked_load(at.space, type);
    return from_memory(helper + "(" + pointer + ", " + (first ? guard_.first : m) + ")", type);
  }
  if (index->kind == Kind::Ramp && !guarded && expr::is_const(index->args[1], -1)) {
    Text reversed = ".s";
    for (int i = lanes; i-- > 0;) reversed += component(i)[1];
    Text last = at.pointer + " + " + value_of(index->args[0]) + " - " + std::to_string(lanes - 1);
    return from_memory(helpers_.vector_load(at.space, type, last) + reversed, type);
  }
  Text value = helpers_.gather(at.space, type, guarded) + "(" + at.pointer + ", " + value_of(index);
  return from_memory(value + (guarded ? ", " + m : "") + ")", type);
}

void Emitter::store_to(const BufferPtr& buffer, const Expr& index, const Expr& stored) {
  const Place& at = place(buffer);
  int lanes = index->type.lanes;
  Type type{buffer->dtype, lanes};
  check(lanes > 1 || stored->type.lanes == 1, "vector value at a scalar index of ", buffer->name);
  Text value = value_of(stored);
  if (lanes > 1 && stored->type.lanes == 1) {
    value = "(" + type_name(type) + ")(" + (buffer->dtype == DType::Bool ? "-" : "") + value + ")";
  }
  bool guarded = !guard_.text.empty();
  if (at.piece == lanes) {
    const Text target = variable(at, index);
    if (guarded && lanes > 1) value = blend(mask(guard_, lanes), value, target, type);
    return line((guarded && lanes == 1 ? "if (" + any(guard_) + ") " : "") + target + " = " + value + ";");
  }
  value = to_memory(value, type);
  if (lanes == 1) {
    Text target = at.pointer + "[" + value_of(index) + "] = " + value + ";";
    line((guarded ? "if (" + any(guard_) + ") " : "") + target);  // guarded: rare, a uniform store under a vector guard
    return;
  }
  Text m = guarded ? ", " + mask(guard_, lanes) : Text();
  if (dense(index)) {
    Text pointer = at.pointer + " + " + value_of(index->args[0]);
    if (!guarded) return line(helpers_.vector_store(at.space, type, pointer, value));
    const bool first = !guard_.first.empty();
    const Text helper = first ? helpers_.store_first(at.space, type) : helpers_.masked_store(at.space, type);
    return line(helper + "(" + pointer + ", " + value + (first ? ", " + guard_.first : m) + ");");
  }
  line(helpers_.scatter(at.space, type, guarded) + "(" + at.pointer + ", " + value_of(index) + ", " + value + m + ");");
}

}  // namespace sardonyx::opencl
