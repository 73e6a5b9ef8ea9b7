// unary, binary, select and cast: the scalar expression that the primitive is, differentiated, made nodes again.
#include "compiler/gradient/rules.h"
#include "compiler/gradient/scalar.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

using expr::Function;
using expr::Kind;
using graph::BinaryFunction;
using graph::UnaryFunction;

struct KindRow {
  Kind kind;
  BinaryFunction function;
};
constexpr KindRow kinds[] = {
    {Kind::Add, BinaryFunction::Add}, {Kind::Sub, BinaryFunction::Sub}, {Kind::Mul, BinaryFunction::Mul},
    {Kind::Div, BinaryFunction::Div}, {Kind::Eq, BinaryFunction::Eq},   {Kind::Lt, BinaryFunction::Lt},
};

struct FunctionRow {
  Function function;
  UnaryFunction unary;
};
constexpr FunctionRow functions[] = {
    {Function::Sign, UnaryFunction::Sign}, {Function::Sqrt, UnaryFunction::Sqrt}, {Function::Exp, UnaryFunction::Exp},
    {Function::Log, UnaryFunction::Log},   {Function::Sin, UnaryFunction::Sin},   {Function::Cos, UnaryFunction::Cos},
    {Function::Sinh, UnaryFunction::Sinh}, {Function::Cosh, UnaryFunction::Cosh},
};

// Makes nodes of the expressions that derivatives are written in. Loads and the differentiated expression itself are
// values that exist.
class Emitter {
 public:
  explicit Emitter(Builder& b) : b_(b) {}

  void know(const expr::BufferPtr& buffer, Value* value) { buffers_[buffer.get()] = value; }
  void know(const Expr& e, Value* value) { values_[e.get()] = {e, value}; }

  Value* emit(const Expr& e) {
    if (e->kind == Kind::Load) return buffers_.at(e->buffer.get());
    auto found = values_.find(e.get());
    if (found != values_.end()) return found->second.value;
    Value* value = make(e);
    know(e, value);
    return value;
  }

 private:
  Value* make(const Expr& e) {
    std::vector<Value*> args;
    for (const Expr& arg : e->args) args.push_back(emit(arg));
    if (e->kind == Kind::FloatImm) return b_.scalar(e->type.dtype, e->float_value);
    if (e->kind == Kind::Cast) return b_.cast(args[0], e->type.dtype);
    if (e->kind == Kind::Select) return b_.select(args[0], args[1], args[2]);
    if (e->kind == Kind::Call && e->function == Function::Pow) return b_.binary(BinaryFunction::Pow, args[0], args[1]);
    for (const KindRow& row : kinds)
      if (e->kind == row.kind) return b_.binary(row.function, args[0], args[1]);
    for (const FunctionRow& row : functions)
      if (e->kind == Kind::Call && e->function == row.function) return b_.unary(row.unary, args[0]);
    fail(Status::InternalError, "no primitive for ", expr::to_string(e));
  }

  Builder& b_;
  std::unordered_map<const expr::Buffer*, Value*> buffers_;
  struct Known {
    Expr e;  // keeps the address from being used for another expression
    Value* value;
  };
  std::unordered_map<const expr::Node*, Known> values_;
};

}  // namespace

void differentiate_pointwise(Adjoints& a, const Node& node) {
  // Elements are all alike: the expression of a scalar is that of every one of them.
  tensor::ProgramBuilder program;
  std::vector<tensor::Term> terms;
  Emitter emitter(a.builder());
  std::unordered_map<const expr::Buffer*, Value*> operands;
  for (Value* operand : node.operands) {
    terms.push_back(program.input("x", operand->type.dtype, {}));
    const expr::BufferPtr buffer = program.buffer_of(terms.back());
    emitter.know(buffer, operand);
    operands[buffer.get()] = operand;
  }
  const tensor::Term upper = program.input("adjoint", node.result()->type.dtype, {});
  emitter.know(program.buffer_of(upper), a.of(node.result()));
  const graph::TensorType result{node.result()->type.dtype, {}, {}};
  const Expr body = graph::op_def(node.op).express(*node.attributes, terms, std::span(&result, 1), program)[0].at({});
  if (body->kind != Kind::Load) emitter.know(body, node.result());
  differentiate(body, upper.at({}), [&](const Expr& load, const Expr& adjoint) {
    Value* operand = operands.at(load->buffer.get());
    if (!a.varies(operand)) return;
    a.add(operand, a.builder().broadcast(emitter.emit(adjoint), operand->type.dims));
  });
}

}  // namespace sardonyx::gradient
