#include "backends/cpu/onednn/epilogue.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "compiler/expr/simplify.h"
#include "runtime/base/strings.h"

namespace sardonyx::cpu::onednn {

using graph::BinaryFunction;
using graph::Node;
using graph::Op;
using graph::UnaryFunction;
using graph::Value;

namespace {

// Points at which functions are compared: dense around zero, and far out for bounds.
const std::vector<double>& sample_points() {
  static const std::vector<double> points = [] {
    std::vector<double> p = {-1e30, -1e6, -1e3, 1e3, 1e6, 1e30};
    for (int i = -48; i <= 48; ++i) p.push_back(i * 0.25 + 0.03125);
    p.push_back(0);
    return p;
  }();
  return points;
}
using Samples = std::vector<double>;

Samples map1(const Samples& x, double (*f)(double)) {
  Samples y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = f(x[i]);
  return y;
}

std::optional<Samples> evaluate_unary(UnaryFunction function, const Samples& x) {
  switch (function) {
    case UnaryFunction::Neg:
      return map1(x, [](double v) { return -v; });
    case UnaryFunction::Abs:
      return map1(x, [](double v) { return std::fabs(v); });
    case UnaryFunction::Sqrt:
      return map1(x, [](double v) { return std::sqrt(v); });
    case UnaryFunction::Exp:
      return map1(x, [](double v) { return std::exp(v); });
    case UnaryFunction::Tanh:
      return map1(x, [](double v) { return std::tanh(v); });
    case UnaryFunction::Erf:
      return map1(x, [](double v) { return std::erf(v); });
    case UnaryFunction::Sigmoid:
      return map1(x, [](double v) { return 1 / (1 + std::exp(-v)); });
    default:
      return {};
  }
}

std::optional<Samples> evaluate_binary(BinaryFunction function, const Samples& a, const Samples& b) {
  Samples y(a.size());
  for (size_t i = 0; i < a.size(); ++i) switch (function) {
      case BinaryFunction::Add:
        y[i] = a[i] + b[i];
        break;
      case BinaryFunction::Sub:
        y[i] = a[i] - b[i];
        break;
      case BinaryFunction::Mul:
        y[i] = a[i] * b[i];
        break;
      case BinaryFunction::Div:
        y[i] = a[i] / b[i];
        break;
      case BinaryFunction::Max:
        y[i] = std::max(a[i], b[i]);
        break;
      case BinaryFunction::Min:
        y[i] = std::min(a[i], b[i]);
        break;
      case BinaryFunction::Pow:
        y[i] = std::pow(a[i], b[i]);
        break;
      default:
        return {};
    }
  return y;
}

bool close(const Samples& a, const Samples& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i]) continue;
    if (!(std::fabs(a[i] - b[i]) <= 2e-6 * std::max(std::fabs(a[i]), std::fabs(b[i])) + 2e-7)) return false;
  }
  return true;
}

double at(const Samples& f, double x) {
  const auto& points = sample_points();
  return f[size_t(std::find(points.begin(), points.end(), x) - points.begin())];
}

struct Known {
  Eltwise function;
  float alpha, beta;
  double (*f)(double);
};
const Known known_functions[] = {
    {Eltwise::Logistic, 0, 0, [](double x) { return 1 / (1 + std::exp(-x)); }},
    {Eltwise::Tanh, 0, 0, [](double x) { return std::tanh(x); }},
    {Eltwise::GeluErf, 0, 0, [](double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }},
    {Eltwise::GeluTanh, 0, 0,
     [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); }},
    {Eltwise::Swish, 1, 0, [](double x) { return x / (1 + std::exp(-x)); }},
    {Eltwise::HardSwish, 0, 0, [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }},
    {Eltwise::Square, 0, 0, [](double x) { return x * x; }},
    {Eltwise::Abs, 0, 0, [](double x) { return std::fabs(x); }},
    {Eltwise::Sqrt, 0, 0, [](double x) { return std::sqrt(x); }},
    {Eltwise::Exp, 0, 0, [](double x) { return std::exp(x); }},
};

std::optional<PostOp> recognise(const Samples& f) {
  const Samples& x = sample_points();
  PostOp op;
  auto fits = [&](Eltwise function, double alpha, double beta, auto&& g) {
    op.function = function, op.alpha = float(alpha), op.beta = float(beta);
    Samples y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = g(x[i]);
    return close(f, y);
  };
  double zero = at(f, 0), low = at(f, -1e30), high = at(f, 1e30), one = at(f, 1.03125);
  double slope = (one - zero) / 1.03125;
  if (fits(Eltwise::Linear, slope, zero, [&](double v) { return slope * v + zero; })) return op;
  double negative = at(f, -1e3) / -1e3;
  if (fits(Eltwise::Relu, negative, 0, [&](double v) { return v > 0 ? v : negative * v; })) return op;
  if (std::isfinite(low) && fits(Eltwise::Clip, low, high, [&](double v) { return std::min(std::max(v, low), high); }))
    return op;
  for (const Known& known : known_functions)
    if (fits(known.function, known.alpha, known.beta, known.f)) return op;
  return {};
}

std::optional<double> scalar_of(const Node& group, const Value* value) {
  int operand = group_operand(group, value);
  const Tensor* tensor = operand < 0 ? nullptr : group.operand(operand)->constant();
  if (!tensor || tensor->count() != 1) return {};
  return tensor->as_double(0);
}

