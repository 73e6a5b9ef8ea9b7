// Adagrad, Adam and Momentum of ai.onnx.preview.training: one optimisation step for any number of tensors.
//
// Operands: learning rate, update count, then the tensors, their gradients, and one or two lists of state; results are
// the new tensors and states in the same order.
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

// One tensor's step: x, its regularised gradient, and its states become the new x and states.
struct Step {
  Builder& b;
  Value* number(Value* like, double value) { return b.scalar_like(like, value); }
  Value* scaled(Value* x, double factor) { return b.mul(x, number(x, factor)); }
  Value* square(Value* x) { return b.mul(x, x); }
  // x - rate * change / (sqrt(h) + epsilon)
  Value* normalised(Value* x, Value* rate, Value* change, Value* h, double epsilon) {
    return b.sub(x, b.div(b.mul(rate, change), b.add(b.sqrt(h), number(h, epsilon))));
  }
};

// The i-th of `count` tensors in list `list` behind the two scalars.
Value* operand(Lowering& in, int list, int count, int i) { return in[2 + list * count + i]; }

int tensor_count(Lowering& in, int lists) {
  in.require(in.inputs() > 2 && (in.inputs() - 2) % lists == 0, Status::InvalidModel, "has ", in.inputs() - 2,
             " tensors, expected a multiple of ", lists);
  for (int i = 2; i < in.inputs(); ++i)
    in.require(is_float(in[i]->type.dtype), Status::InvalidModel, "input ", i, " is ", graph::to_string(in[i]->type));
  return (in.inputs() - 2) / lists;
}

// G + norm_coefficient * X
Value* regularised(Lowering& in, Step& s, Value* x, Value* gradient) {
  return s.b.add(s.scaled(x, in.attr_float("norm_coefficient", 0)), gradient);
}

Value* scalar_as(Lowering& in, int i, Value* like) {
  return in.builder().cast(in.builder().reshape(in[i], {}), like->type.dtype);
}

std::vector<Value*> lower_adagrad(Lowering& in) {
  auto& b = in.builder();
  Step s{b};
  int count = tensor_count(in, 3);
  std::vector<Value*> tensors, squares;
  for (int i = 0; i < count; ++i) {
    Value *x = operand(in, 0, count, i), *h = operand(in, 2, count, i);
    Value* updates = scalar_as(in, 1, x);
    Value* rate =
        b.div(scalar_as(in, 0, x), b.add(s.scaled(updates, in.attr_float("decay_factor", 0)), s.number(x, 1)));
    Value* gradient = regularised(in, s, x, operand(in, 1, count, i));
    squares.push_back(b.add(h, s.square(gradient)));
    tensors.push_back(s.normalised(x, rate, gradient, squares.back(), in.attr_float("epsilon", 1e-6f)));
  }
  tensors.insert(tensors.end(), squares.begin(), squares.end());
  return tensors;
}

std::vector<Value*> lower_adam(Lowering& in) {
  auto& b = in.builder();
  Step s{b};
  int count = tensor_count(in, 4);
  double alpha = in.attr_float("alpha", 0.9f), beta = in.attr_float("beta", 0.999f);
  std::vector<Value*> tensors, momenta, squares;
  for (int i = 0; i < count; ++i) {
    Value *x = operand(in, 0, count, i), *v = operand(in, 2, count, i), *h = operand(in, 3, count, i);
    Value* gradient = regularised(in, s, x, operand(in, 1, count, i));
    momenta.push_back(b.add(s.scaled(v, alpha), s.scaled(gradient, 1 - alpha)));
    squares.push_back(b.add(s.scaled(h, beta), s.scaled(s.square(gradient), 1 - beta)));
    // Bias correction from the first update on.
    Value *rate = scalar_as(in, 0, x), *updates = scalar_as(in, 1, x), *one = s.number(x, 1);
    auto power = [&](double base) { return b.binary(graph::BinaryFunction::Pow, s.number(x, base), updates); };
    Value* corrected = b.div(b.mul(rate, b.sqrt(b.sub(one, power(beta)))), b.sub(one, power(alpha)));
    rate = b.select(b.less(s.number(x, 0), updates), corrected, rate);
    Value* next = s.normalised(x, rate, momenta.back(), squares.back(), in.attr_float("epsilon", 1e-6f));
    tensors.push_back(s.scaled(next, 1 - in.attr_float("norm_coefficient_post", 0)));
  }
  tensors.insert(tensors.end(), momenta.begin(), momenta.end());
  tensors.insert(tensors.end(), squares.begin(), squares.end());
  return tensors;
}

std::vector<Value*> lower_momentum(Lowering& in) {
  auto& b = in.builder();
  Step s{b};
  int count = tensor_count(in, 3);
  const std::string mode = in.attr_string("mode");
  in.require(mode == "standard" || mode == "nesterov", Status::InvalidModel, "mode '", mode, "' is unknown");
  double alpha = in.attr_float("alpha"), beta = in.attr_float("beta");
  std::vector<Value*> tensors, momenta;
  for (int i = 0; i < count; ++i) {
    Value *x = operand(in, 0, count, i), *v = operand(in, 2, count, i);
    Value* rate = scalar_as(in, 0, x);
    Value* gradient = regularised(in, s, x, operand(in, 1, count, i));
    Value* first = b.less_equal(scalar_as(in, 1, x), s.number(x, 0));
    Value* weight = b.select(first, s.number(x, 1), s.number(x, beta));
    momenta.push_back(b.add(s.scaled(v, alpha), b.mul(weight, gradient)));
    Value* change = mode == "standard" ? momenta.back() : b.add(gradient, s.scaled(momenta.back(), alpha));
    tensors.push_back(b.sub(x, b.mul(rate, change)));
  }
  tensors.insert(tensors.end(), momenta.begin(), momenta.end());
  return tensors;
}

OnnxOpDef row(const char* name, LowerFunction lower) {
  return {
      .name = name, .domain = "ai.onnx.preview.training", .since = {{1, lower}}, .inputs = {3, -1}, .outputs = {1, -1}};
}
const OnnxOp ops[] = {row("Adagrad", lower_adagrad), row("Adam", lower_adam), row("Momentum", lower_momentum)};

}  // namespace
}  // namespace sardonyx::ops
