// Constant folding: nodes whose operands are all constants are evaluated with the reference interpreter.
//
// Small results are already folded by the builder. Here: anything whose result has at most 2^20 elements and is not
// larger than four times its operands (so that a broadcast of a scalar never becomes a megabyte of data).
// Results without elements become constants as well. Weights of few bits that products read stay narrow.
#include "compiler/passes/narrow_weights.h"
#include "compiler/tensor/interpret.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Value;

namespace {

constexpr int64_t element_limit = int64_t{1} << 20;
// Multiply-adds or element visits that the interpreter may spend on one node.
constexpr int64_t work_limit = int64_t{1} << 22;

bool foldable(const Node& node, std::vector<Tensor>& operands) {
  const graph::OpDef& def = graph::op_def(node.op);
  if (!def.express || node.op == Op::constant || node.op == Op::broadcast || node.op == Op::iota) return false;
  if (def.traits & (graph::Control | graph::SideEffect | graph::Contraction)) return false;
  int64_t operand_elements = 0;
  for (const Value* value : node.operands) {
    Node* broadcast = producer_if(value, Op::broadcast);
    const Tensor* tensor = broadcast ? broadcast->operand(0)->constant() : value->constant();
    if (!tensor) return false;
    operand_elements += tensor->count();
    operands.push_back(*tensor);
  }
  if (node.operands.empty()) return false;
  for (const auto& result : node.results) {
    auto dims = graph::static_dims(result->type);
    if (!dims || !result->type.layout.row_major()) return false;
    int64_t count = sardonyx::element_count(*dims);
    if (count > element_limit || count > 4 * operand_elements + 64) return false;
  }
  return operand_elements <= work_limit;
}

// Evaluates the node; operands that come through a `broadcast` are read through it, so it is never materialised.
std::vector<Tensor> evaluate(const Node& node, const std::vector<Tensor>& operands) {
  tensor::ProgramBuilder program;
  std::vector<tensor::Term> terms;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Value* value = node.operands[i];
    Node* broadcast = producer_if(value, Op::broadcast);
    const graph::TensorType& type = broadcast ? broadcast->operand(0)->type : value->type;
    tensor::Term term = program.input(str("operand", i), type.dtype, type.dims);
    if (broadcast) {
      std::vector<graph::TensorType> results = {value->type};
      std::vector<tensor::Term> inputs = {term};
      term = graph::op_def(Op::broadcast).express(*broadcast->attributes, inputs, results, program).front();
    }
    terms.push_back(std::move(term));
  }
  std::vector<graph::TensorType> results;
  for (const auto& result : node.results) results.push_back(result->type);
  for (const tensor::Term& term : graph::op_def(node.op).express(*node.attributes, terms, results, program))
    program.output(term);
  return tensor::interpret(program.finish(), operands, {});
}

// Results without elements need no computation, whatever the operands are.
bool fold_empty_results(graph::Graph& graph, Node& node) {
  bool changed = false;
  for (const auto& result : node.results) {
    const auto dims = graph::static_dims(result->type);
    if (node.op == Op::constant || result->uses.empty() || !dims || sardonyx::element_count(*dims) != 0) continue;
    graph::Builder builder = builder_before(node);
    graph.replace_all_uses(result.get(), builder.constant(Tensor(result->type.dtype, *dims)));
    changed = true;
  }
  return changed;
}

}  // namespace

bool fold_constants(graph::Graph& graph, PassContext& context) {
  bool changed = false;
  std::unordered_set<const Node*> narrow;
  if (context.host_kernels) narrow = widening_of_products(graph);
  for_each_node(graph, [&](Node& node) {
    changed |= fold_empty_results(graph, node);
    std::vector<Tensor> operands;
    if (narrow.count(&node) || !foldable(node, operands)) return;
    std::vector<Tensor> values;
    try {
      values = evaluate(node, operands);
    } catch (const Error& error) {
      // A division by zero in dead or guarded code is the run's business, not the compiler's.
      log(LogLevel::Debug, "not folded: ", error.text());
      return;
    }
    graph::Builder builder = builder_before(node);
    for (size_t i = 0; i < values.size(); ++i) graph.replace_all_uses(node.result(int(i)), builder.constant(values[i]));
    graph.erase(&node);
    changed = true;
  });
  return changed;
}

}  // namespace sardonyx::passes
