// Reshape and Flatten.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

void collect_factors(const Expr& e, std::vector<Expr>* factors, int64_t* constant) {
  if (auto value = expr::as_int(e)) {
    bool overflow = __builtin_mul_overflow(*constant, *value, constant);
    require(!overflow, Status::UnsupportedShape, "a shape whose element count overflows");
  } else if (e->kind == expr::Kind::Mul) {
    for (const Expr& arg : e->args) collect_factors(arg, factors, constant);
  } else {
    factors->push_back(e);
  }
}

// total / known with common factors cancelled: [N,S,768] to [N,-1,12,64] gives S without dividing by N.
Expr quotient(const std::vector<Expr>& total, const std::vector<Expr>& known) {
  std::vector<Expr> above, below;
  int64_t numerator = 1, denominator = 1;
  for (const Expr& dim : total) collect_factors(dim, &above, &numerator);
  for (const Expr& dim : known) collect_factors(dim, &below, &denominator);
  for (auto factor = below.begin(); factor != below.end();) {
    auto same = std::find_if(above.begin(), above.end(), [&](const Expr& e) { return expr::equal(e, *factor); });
    if (same == above.end()) {
      ++factor;
      continue;
    }
    above.erase(same);
    factor = below.erase(factor);
  }
  Expr top = numerator, bottom = denominator;
  for (const Expr& e : above) top = top * e;
  for (const Expr& e : below) bottom = bottom * e;
  return expr::simplify(top / bottom);
}

// The target of contents known at compile time. Expressions that are no constants are dims: neither 0 nor -1.
std::vector<Expr> known_target(Lowering& in, std::vector<Expr> target, bool allow_zero) {
  const auto& dims = in[0]->type.dims;
  int inferred = -1;
  std::vector<Expr> others;
  for (size_t i = 0; i < target.size(); ++i) {
    if (expr::is_const(target[i], 0) && !allow_zero) {
      in.require(i < dims.size(), Status::InvalidModel, "dim ", i, " of the shape is 0, but the input is ",
                 graph::to_string(in[0]->type));
      target[i] = dims[i];
    }
    if (expr::is_const(target[i], -1)) {
      in.require(inferred < 0, Status::InvalidModel, "the shape has more than one -1");
      inferred = int(i);
      continue;
    }
    auto value = expr::as_int(target[i]);
    in.require(!value || *value >= 0, Status::InvalidModel, "dim ", i, " of the shape is ", value.value_or(0));
    others.push_back(target[i]);
  }
  if (inferred >= 0) {
    bool zero = std::any_of(others.begin(), others.end(), [](const Expr& e) { return expr::is_const(e, 0); });
    in.require(!zero, Status::InvalidModel, "-1 cannot be inferred beside a dim of 0");
    target[size_t(inferred)] = quotient(dims, others);
  }
  return target;
}

// The same rules as tensor arithmetic, for a shape that is computed at run time.
std::vector<Expr> run_time_target(Lowering& in, Value* shape, bool allow_zero) {
  auto& b = in.builder();
  const auto& x = in[0]->type;
  auto count = expr::as_int(shape->type.dims[0]);
  in.require(count.has_value(), Status::UnsupportedShape, "the rank of the result depends on a run-time value");
  in.require(*count <= graph::max_contents, Status::UnsupportedShape, "the result would have rank ", *count);
  Value* zero = b.scalar(DType::I64, 0);
  Value* one = b.scalar(DType::I64, 1);
  Value* minus_one = b.scalar(DType::I64, -1);
  shape = b.cast(shape, DType::I64);
  if (!allow_zero) {
    std::vector<Expr> copied = x.dims;
    copied.resize(size_t(*count), Expr(0));
    shape = b.select(b.equal(shape, zero), b.dims_tensor(copied, {*count}), shape);
  }
  Value* unknown = b.equal(shape, minus_one);
  Value* known = b.reduce(graph::ReduceFunction::Product, b.select(unknown, one, shape), {0}, false);
  Value* many = b.less(one, b.reduce(graph::ReduceFunction::Sum, b.cast(unknown, DType::I64), {0}, false));
  Value* inferred = b.div(b.dims_tensor({graph::element_count(x)}, {}), b.maximum(known, one));
  inferred = b.select(many, minus_one, inferred);  // which fails
  return b.values_of(b.select(unknown, inferred, shape), {0, INT64_MAX, 1});
}

std::vector<Value*> lower_reshape(Lowering& in) {
  auto& b = in.builder();
  if (in.version() < 5) {
    auto attribute = in.attr_ints("shape");
    return {b.reshape(in[0], known_target(in, {attribute.begin(), attribute.end()}, false))};
  }
  Value* shape = in[1];
  in.require(shape->type.dtype == DType::I64 && shape->type.rank() == 1, Status::InvalidModel,
             "the shape must be a vector of i64, but is ", graph::to_string(shape->type));
  bool allow_zero = in.attr_int("allowzero", 0) != 0;
  auto contents = b.contents_of(shape);
  return {
      b.reshape(in[0], contents ? known_target(in, *contents, allow_zero) : run_time_target(in, shape, allow_zero))};
}

std::vector<Value*> lower_flatten(Lowering& in) {
  Value* x = in[0];
  int64_t axis = in.axis(in.attr_int("axis", 1), x->type.rank(), true);
  Expr rows = 1, columns = 1;
  for (int64_t i = 0; i < x->type.rank(); ++i) {
    Expr& side = i < axis ? rows : columns;
    side = side * x->type.dims[size_t(i)];
  }
  return {in.builder().reshape(x, {rows, columns})};
}

const OnnxOp reshape{operator_row("Reshape", {1, 5, 13, 14, 19, 21, 23, 24, 25}, lower_reshape, {1, 2})};
const OnnxOp flatten{operator_row("Flatten", {1, 9, 11, 13, 21, 23, 24, 25}, lower_flatten)};

}  // namespace
}  // namespace sardonyx::ops
