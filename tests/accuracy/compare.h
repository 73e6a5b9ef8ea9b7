// A graph with fixed numbers, run twice: compiled in F32, and interpreted in F64.
#pragma once
#include <optional>
#include <random>

#include "backends/backend.h"
#include "compiler/graph/builder.h"
#include "tests/accuracy/row.h"

namespace sardonyx::accuracy {

using graph::Builder;
using graph::Value;

// Builds one of the two graphs. Both get the same numbers, which are those of F32.
class Maker {
 public:
  Maker(graph::Graph& graph, DType dtype) : b(graph), dtype_(dtype) {}
  // Normal numbers of mean 0.
  Value* input(const Dims& dims, double deviation = 1);
  Value* constant(const Dims& dims, double deviation);
  // Uniform numbers of [low, high).
  Value* between(const Dims& dims, double low, double high);
  Value* number(double value) { return b.scalar(dtype_, value); }
  // Codes are the same in both graphs.
  Value* codes(DType dtype, const Dims& dims);
  Value* constant_codes(DType dtype, const Dims& dims);

  Builder b;
  std::vector<Tensor> inputs;

 private:
  Value* parameter(Tensor value);
  DType dtype_;
  std::mt19937 random_{20261126};
};
using Build = std::function<Value*(Maker&)>;

// Which kernels run: those of this family alone, where it fits, at these values of its knobs.
struct Forced {
  std::string family;  // "codegen.winograd"; "": whatever is chosen
  backends::Point point = {};
  bool fast_math = false;  // the setting
};

// The error of a graph's compiled F32 against its F64. Throws Error when no group runs the forced family.
double error_of(const Build& build, Measure measure, const Forced& forced = {});
// The error of one graph against the F64 of another with the same inputs.
double error_of(const Build& build, const Build& exact, Measure measure, const Forced& forced = {});

// The largest error in ulps of a compiled function of `count` numbers, the first of them spread over [low, high]
// evenly, against `exact`.
using Function = std::function<Value*(Builder&, Value* x)>;
double function_error(const Function& function, long double (*exact)(long double), double low, double high,
                      Measure measure = Measure::Ulp);

double distance(const Tensor& got, const Tensor& want, Measure measure);
// Of the value `got`, against `want`.
double ulps(double got, long double want);

}  // namespace sardonyx::accuracy
