#include "compiler/graph/fold.h"

#include "compiler/expr/simplify.h"
#include "compiler/tensor/interpret.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

using expr::Kind;
using tensor::Index;
using tensor::Term;

constexpr int64_t max_folded_bytes = 1024;
constexpr int64_t max_operand_elements = 4096;
constexpr int64_t max_reduction = 1024;
constexpr int max_expansions = 8192;

// Thrown and caught in this file only: the contents cannot be had.
struct NotFoldable {};

bool numeric(DType dtype) { return is_float(dtype) || is_integer(dtype) || dtype == DType::Bool; }

int64_t flat_position(const std::vector<int64_t>& index, const std::vector<int64_t>& dims) {
  int64_t position = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (index[i] < 0 || index[i] >= dims[i]) return -1;
    position = position * dims[i] + index[i];
  }
  return position;
}

std::vector<int64_t> unflatten(int64_t position, const std::vector<int64_t>& dims) {
  std::vector<int64_t> index(dims.size());
  for (size_t i = dims.size(); i-- > 0;) {
    index[i] = position % dims[i];
    position /= dims[i];
  }
  return index;
}

std::optional<std::vector<int64_t>> constants(const Index& index) {
  std::vector<int64_t> values;
  for (const Expr& e : index) {
    auto value = expr::as_int(expr::simplify(e));
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

// Replaces loads at constant indices by what is known: contents of operands, and what the stages of the program
// compute.
class Expander {
 public:
  Expander(const tensor::Program& program, std::span<Value* const> operands) {
    for (size_t i = 0; i < operands.size(); ++i) operands_[program.inputs[i].get()] = operands[i];
    for (const auto& stage : program.stages) stages_[stage.output.get()] = &stage;
  }

  // Simplifies first, so that untaken arms of selects, whose indices may be out of range, are gone.
  Expr expand(const Expr& e) {
    Expr simple = expr::simplify(e);
    return expr::simplify(
        expr::mutate(simple, [this](const Expr& part) { return part->kind == Kind::Load ? load(part) : part; }));
  }

 private:
  Expr load(const Expr& e) {
    auto index = constants(e->args);
    if (!index || ++expansions_ > max_expansions) throw NotFoldable{};
    if (auto operand = operands_.find(e->buffer.get()); operand != operands_.end()) {
      const Value& value = *operand->second;
      int64_t position = flat_position(*index, *static_dims(value.type));
      if (position < 0) throw NotFoldable{};
      return expr::cast((*value.contents)[size_t(position)], value.type.dtype);
    }
    auto stage = stages_.find(e->buffer.get());
    if (stage == stages_.end()) throw NotFoldable{};
    return compute(*stage->second, *index);
  }

  Expr compute(const tensor::Stage& stage, const std::vector<int64_t>& index) {
    expr::Substitution at;
    for (size_t i = 0; i < index.size(); ++i) at[stage.axes[i].var.get()] = Expr(index[i]);
    if (stage.reduce == tensor::Reduce::None) return expand(expr::substitute(stage.body, at));
    std::vector<int64_t> extents;
    for (const auto& axis : stage.reduce_axes) {
      auto extent = expr::as_int(expr::simplify(axis.extent));
      if (!extent) throw NotFoldable{};
      extents.push_back(*extent);
    }
    int64_t count = sardonyx::element_count(extents);
    if (count > max_reduction) throw NotFoldable{};
    Expr result = tensor::identity_of(stage.reduce, stage.output->dtype);
    for (int64_t k = 0; k < count; ++k) {
      auto inner = unflatten(k, extents);
      for (size_t i = 0; i < inner.size(); ++i) at[stage.reduce_axes[i].var.get()] = Expr(inner[i]);
      result = tensor::combine(stage.reduce, result, expand(expr::substitute(stage.body, at)));
    }
    return expr::simplify(result);
  }

  std::unordered_map<const expr::Buffer*, const Value*> operands_;
  std::unordered_map<const expr::Buffer*, const tensor::Stage*> stages_;
  int expansions_ = 0;
};

// Contents are I64 whatever the dtype: dims do not overflow, so the casts of signed 32-bit shape arithmetic mean
// nothing. Other widths keep their wrapping only when constant.
Expr widen(const Expr& e, DType dtype) {
  if (auto value = expr::as_int(e)) return dtype == DType::Bool ? e : Expr(*value);
  if (dtype != DType::Bool && dtype != DType::I32 && dtype != DType::I64) throw NotFoldable{};
  return expr::mutate(e, [](const Expr& part) -> Expr {
    if (part->kind == Kind::Cast && part->type.dtype == DType::I32) return expr::cast(part->args[0], DType::I64);
    if (part->kind == Kind::IntImm && part->type.dtype == DType::I32) return Expr(part->int_value);
    return part;
  });
}

void require_symbolic(const Expr& e) {
  expr::visit(e, [](const Expr& part) {
    DType dtype = part->type.dtype;
    bool plain = dtype == DType::Bool || dtype == DType::I64;
    if (part->kind == Kind::Load || part->kind == Kind::Call || !plain) throw NotFoldable{};
    return true;
  });
}

}  // namespace

std::optional<Tensor> fold_constants(Op op, const Attributes& attributes, std::span<Value* const> operands,
                                     const TensorType& result) {
  const OpDef& def = op_def(op);
  auto dims = static_dims(result);
  if (!def.express || !dims || !numeric(result.dtype)) return std::nullopt;
  int64_t count = sardonyx::element_count(*dims);
  if (count > max_contents && count * int64_t(size_of(result.dtype)) > max_folded_bytes) return std::nullopt;
  if (operands.empty() && count > max_contents) return std::nullopt;
  // A bias or scale stays recognisable per channel whatever the extents are.
  if (op == Op::broadcast && is_float(result.dtype) && dims->size() > 1) return std::nullopt;
  std::vector<Tensor> values;
  int64_t read = 0;
  for (Value* operand : operands) {
    const Tensor* value = operand->constant();
    if (!value || !numeric(value->dtype())) return std::nullopt;
    read += value->count();
    if (read > max_operand_elements) return std::nullopt;
    values.push_back(*value);
  }
  try {
    tensor::ProgramBuilder program;
    std::vector<Term> terms;
    for (size_t i = 0; i < operands.size(); ++i)
      terms.push_back(program.input("x" + std::to_string(i), values[i].dtype(), operands[i]->type.dims));
    auto outputs = def.express(attributes, terms, std::span(&result, 1), program);
    program.output(outputs[0]);
    return tensor::interpret(program.finish(), values, {})[0];
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::vector<Expr>> fold_contents(Op op, const Attributes& attributes, std::span<Value* const> operands,
                                               const TensorType& result) {
  const OpDef& def = op_def(op);
  auto dims = static_dims(result);
  if (!def.express || !dims || operands.empty()) return std::nullopt;
  int64_t count = sardonyx::element_count(*dims);
  if (count > max_contents || (!is_integer(result.dtype) && result.dtype != DType::Bool)) return std::nullopt;
  std::vector<Term> terms;
  tensor::ProgramBuilder builder;
  for (Value* operand : operands) {
    if (!operand->contents || !static_dims(operand->type)) return std::nullopt;
    terms.push_back(builder.input("x", operand->type.dtype, operand->type.dims));
  }
  try {
    builder.output(def.express(attributes, terms, std::span(&result, 1), builder)[0]);
    const tensor::Program program = builder.finish();
    Expander expander(program, operands);
    std::vector<Expr> contents;
    for (int64_t i = 0; i < count; ++i) {
      Index index;
      for (int64_t at : unflatten(i, *dims)) index.emplace_back(at);
      Expr value = expr::simplify(widen(expander.expand(expr::load(program.outputs[0], index)), result.dtype));
      require_symbolic(value);
      contents.push_back(value);
    }
    return contents;
  } catch (const NotFoldable&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace sardonyx::graph
