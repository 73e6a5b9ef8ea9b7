// Tensor expressions: what a group computes, free of any schedule.
//
// A Stage defines one buffer point-wise over its axes, optionally reducing:
//     out[i, j] = sum over k of A[i,k] * B[k,j]
//   axes = {i, j}, reduce_axes = {k}, reduce = Sum, body = A[i,k] * B[k,j].
// A Program is a list of stages in dependency order over input buffers. Primitives are written with Terms: a Term is a
// tensor as a function from index to expression, so that injective primitives compose without making stages (that is
// inlining, for free).
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compiler/expr/expr.h"

namespace sardonyx::tensor {

using expr::BufferPtr;
using expr::Expr;
using expr::VarPtr;

using Index = std::vector<Expr>;

// A tensor as a function of its logical index.
struct Term {
  DType dtype = DType::F32;
  std::vector<Expr> dims;
  std::function<Expr(const Index&)> at;
};

struct Axis {
  VarPtr var;  // runs over [0, extent)
  Expr extent;
};

// MaxNumber is Max, but numbers may win over NaN: for results that a NaN reaches on another way as well.
enum class Reduce : uint8_t { None, Sum, Product, Max, Min, MaxNumber };
// The neutral element of a reduction in `dtype` (sum 0, product 1, max lowest or -inf, min highest or +inf).
Expr identity_of(Reduce reduce, DType dtype);
Expr combine(Reduce reduce, const Expr& a, const Expr& b);
bool is_maximum(Reduce reduce);  // Max or MaxNumber
// The function that combines the lanes of a vector into one value. Not of None.
expr::Function across_lanes(Reduce reduce);

struct Stage {
  BufferPtr output;
  std::vector<Axis> axes;         // one per dim of the output
  std::vector<Axis> reduce_axes;  // empty unless reduce != None
  Reduce reduce = Reduce::None;
  Expr body;  // value of one point (before reduction)
  // Scan stages (cumulate, recurrences): the body may load `output` at smaller indices of axis `scan_axis`, which must
  // then run serially in order; -1 otherwise.
  int scan_axis = -1;
  std::string name;
};

struct Program {
  std::vector<BufferPtr> inputs;
  std::vector<Stage> stages;       // in dependency order
  std::vector<BufferPtr> outputs;  // each is the output of a stage
  std::vector<VarPtr> symbols;     // free variables (dims) in order of the kernel's `dims` argument
};

// Collects stages while primitives are expressed.
class ProgramBuilder {
 public:
  // A new input buffer and its term; `number`: Buffer::number.
  Term input(std::string name, DType dtype, std::vector<Expr> dims, bool number = false);
  // Materialises a point-wise term (`body` gets one index expression per dim).
  Term stage(std::string name, DType dtype, std::vector<Expr> dims, const std::function<Expr(const Index&)>& body);
  // A reduction: body gets the output index and the reduction index.
  Term reduce(std::string name, Reduce kind, DType dtype, std::vector<Expr> dims, std::vector<Expr> extents,
              const std::function<Expr(const Index& out, const Index& in)>& body);
  // A scan along `axis`: body gets the index and a term for the already computed part of the result.
  Term scan(std::string name, DType dtype, std::vector<Expr> dims, int axis,
            const std::function<Expr(const Index&, const Term& self)>& body);
  // Declares `term` an output of the program; materialises it unless it already is exactly a stage.
  void output(const Term& term);
  // The buffer behind a term that is exactly a stage or input, else null.
  BufferPtr buffer_of(const Term& term) const;
  // The program with simplified bodies, without stages that no output needs.
  Program finish();

 private:
  Term define(Stage stage);
  std::vector<Axis> axes_over(const std::vector<Expr>& dims, const char* prefix) const;

  Program program_;
};

}  // namespace sardonyx::tensor
