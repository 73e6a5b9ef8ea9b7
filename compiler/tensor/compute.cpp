#include "compiler/tensor/compute.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

namespace {

// The `at` of a term that is a whole buffer. Its type is how buffer_of recognises such a term.
struct LoadAt {
  BufferPtr buffer;
  Expr operator()(const Index& index) const { return expr::load(buffer, index); }
};

Term term_of(const BufferPtr& buffer) { return {buffer->dtype, buffer->dims, LoadAt{buffer}}; }

BufferPtr make_buffer(std::string name, DType dtype, std::vector<Expr> dims, bool number = false) {
  return std::make_shared<const expr::Buffer>(
      expr::Buffer{.name = std::move(name), .dtype = dtype, .dims = std::move(dims), .number = number});
}

Index index_of(const std::vector<Axis>& axes) {
  Index index;
  for (const Axis& axis : axes) index.emplace_back(axis.var);
  return index;
}

// Walks expressions, each shared node once, and collects what they load and which variables they use.
class Uses {
 public:
  void add(const Expr& e) {
    if (!seen_.insert(e.get()).second) return;
    kept_.push_back(e);
    if (e->kind == expr::Kind::Var) add_variable(e->var);
    if (e->kind == expr::Kind::Load) buffers_.insert(e->buffer.get());
    for (const Expr& arg : e->args) add(arg);
  }
  void add(const std::vector<Expr>& es) {
    for (const Expr& e : es) add(e);
  }
  void bind(const std::vector<Axis>& axes) {
    for (const Axis& axis : axes) {
      add(axis.extent);
      known_.insert(axis.var.get());
    }
  }
  bool loads(const BufferPtr& buffer) const { return buffers_.contains(buffer.get()); }
  std::vector<VarPtr> take_free_variables() { return std::move(free_); }

 private:
  void add_variable(const VarPtr& var) {
    if (known_.insert(var.get()).second) free_.push_back(var);
  }

  std::unordered_set<const expr::Node*> seen_;
  std::vector<Expr> kept_;  // keeps the nodes of seen_ alive, so that no address comes twice
  std::unordered_set<const expr::Buffer*> buffers_;
  std::unordered_set<const expr::Variable*> known_;
  std::vector<VarPtr> free_;
};

}  // namespace

Expr identity_of(Reduce reduce, DType dtype) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  switch (reduce) {
    case Reduce::Sum:
      return expr::imm(0, dtype);
    case Reduce::Product:
      return expr::imm(1, dtype);
    case Reduce::Max:
    case Reduce::MaxNumber:
      return expr::imm(dtype == DType::Bool ? 0 : -infinity, dtype);
    case Reduce::Min:
      return expr::imm(infinity, dtype);
    case Reduce::None:
      break;
  }
  fail(Status::InternalError, "internal error: no reduction has no identity");
}

Expr combine(Reduce reduce, const Expr& a, const Expr& b) {
  bool logic = a->type.dtype == DType::Bool;
  switch (reduce) {
    case Reduce::Sum:
      return logic ? a || b : a + b;
    case Reduce::Product:
      return logic ? a && b : a * b;
    case Reduce::Max:
      return logic ? a || b : expr::max(a, b);
    case Reduce::MaxNumber:
      return logic ? a || b : expr::select(b > a, b, a);
    case Reduce::Min:
      return logic ? a && b : expr::min(a, b);
    case Reduce::None:
      break;
  }
  fail(Status::InternalError, "internal error: no reduction combines nothing");
}

bool is_maximum(Reduce reduce) { return reduce == Reduce::Max || reduce == Reduce::MaxNumber; }

expr::Function across_lanes(Reduce reduce) {
  switch (reduce) {
    case Reduce::Sum:
      return expr::Function::ReduceAdd;
    case Reduce::Product:
      return expr::Function::ReduceMul;
    case Reduce::Max:
    case Reduce::MaxNumber:
      return expr::Function::ReduceMax;
    case Reduce::Min:
      return expr::Function::ReduceMin;
    case Reduce::None:
      break;
  }
  fail(Status::InternalError, "internal error: no reduction has no function across lanes");
}

std::vector<Axis> ProgramBuilder::axes_over(const std::vector<Expr>& dims, const char* prefix) const {
  std::vector<Axis> axes;
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t largest = expr::facts_of(dims[i]).max;
    expr::Facts facts{.min = 0, .max = largest == INT64_MAX ? INT64_MAX : std::max<int64_t>(largest - 1, 0)};
    axes.push_back({expr::make_var(str(prefix, i), facts), dims[i]});
  }
  return axes;
}

