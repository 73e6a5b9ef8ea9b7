// graph::interpret: every node of a graph evaluated on host tensors, one after the other. The oracle for compiled
// graphs, so it shares nothing with code generation but the definitions of the primitives.
//
// Symbols get their values where the graph says: from the shapes of inputs, from bind_dims, from the shapes of results
// that only the run knows (nonzero, if, loop, host_call), and from what a loop hands to its region.
#include "compiler/tensor/interpret.h"
#include "compiler/expr/simplify.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/bind.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

class Interpreter {
 public:
  std::vector<Tensor> run(const Graph& graph, std::span<const Tensor> inputs) {
    const auto& parameters = graph.body().parameters();
    require(inputs.size() == parameters.size(), Status::InvalidModel, "the graph has ", parameters.size(),
            " inputs, got ", inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      expect_fits(*parameters[i], inputs[i]);
      bind_dims_of(parameters[i]->type, inputs[i]);
    }
    for (size_t i = 0; i < inputs.size(); ++i) expect_dims(*parameters[i], inputs[i]);
    // Equalities over inputs hold before anything runs; those over symbols that the run binds are checked behind it.
    for (const Equality& equality : graph.equalities)
      if (is_bound(equality.left) && is_bound(equality.right)) expect_equal(equality);
    std::vector<Tensor> results = run_region(graph.body(), inputs);
    for (const Equality& equality : graph.equalities) expect_equal(equality);
    return results;
  }

 private:
  static void expect_fits(const Value& parameter, const Tensor& tensor) {
    require(tensor.dtype() == parameter.type.dtype, Status::MismatchingDatatype, "input '", parameter.name, "' is ",
            dtype_name(tensor.dtype()), ", expected ", to_string(parameter.type));
    require(tensor.rank() == parameter.type.rank(), Status::MismatchingShape, "input '", parameter.name,
            "' has shape [", join(tensor.dims(), ","), "], expected ", to_string(parameter.type));
  }

  void expect_dims(const Value& value, const Tensor& tensor) const {
    require(evaluated(value.type.dims) == tensor.dims(), Status::MismatchingShape, "input '", value.name,
            "' has shape [", join(tensor.dims(), ","), "], expected ", to_string(value.type));
  }

  void expect_equal(const Equality& equality) const {
    require(expr::evaluate(equality.left, symbols_) == expr::evaluate(equality.right, symbols_),
            Status::MismatchingShape, equality.text);
  }

  void bind_dims_of(const TensorType& type, const Tensor& tensor) {
    for (size_t i = 0; i < type.dims.size(); ++i)
      if (type.dims[i]->kind == expr::Kind::Var) symbols_[type.dims[i]->var.get()] = tensor.dims()[i];
  }

  Dims evaluated(const std::vector<Expr>& dims) const {
    Dims result;
    for (const Expr& dim : dims) result.push_back(expr::evaluate(dim, symbols_));
    return result;
  }

  bool is_bound(const Expr& dim) const {
    bool bound = true;
    expr::visit(dim, [&](const Expr& part) {
      if (part->kind == expr::Kind::Var) bound &= symbols_.count(part->var.get()) != 0;
      return bound;
    });
    return bound;
  }

  std::vector<Tensor> run_region(const Region& region, std::span<const Tensor> arguments) {
    const auto& parameters = region.parameters();
    check(arguments.size() == parameters.size(), "a region of ", parameters.size(), " parameters got ",
          arguments.size(), " arguments");
    for (size_t i = 0; i < arguments.size(); ++i) {
      bind_dims_of(parameters[i]->type, arguments[i]);
      values_[parameters[i].get()] = arguments[i];
    }
    for (const auto& node : region.nodes()) {
      if (node->op == Op::yield) return operands_of(*node);
      try {
        run_node(*node);
      } catch (Error& error) {
        error.add_context("while interpreting " + to_string(*node));
        throw;
      }
    }
    fail(Status::InternalError, "a region without yield");
  }

  std::vector<Tensor> operands_of(const Node& node) const {
    std::vector<Tensor> tensors;
    for (const Value* operand : node.operands) {
      auto found = values_.find(operand);
      check(found != values_.end(), "an operand of ", op_name(node.op), " has no value yet");
      tensors.push_back(found->second);
    }
    return tensors;
  }

  void run_node(const Node& node) {
    const std::vector<Tensor> operands = operands_of(node);
    switch (node.op) {
      case Op::bind_dims:
        return bind(node.attrs<BindDimsAttrs>(), operands[0]);
      case Op::check:
        return run_check(node.attrs<CheckAttrs>());
      case Op::constant:
        return define(node, {node.attrs<ConstantAttrs>().value});
      case Op::if_:
        return define(node, run_region(*node.regions[operands[0].as_int(0) ? 0 : 1], {}));
      case Op::loop:
        return define(node, run_loop(node, operands));
      case Op::fused:
        return define(node, run_region(*node.regions[0], operands));
      default:
        break;
    }
    const OpDef& def = op_def(node.op);
    const AttributesPtr attributes = ops::bind_symbols(*node.attributes, symbols_);
    if (def.reference) return define(node, def.reference(*attributes, operands));
    define(node, evaluate(node, *attributes, operands));
  }

