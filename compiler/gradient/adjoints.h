// What a reverse sweep knows: which values depend on the variables, and the derivative by each of them so far.
//
// A rule gets a node whose results have adjoints and adds to those of its operands:
//
//   void exp_rule(Adjoints& a, const Node& node) {
//     a.add(node.operand(0), a.builder().mul(a.of(node.result()), node.result()));
//   }
#pragma once
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/graph/builder.h"

namespace sardonyx::gradient {

using expr::Expr;
using graph::Builder;
using graph::Exprs;
using graph::Ints;
using graph::Node;
using graph::Op;
using graph::Value;

class Adjoints {
 public:
  // `variables` are what is differentiated by; adjoints are built with `builder`.
  Adjoints(Builder& builder, const std::vector<Value*>& variables)
      : builder_(builder), varying_(variables.begin(), variables.end()) {}

  Builder& builder() { return builder_; }
  // Marks which results of the nodes, which are in order, vary with the variables.
  void mark(const std::vector<Node*>& nodes);
  // From the last node to the first: applies the rule of every node with a varying result that has an adjoint.
  void sweep(const std::vector<Node*>& nodes);

  bool varies(const Value* value) const { return varying_.count(value) != 0; }
  // The derivative by the value; null when there is none.
  Value* of(const Value* value) const;
  // The same, zeros when there is none.
  Value* or_zeros(const Value* value);
  // Adds a term, of the value's dtype and dims, to the derivative by the value; nothing when the value does not vary.
  void add(const Value* value, Value* term);

 private:
  Builder& builder_;
  std::unordered_set<const Value*> varying_;
  std::unordered_map<const Value*, Value*> adjoints_;
};

// Values from outside that the node's regions read, each once, in order of appearance.
std::vector<Value*> captured_values(const Node& node);

// ---- building blocks of rules ----
Value* zeros(Builder& b, DType dtype, Exprs dims);
// The adjoint of a broadcast from `dims`: sums over what was repeated.
Value* sum_to(Builder& b, Value* adjoint, const Exprs& dims);
// Zeros of `dims` to which the slices of `rows` [dims of indices..., dims[1:]...] are added at their indices of dim 0.
Value* add_rows(Builder& b, Value* indices, Value* rows, Exprs dims);
// The dtype to compute sums over `dtype` in: F32 for narrower floats.
DType working_dtype(DType dtype);

}  // namespace sardonyx::gradient
