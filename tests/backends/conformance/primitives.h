// One small graph per primitive, for any dtype, with the data it wants and how exact its result must be.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/graph/builder.h"

namespace sardonyx::conformance {

using expr::Expr;
using graph::Builder;
using graph::Value;

// How far a float may be from the interpreter's, in units of the dtype's rounding error at the largest magnitude of the
// output. Integers and bools are always exact.
enum class Precision {
  Exact = 0,  // moves, comparisons, selections, functions with integer results
  Map = 16,   // scalar functions: 4 ulp each way, and what composites add
  Sum = 64,   // sums in any order
};

// What a graph's inputs look like; dims are evaluated once the value of `n` is known.
struct InputData {
  DType dtype = DType::F32;
  std::vector<Expr> dims;
  double low = 0, high = 0;
};

// A graph under construction. Every case has one free dim, n(): a symbol or a number.
class Maker {
 public:
  Maker(graph::Graph& graph, DType dtype, bool symbolic) : builder(graph), dtype(dtype), graph_(graph) {
    n_ = symbolic ? graph.symbol("n") : Expr(typical_n);
  }
  static constexpr int64_t typical_n = 5;
  const Expr& n() const { return n_; }

  // Random elements: floats in [-2, 2], integers in [-9, 9] or [0, 9], bools.
  Value* input(std::vector<Expr> dims) { return input(dtype, std::move(dims)); }
  Value* input(DType type, std::vector<Expr> dims);
  // In [low, high]; what unsigned types do not have becomes 0.
  Value* input_in(DType type, std::vector<Expr> dims, double low, double high);

  Builder builder;
  const DType dtype;
  std::vector<InputData> inputs;

 private:
  graph::Graph& graph_;
  Expr n_;
};

struct PrimitiveCase {
  std::string name;  // "unary exp"
  Precision precision = Precision::Exact;
  // Outputs of the graph. Throws InvalidModel or UnsupportedDatatype when the primitive is not defined for the dtype.
  std::function<std::vector<Value*>(Maker&)> make;
};

const std::vector<PrimitiveCase>& primitive_cases();
// Kinds that the cases leave out on purpose.
const std::vector<graph::Op>& kinds_left_out();

}  // namespace sardonyx::conformance