// A binary with a tensor from outside the group on one side.
bool match_binary(const Node& group, const Node& user, const Value* current, int channel_axis, Epilogue& result) {
  if (user.op != Op::binary || user.operand(0) == user.operand(1)) return false;
  BinaryFunction function = user.attrs<graph::BinaryAttrs>().function;
  bool left = user.operand(0) == current;
  const Value* other = user.operand(left ? 1 : 0);
  int operand = group_operand(group, other);
  if (operand < 0 || (function == BinaryFunction::Sub && !left)) return false;
  PostOp op;
  if (function == BinaryFunction::Add)
    op.kind = PostOp::Kind::BinaryAdd;
  else if (function == BinaryFunction::Mul)
    op.kind = PostOp::Kind::BinaryMul;
  else if (function == BinaryFunction::Sub)
    op.kind = PostOp::Kind::BinarySub;
  else
    return false;
  const graph::TensorType& source = group.operand(operand)->type;
  const auto& dims = current->type.dims;
  int offset = int(dims.size()) - source.rank();
  if (offset < 0) return false;
  bool full = offset == 0, channel = true;
  for (int i = 0; i < source.rank(); ++i) {
    bool same = expr::equal(source.dims[size_t(i)], dims[size_t(i + offset)]);
    full &= same;
    channel &= expr::is_const(source.dims[size_t(i)], 1) || (i + offset == channel_axis && same);
  }
  channel &= channel_axis >= offset && channel_axis < int(dims.size()) &&
             expr::equal(source.dims[size_t(channel_axis - offset)], dims[size_t(channel_axis)]);
  if (!full && !channel) return false;
  if (channel && function == BinaryFunction::Add && result.bias < 0 && result.post.empty()) {
    result.bias = operand;
    return true;
  }
  op.operand = operand;
  op.per_channel = channel && !full;
  result.post.push_back(op);
  return true;
}

// oneDNN 2 gives all element-wise post-ops of one function the parameters of the first.
bool confuses_parameters(const Epilogue& epilogue) {
  for (const PostOp& a : epilogue.post)
    for (const PostOp& b : epilogue.post)
      if (a.kind == PostOp::Kind::Eltwise && b.kind == PostOp::Kind::Eltwise && a.function == b.function &&
          (a.alpha != b.alpha || a.beta != b.beta))
        return true;
  return false;
}

}  // namespace

int group_operand(const Node& group, const Value* value) {
  while (value->producer && value->producer->op == Op::broadcast) value = value->producer->operand(0);
  if (!value->region) return -1;
  return value->index < int(group.operands.size()) ? value->index : -1;
}

std::optional<Epilogue> match_epilogue(const Node& group, const Node& anchor, int channel_axis, std::string* why) {
  Epilogue result;
  const graph::Region& body = *group.regions[0];
  const Value* current = anchor.result();
  while (current != body.outputs()[0]) {
    if (current->uses.size() == 1 && match_binary(group, *current->uses[0].user, current, channel_axis, result)) {
      current = current->uses[0].user->result();
      continue;
    }
    // A run of nodes with scalar constants: sample every value, remember where everything has flowed into one value.
    std::map<const Value*, Samples> samples = {{current, sample_points()}};
    std::vector<std::pair<const Value*, PostOp>> cuts;
    for (auto it = std::next(current->producer->position); it != body.nodes().end(); ++it) {
      const Node& node = **it;
      if (node.op != Op::unary && node.op != Op::binary) continue;
      std::vector<Samples> operands;
      bool depends = false;
      for (const Value* operand : node.operands) {
        auto found = samples.find(operand);
        if (found != samples.end())
          operands.push_back(found->second), depends = true;
        else if (auto scalar = scalar_of(group, operand))
          operands.push_back(Samples(sample_points().size(), *scalar));
      }
      if (!depends) continue;
      if (operands.size() != node.operands.size()) break;
      auto value = node.op == Op::unary
                       ? evaluate_unary(node.attrs<graph::UnaryAttrs>().function, operands[0])
                       : evaluate_binary(node.attrs<graph::BinaryAttrs>().function, operands[0], operands[1]);
      if (!value) break;
      samples[node.result()] = *value;
      bool cut = true;
      for (const auto& [inner, unused] : samples)
        for (const graph::Use& use : inner->uses)
          if (inner != node.result() && (use.user->results.empty() || !samples.count(use.user->result()))) cut = false;
      if (!cut) continue;
      if (auto op = recognise(*value)) {
        cuts.emplace_back(node.result(), *op);
      }
    }
    if (cuts.empty()) {
      *why = str("epilogue '", graph::to_string(*current->uses[0].user->result()->producer), "' has no post-op");
      return {};
    }
    result.zero_stays_zero &= at(samples.at(cuts.back().first), 0) == 0;
    result.post.push_back(cuts.back().second);
    current = cuts.back().first;
  }
  if (result.post.size() > 4) {
    *why = "epilogue too long";
    return {};
  }
  if (confuses_parameters(result)) {
    *why = "epilogue has two post-ops of one function";
    return {};
  }
  return result;
}

}  // namespace sardonyx::cpu::onednn
