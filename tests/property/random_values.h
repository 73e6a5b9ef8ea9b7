// Randomness and values of random graphs: inputs and constants with data, symbols with what they are in this run, and
// what is known of every value's magnitude and rounding error.
#pragma once
#include <algorithm>
#include <random>

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::property {

using graph::Builder;
using graph::Expr;
using graph::Value;

struct Item {
  Value* value = nullptr;
  double bound = 0;  // on |x|; of floats only
  double error = 0;  // on the difference of two evaluations; 0: bit by bit
  DType dtype() const { return value->type.dtype; }
  int rank() const { return value->type.rank(); }
};

class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : random_(seed), builder_(graph) {}

  graph::Graph graph;
  std::vector<Tensor> inputs;

 protected:
  // ---- randomness ----
  int below(int n) { return int(random_() % uint64_t(n)); }
  bool one_in(int n) { return below(n) == 0; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(int(choices.size()))];
  }

  // ---- values ----
  Dims dims_of(const Value* value) const {
    Dims dims;
    for (const Expr& dim : value->type.dims) dims.push_back(expr::evaluate(dim, bindings_));
    return dims;
  }
  int64_t count_of(const Value* value) const { return element_count(dims_of(value)); }
  static double unit(DType dtype) {
    switch (dtype) {
      case DType::F64:
        return 0x1p-53;
      case DType::F16:
        return 0x1p-11;
      case DType::BF16:
        return 0x1p-8;
      default:
        return 0x1p-24;
    }
  }
  void keep(const Item& item) { items_.push_back(item); }

  Item result(Value* value, double bound, double error, bool rounds = true) {
    if (!is_float(value->type.dtype)) return {value, 0, 0};
    return {value, bound, error + (rounds ? 8 * unit(value->type.dtype) * bound : 0)};
  }

  // A dim that is `extent` in this run, sometimes as a symbol.
  Expr dim(int64_t extent) {
    if (!one_in(5)) return extent;
    const Expr symbol = graph.symbol(str("n", extent, "_", below(2)));
    bindings_[symbol->var.get()] = extent;
    return symbol;
  }
  std::vector<Expr> symbolic(const Dims& dims) {
    std::vector<Expr> result;
    for (int64_t extent : dims) result.push_back(dim(extent));
    return result;
  }

  Item input(DType dtype, std::vector<Expr> dims) {
    Value* value = graph.body().add_parameter({dtype, std::move(dims), {}}, str("x", inputs.size()));
    const bool floats = is_float(dtype);
    const double low = floats ? -2 : dtype == DType::Bool || !is_signed(dtype) ? 0 : -9;
    inputs.push_back(driver::random_tensor(dtype, dims_of(value), random_(), low,
                                           floats                 ? 2
                                           : dtype == DType::Bool ? 1
                                                                  : 9));
    const Item item{value, floats ? 2.0 : 0, 0};
    keep(item);
    return item;
  }
  Item constant(DType dtype, const Dims& dims, double bound = 1) {
    const bool floats = is_float(dtype);
    const double low = floats ? -bound : dtype == DType::Bool || !is_signed(dtype) ? 0 : -9;
    Tensor tensor = driver::random_tensor(dtype, dims, random_(), low, floats ? bound : dtype == DType::Bool ? 1 : 9);
    return {builder_.constant(tensor), floats ? bound : 0, 0};
  }
  // A weight: mostly constant, as in models.
  Item weight(DType dtype, const Dims& dims, double bound = 1) {
    if (!one_in(4)) return constant(dtype, dims, bound);
    return input(dtype, {dims.begin(), dims.end()});
  }

  std::mt19937_64 random_;
  Builder builder_;
  std::vector<Item> items_;
  std::unordered_map<const expr::Variable*, int64_t> bindings_;
};

}  // namespace sardonyx::property
