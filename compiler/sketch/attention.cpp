// Family "attention": recognises the program and chooses its shape.
#include "compiler/sketch/attention.h"

#include <cmath>
#include <limits>
#include <optional>

#include "compiler/sketch/families.h"

namespace sardonyx::sketch {

namespace {

using expr::Kind;
using tensor::Index;
using tensor::Reduce;

class Matcher {
 public:
  explicit Matcher(const Program& program) : program_(program) {}

  // Empty when the program is no attention; `why` says what it lacks.
  std::optional<AttentionProblem> run(std::string* why) {
    const bool fits = match();
    if (!fits) *why = lacking_;
    return fits ? std::optional(result_) : std::nullopt;
  }

 private:
  bool lacks(const char* what) {
    lacking_ = what;
    return false;
  }

  const Stage* stage_of(const Expr& load) const {
    if (load->kind != Kind::Load) return nullptr;
    for (const Stage& stage : program_.stages)
      if (stage.output == load->buffer) return &stage;
    return nullptr;
  }

  static bool reduces_axis(const Stage* stage) {
    return stage && stage->reduce_axes.size() == 1 && stage->output->dtype == DType::F32;
  }
  static bool sums_axis(const Stage* stage) { return reduces_axis(stage) && stage->reduce == Reduce::Sum; }

  // `stage.body` over the indices of a load from it; `inner` stands for the reduced variable.
  static Expr body_at(const Stage& stage, const Expr& load, const Expr& inner) {
    expr::Substitution at;
    for (size_t i = 0; i < stage.axes.size(); ++i) at[stage.axes[i].var.get()] = load->args[i];
    if (!stage.reduce_axes.empty()) at[stage.reduce_axes[0].var.get()] = inner;
    return tensor::substitute_shared(stage.body, at);
  }

  static bool is_infinite(const Expr& e) { return e->kind == Kind::FloatImm && e->float_value == -INFINITY; }

  bool match() {
    const Program& p = program_;
    if (p.outputs.size() != 1) return lacks("one result");
    const Stage* last = nullptr;
    for (const Stage& stage : p.stages)
      if (stage.output == p.outputs[0]) last = &stage;
    const Stage* product = last;
    if (last && last->reduce == Reduce::None) product = stage_of(last->body);
    if (!sums_axis(product) || product->axes.size() < 2) return lacks("a product at the end");
    const size_t rank = product->axes.size();
    result_.program = &p;
    result_.result = p.outputs[0];
    for (size_t i = 0; i + 2 < rank; ++i) result_.batch.push_back(named("head", product->axes[i].extent));
    result_.query = named("query", product->axes[rank - 2].extent);
    result_.value = named("value", product->axes[rank - 1].extent);
    result_.key = named("key", product->reduce_axes[0].extent);
    for (const Axis& axis : result_.batch) own_.emplace_back(axis.var);
    own_.emplace_back(result_.query.var);
    if (!match_result(*last, *product)) return lacks("a result in some order of axes");

    Index columns = own_;
    columns.emplace_back(result_.value.var);
    const Expr body = body_at(*product, expr::load(product->output, columns), Expr(result_.key.var));
    if (body->kind != Kind::Mul) return lacks("a product of probabilities and values");
    const bool first = !expr::uses_var(body->args[0], result_.value.var.get());
    const Expr &weight = body->args[first ? 0 : 1], &values = body->args[first ? 1 : 0];
    if (expr::uses_var(values, result_.query.var.get()) || reads_stages(values)) return lacks("values of all queries");
    result_.values = values;
    return match_weight(weight);
  }

  static Axis named(const char* name, const Expr& extent) { return {loop_var(name, extent), extent}; }

  bool reads_stages(const Expr& e) const {
    for (const Expr& load : loads_of(e))
      if (stage_of(load)) return true;
    return false;
  }

  // The result is the product, or its elements under other indices.
  bool match_result(const Stage& last, const Stage& product) {
    Index own = own_;
    own.emplace_back(result_.value.var);
    if (&last == &product) {
      result_.at = own;
      return true;
    }
    if (last.output->dtype != DType::F32) return false;
    for (const Axis& axis : last.axes) {
      std::optional<size_t> from;
      for (size_t i = 0; i < own.size(); ++i) {
        const Expr& index = last.body->args[i];
        if (index->kind == Kind::Var && index->var == axis.var) from = i;
      }
      if (!from && !expr::is_const(axis.extent, 1)) return false;
      result_.at.push_back(from ? own[*from] : Expr(0));
    }
    for (size_t i = 0; i < own.size(); ++i) {
      const Expr& index = last.body->args[i];
      if (index->kind != Kind::Var && !(expr::is_const(index, 0) && expr::is_const(product.axes[i].extent, 1)))
        return false;
    }
    return true;
  }

  // Whether a load is of the row of the logits that is being computed.
  bool at_own(const Expr& load, size_t count) const {
    const Index full = [&] {
      Index index = own_;
      index.emplace_back(result_.key.var);
      return index;
    }();
    if (load->args.size() != count) return false;
    for (size_t i = 0; i < count; ++i) {
      const bool single = expr::is_const(load->args[i], 0) && expr::is_const(load->buffer->dims[i], 1);
      if (!single && !expr::equal(load->args[i], full[i])) return false;
    }
    return true;
  }

