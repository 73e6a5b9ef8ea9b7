#include "backends/group_program.h"

#include <unordered_map>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

using expr::Expr;
using graph::Node;
using graph::Op;
using graph::TensorType;
using graph::Value;
using tensor::Index;
using tensor::Term;

namespace {

TensorType with_layout(TensorType type, const std::vector<graph::Layout>& layouts, size_t i) {
  if (i < layouts.size()) type.layout = layouts[i];
  return type;
}

// The logical view of a physical input buffer.
Term logical_view(const Term& physical, const TensorType& type) {
  return {type.dtype, type.dims,
          [physical, type](const Index& index) { return physical.at(graph::physical_index(type, index)); }};
}

// A term that returns the same expression for the same index, so that a value with several uses makes a shared node
// and not a copy per use (which would grow exponentially along chains of such values).
Term shared(const Term& term) {
  auto cache = std::make_shared<std::vector<std::pair<Index, Expr>>>();
  return {term.dtype, term.dims, [term, cache](const Index& index) {
            auto matches = [&](const Index& other) {
              for (size_t i = 0; i < index.size(); ++i)
                if (!expr::equal(index[i], other[i])) return false;
              return true;
            };
            for (const auto& [known, value] : *cache)
              if (matches(known)) return value;
            Expr value = term.at(index);
            cache->emplace_back(index, value);
            return value;
          }};
}

// The physical image of a logical term: zero where a blocked axis runs past its extent.
Term physical_image(const Term& logical, const TensorType& type) {
  return {type.dtype, graph::physical_dims(type), [logical, type](const Index& physical) {
            std::vector<Expr> index = graph::logical_index(type, physical);
            Expr value = logical.at(index);
            for (const graph::Layout::Block& block : type.layout.blocks) {
              const Expr& extent = type.dims[size_t(block.axis)];
              if (!expr::prove_divisible(extent, block.factor))
                value = expr::select(index[size_t(block.axis)] < extent, value, expr::imm(0, type.dtype));
            }
            return value;
          }};
}

// Elements of it are chosen by indices, which are to be checked.
bool is_gathered(const Value& value) {
  return std::any_of(value.uses.begin(), value.uses.end(), [](const graph::Use& use) {
    const Op op = use.user->op;
    return use.operand == 0 && (op == Op::gather || op == Op::gather_elements || op == Op::gather_nd);
  });
}

}  // namespace

sketch::Problem express_group(const Node& group, const std::vector<graph::Layout>& inputs,
                              const std::vector<graph::Layout>& outputs, const std::set<int>& arguments) {
  check(group.op == Op::fused, "express_group of ", graph::op_name(group.op));
  const graph::Region& body = *group.regions[0];
  tensor::ProgramBuilder program;
  std::unordered_map<const Value*, Term> terms;
  sketch::Problem problem;
  for (size_t i = 0; i < body.parameters().size(); ++i) {
    TensorType type = with_layout(body.parameters()[i]->type, inputs, i);
    const bool argument = arguments.count(int(i)) > 0;
    Term input = program.input(str("in", i), type.dtype, graph::physical_dims(type), argument);
    const Tensor* value = group.operand(int(i))->constant();
    if (value && value->count() == 1 && !argument && !is_gathered(*body.parameters()[i]) &&
        (is_float(type.dtype) || is_integer(type.dtype) || type.dtype == DType::Bool)) {
      Expr immediate = is_float(type.dtype)        ? expr::float_imm(value->as_double(0), type.dtype)
                       : type.dtype == DType::Bool ? expr::bool_imm(value->as_int(0) != 0)
                                                   : expr::int_imm(value->as_int(0), type.dtype);
      input.at = [immediate](const Index&) { return immediate; };
    }
    terms[body.parameters()[i].get()] = type.layout.row_major() ? input : logical_view(input, type);
    problem.constant.push_back(value != nullptr);
  }
  for (const auto& node : body.nodes()) {
    if (node->op == Op::yield) break;
    const graph::OpDef& def = graph::op_def(node->op);
    check(def.express != nullptr, "primitive '", graph::op_name(node->op), "' has no tensor expression");
    std::vector<Term> operands;
    for (const Value* operand : node->operands) operands.push_back(terms.at(operand));
    std::vector<TensorType> types;
    for (const auto& result : node->results) types.push_back(result->type);
    std::vector<Term> results = def.express(*node->attributes, operands, types, program);
    for (size_t i = 0; i < results.size(); ++i) {
      Value* value = node->result(int(i));
      bool materialised = program.buffer_of(results[i]) != nullptr;
      terms[value] = value->uses.size() > 1 && !materialised ? shared(results[i]) : std::move(results[i]);
    }
  }
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    TensorType type = with_layout(group.result(int(i))->type, outputs, i);
    const Term& term = terms.at(body.outputs()[i]);
    program.output(type.layout.row_major() ? term : physical_image(term, type));
  }
  problem.program = program.finish();
  return problem;
}

bool expressible(const Node& group) {
  for (const auto& node : group.regions[0]->nodes())
    if (node->op != Op::yield && !graph::op_def(node->op).express) return false;
  return true;
}

const Node* anchor_of(const Node& group) {
  for (const auto& node : group.regions[0]->nodes())
    if (node->op != Op::yield && !(graph::op_def(node->op).traits & (graph::Pointwise | graph::Injective)))
      return node.get();
  return nullptr;
}

std::string primitives_of(const Node& group) {
  std::vector<std::string> names;
  for (const auto& node : group.regions[0]->nodes()) {
    if (node->op == Op::yield) break;
    if (node->op == Op::unary)
      names.push_back(graph::unary_names[int(node->attrs<graph::UnaryAttrs>().function)]);
    else if (node->op == Op::binary)
      names.push_back(graph::binary_names[int(node->attrs<graph::BinaryAttrs>().function)]);
    else
      names.push_back(std::string(graph::op_name(node->op)));
  }
  return join(names, "+");
}

void add_group(Error& error, const Node& group) {
  error.add_context(str("while compiling ", primitives_of(group), " from ", join(group.sources, ", ")));
}

}  // namespace sardonyx::backends