  // The node's expression over numbers only.
  std::vector<Tensor> evaluate(const Node& node, const Attributes& attributes, const std::vector<Tensor>& operands) {
    tensor::ProgramBuilder program;
    std::vector<tensor::Term> terms;
    for (size_t i = 0; i < operands.size(); ++i) {
      const Dims& dims = operands[i].dims();
      terms.push_back(program.input(str("operand", i), operands[i].dtype(), {dims.begin(), dims.end()}));
    }
    std::vector<TensorType> types;
    for (const auto& result : node.results) {
      const Dims dims = evaluated(result->type.dims);
      types.push_back({result->type.dtype, {dims.begin(), dims.end()}, {}});
    }
    const OpDef& def = op_def(node.op);
    check(def.express != nullptr, op_name(node.op), " has neither expression nor reference");
    for (const tensor::Term& term : def.express(attributes, terms, types, program)) program.output(term);
    return tensor::interpret(program.finish(), operands, {});
  }

  void define(const Node& node, std::vector<Tensor> tensors) {
    check(tensors.size() == node.results.size(), op_name(node.op), " gave ", tensors.size(), " results, expected ",
          node.results.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Value& value = *node.results[i];
      check(tensors[i].dtype() == value.type.dtype && tensors[i].rank() == value.type.rank(), op_name(node.op),
            " gave ", dtype_name(tensors[i].dtype()), "[", join(tensors[i].dims(), ","), "], expected ",
            to_string(value.type));
      if (binds_result_dims(node.op)) bind_dims_of(value.type, tensors[i]);
      check(evaluated(value.type.dims) == tensors[i].dims(), op_name(node.op), " gave shape [",
            join(tensors[i].dims(), ","), "], expected ", to_string(value.type));
      values_[&value] = std::move(tensors[i]);
    }
  }

  void bind(const BindDimsAttrs& attributes, const Tensor& values) {
    for (size_t i = 0; i < attributes.symbols.size(); ++i) {
      const auto& symbol = attributes.symbols[i]->var;
      const int64_t value = values.as_int(int64_t(i));
      require(value >= symbol->facts.min && value <= symbol->facts.max, Status::MismatchingShape, "run-time value ",
              value, " of ", symbol->name, " is out of its range");
      symbols_[symbol.get()] = value;
    }
  }

  void run_check(const CheckAttrs& attributes) const {
    require(expr::evaluate(attributes.condition[0], symbols_) != 0, Status(attributes.status), attributes.text);
  }

  std::vector<Tensor> run_loop(const Node& node, const std::vector<Tensor>& operands) {
    const auto& loop = node.attrs<LoopAttrs>();
    const size_t carried_count = size_t(loop.carried), scan_count = node.results.size() - carried_count;
    const int64_t trips = loop.has_trip_count ? operands[0].as_int(0) : INT64_MAX;
    bool go_on = !loop.has_condition || operands[1].as_int(0) != 0;
    std::vector<Tensor> carried(operands.begin() + 2, operands.end());
    std::vector<std::vector<Tensor>> scans(scan_count);
    for (int64_t iteration = 0; go_on && iteration < trips; ++iteration) {
      std::vector<Tensor> arguments{Tensor::scalar(DType::I64, 0), Tensor::scalar(DType::Bool, 1)};
      arguments[0].set_int(0, iteration);
      arguments.insert(arguments.end(), carried.begin(), carried.end());
      const std::vector<Tensor> yields = run_region(*node.regions[0], arguments);
      if (loop.has_condition) go_on = yields[0].as_int(0) != 0;
      std::copy_n(yields.begin() + 1, carried_count, carried.begin());
      for (size_t i = 0; i < scan_count; ++i) scans[i].push_back(yields[1 + carried_count + i]);
    }
    for (size_t i = 0; i < scan_count; ++i) carried.push_back(stacked(scans[i], node.results[carried_count + i]->type));
    return carried;
  }

  // The values of a scan output of all iterations as one tensor; dims that no iteration showed are 0.
  Tensor stacked(const std::vector<Tensor>& parts, const TensorType& type) const {
    Dims dims{int64_t(parts.size())};
    if (parts.empty()) {
      for (size_t i = 1; i < type.dims.size(); ++i)
        dims.push_back(is_bound(type.dims[i]) ? evaluated({type.dims[i]})[0] : 0);
      return Tensor(type.dtype, dims);
    }
    dims.insert(dims.end(), parts[0].dims().begin(), parts[0].dims().end());
    Tensor result(type.dtype, dims);
    const size_t bytes = size_t(parts[0].bytes());
    for (size_t i = 0; i < parts.size(); ++i) {
      require(parts[i].dims() == parts[0].dims(), Status::MismatchingShape,
              "the iterations of a loop gave scan outputs of different shapes: [", join(parts[0].dims(), ","),
              "] and [", join(parts[i].dims(), ","), "]");
      std::copy_n(parts[i].raw(), bytes, result.raw() + i * bytes);
    }
    if (type.dtype == DType::String) return result.clone();  // the texts are those of the parts so far
    return result;
  }

  std::unordered_map<const Value*, Tensor> values_;
  ops::SymbolValues symbols_;
};

}  // namespace

std::vector<Tensor> interpret(const Graph& graph, std::span<const Tensor> inputs) {
  return Interpreter().run(graph, inputs);
}

}  // namespace sardonyx::graph