Term ProgramBuilder::define(Stage stage) {
  check(stage.body.defined() && stage.body->type == expr::Type{stage.output->dtype, 1}, "stage ", stage.name, " of ",
        dtype_name(stage.output->dtype), " got a body of another type");
  program_.stages.push_back(std::move(stage));
  return term_of(program_.stages.back().output);
}

Term ProgramBuilder::input(std::string name, DType dtype, std::vector<Expr> dims, bool number) {
  program_.inputs.push_back(make_buffer(std::move(name), dtype, std::move(dims), number));
  return term_of(program_.inputs.back());
}

Term ProgramBuilder::stage(std::string name, DType dtype, std::vector<Expr> dims,
                           const std::function<Expr(const Index&)>& body) {
  Stage stage;
  stage.axes = axes_over(dims, "i");
  stage.body = body(index_of(stage.axes));
  stage.output = make_buffer(name, dtype, std::move(dims));
  stage.name = std::move(name);
  return define(std::move(stage));
}

Term ProgramBuilder::reduce(std::string name, Reduce kind, DType dtype, std::vector<Expr> dims,
                            std::vector<Expr> extents,
                            const std::function<Expr(const Index& out, const Index& in)>& body) {
  check(kind != Reduce::None, "stage ", name, " reduces by nothing");
  Stage stage;
  stage.axes = axes_over(dims, "i");
  stage.reduce_axes = axes_over(extents, "r");
  stage.reduce = kind;
  stage.body = body(index_of(stage.axes), index_of(stage.reduce_axes));
  stage.output = make_buffer(name, dtype, std::move(dims));
  stage.name = std::move(name);
  return define(std::move(stage));
}

Term ProgramBuilder::scan(std::string name, DType dtype, std::vector<Expr> dims, int axis,
                          const std::function<Expr(const Index&, const Term& self)>& body) {
  check(axis >= 0 && size_t(axis) < dims.size(), "stage ", name, " scans axis ", axis);
  Stage stage;
  stage.axes = axes_over(dims, "i");
  stage.scan_axis = axis;
  stage.output = make_buffer(name, dtype, std::move(dims));
  stage.body = body(index_of(stage.axes), term_of(stage.output));
  stage.name = std::move(name);
  return define(std::move(stage));
}

BufferPtr ProgramBuilder::buffer_of(const Term& term) const {
  const LoadAt* load = term.at.target<LoadAt>();
  return load && std::equal(term.dims.begin(), term.dims.end(), load->buffer->dims.begin(), load->buffer->dims.end(),
                            expr::equal)
             ? load->buffer
             : nullptr;
}

void ProgramBuilder::output(const Term& term) {
  BufferPtr buffer = buffer_of(term);
  auto is_buffer = [&](const BufferPtr& other) { return other == buffer; };
  bool is_new_stage = buffer && std::none_of(program_.inputs.begin(), program_.inputs.end(), is_buffer) &&
                      std::none_of(program_.outputs.begin(), program_.outputs.end(), is_buffer);
  if (!is_new_stage) buffer = buffer_of(stage(str("out", program_.outputs.size()), term.dtype, term.dims, term.at));
  program_.outputs.push_back(buffer);
}

Program ProgramBuilder::finish() {
  Uses needed;
  std::vector<Stage> stages;
  while (!program_.stages.empty()) {
    Stage stage = std::move(program_.stages.back());
    program_.stages.pop_back();
    bool is_output = std::count(program_.outputs.begin(), program_.outputs.end(), stage.output) > 0;
    if (!is_output && !needed.loads(stage.output)) continue;
    stage.body = expr::simplify(stage.body);
    needed.add(stage.body);
    stages.push_back(std::move(stage));
  }
  std::reverse(stages.begin(), stages.end());
  program_.stages = std::move(stages);

  Uses used;
  for (const BufferPtr& buffer : program_.inputs) used.add(buffer->dims);
  for (const Stage& stage : program_.stages) {
    used.bind(stage.axes);
    used.bind(stage.reduce_axes);
    used.add(stage.body);
  }
  program_.symbols = used.take_free_variables();
  return std::move(program_);
}

}  // namespace sardonyx::tensor