  bool match_weight(Expr weight) {
    Expr largest;
    if (weight->kind == Kind::Select) {
      const Expr& condition = weight->args[0];
      if (condition->kind != Kind::Eq) return lacks("a softmax");
      const bool second = is_infinite(condition->args[1]);
      largest = condition->args[second ? 0 : 1];
      const Expr& none = weight->args[1];
      if (!is_infinite(condition->args[second ? 1 : 0]) || none->kind != Kind::FloatImm || none->float_value != 0)
        return lacks("a softmax");
      weight = weight->args[2];
      result_.empty_is_zero = true;
    }
    if (weight->kind != Kind::Div) return lacks("a softmax");
    const size_t rank = own_.size();
    const Expr &exponential = weight->args[0], &sum = weight->args[1];
    const Stage *exponentials = stage_of(exponential), *sums = stage_of(sum);
    const Expr key(result_.key.var);
    if (!exponentials || exponentials->reduce != Reduce::None || !at_own(exponential, rank + 1) || !sums_axis(sums) ||
        !at_own(sum, rank) || !same_keys(*sums))
      return lacks("a softmax along the keys");
    if (!expr::equal(body_at(*sums, sum, key), exponential)) return lacks("a sum of the exponentials");
    const Expr body = body_at(*exponentials, exponential, key);
    if (body->kind != Kind::Call || body->function != expr::Function::Exp || body->args[0]->kind != Kind::Sub)
      return lacks("exponentials of differences");
    result_.logits = body->args[0]->args[0];
    if (!is_maximum(body->args[0]->args[1])) return lacks("the largest logit of a row");
    if (largest.defined() && !is_maximum(largest)) return lacks("rows without keys told by their largest logit");
    return match_scores();
  }

  bool same_keys(const Stage& stage) const {
    return expr::prove_equal(stage.reduce_axes[0].extent, result_.key.extent);
  }

  bool is_maximum(const Expr& e) const {
    const Stage* stage = stage_of(e);
    return reduces_axis(stage) && tensor::is_maximum(stage->reduce) && at_own(e, own_.size()) && same_keys(*stage) &&
           expr::equal(body_at(*stage, e, Expr(result_.key.var)), result_.logits);
  }

  bool match_scores() {
    const Stage* product = nullptr;
    for (const Expr& load : loads_of(result_.logits)) {
      const Stage* stage = stage_of(load);
      if (!stage) continue;
      if (product && product != stage) return lacks("logits of one product");
      product = stage;
      if (!at_own(load, own_.size() + 1)) return lacks("logits made of their own scores");
    }
    if (!sums_axis(product)) return lacks("a product at the beginning");
    result_.scores = product->output;
    result_.inner = named("inner", product->reduce_axes[0].extent);
    Index points = own_;
    points.emplace_back(result_.key.var);
    const Expr body = body_at(*product, expr::load(product->output, points), Expr(result_.inner.var));
    if (body->kind != Kind::Mul) return lacks("a product of queries and keys");
    const bool first = !expr::uses_var(body->args[0], result_.key.var.get());
    result_.queries = body->args[first ? 0 : 1];
    result_.keys = body->args[first ? 1 : 0];
    if (expr::uses_var(result_.queries, result_.key.var.get()) ||
        expr::uses_var(result_.keys, result_.query.var.get()) || reads_stages(body))
      return lacks("a product of queries and keys");
    return true;
  }

  const Program& program_;
  AttentionProblem result_;
  Index own_;  // batch and query
  std::string lacking_;
};

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  const auto matched = attention_problem(problem);
  if (const auto* refusal = std::get_if<Refusal>(&matched)) {
    if (why) *why = refusal->reason;
    return {};
  }
  const auto& attention = std::get<AttentionProblem>(matched);
  // Every core gets as much as the others, or there is enough to even out.
  const int64_t heads = typical_points(attention.batch), rows = typical(attention.query.extent);
  int64_t splits = 1;
  while (heads * splits % target.cores != 0 && heads * splits < 4 * target.cores && rows >= 32 * splits) splits *= 2;
  std::vector<Proposal> proposals;
  for (const AttentionShape& shape : {AttentionShape{4, splits}, {4, splits, true}, {1, splits}}) {
    proposals.push_back(
        {{{"tiles", shape.tiles}, {"splits", splits}, {"pack", shape.pack}}, attention_cost(attention, shape, target)});
  }
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  const auto matched = attention_problem(problem);
  if (const auto* refusal = std::get_if<Refusal>(&matched)) return *refusal;
  return lower_attention(std::get<AttentionProblem>(matched),
                         {point.at("tiles"), point.at("splits"), point.at("pack") != 0}, target);
}

}  // namespace

std::variant<AttentionProblem, Refusal> attention_problem(const Problem& problem) {
  std::string why;
  auto matched = Matcher(problem.program).run(&why);
  if (!matched) return Refusal{"no attention: it lacks " + why};
  for (const Axis& axis : {matched->inner, matched->value}) {
    const auto extent = constant(axis.extent);
    if (!extent || *extent < 1 || *extent > tensor::most_head_columns)
      return Refusal{"heads of a size only the run knows, or huge"};
  }
  return *matched;
}

const Family attention_family{"attention", 2, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
