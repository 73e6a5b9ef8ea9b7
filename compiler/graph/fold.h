// Folding at construction: the value of a node about to be made, when it is small and follows from its operands.
//
// Nothing here knows single operators: a node's contents are its tensor expression (OpDef::express) evaluated at every
// index of the result, with loads answered from the operands' contents. So Shape -> Gather -> Mul -> Concat of any
// length becomes one list of dim expressions.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "compiler/graph/graph.h"

namespace sardonyx::graph {

// The result as a tensor when every operand is a constant and everything is small (result at most 64 elements or
// 1 KiB); nothing when it is not, or when evaluating fails (the run will report it). Float broadcasts to matrices and
// beyond stay: passes and vendor kernels look for the operand behind them.
std::optional<Tensor> fold_constants(Op op, const Attributes& attributes, std::span<Value* const> operands,
                                     const TensorType& result);

// Symbolic contents of an integer or bool result of static dims and at most 64 elements, when all operands have
// contents and the expressions come out free of memory accesses and floats.
std::optional<std::vector<Expr>> fold_contents(Op op, const Attributes& attributes, std::span<Value* const> operands,
                                               const TensorType& result);

}  // namespace sardonyx::graph
