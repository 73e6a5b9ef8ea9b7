// Rows of operator tables: versions that share one lowering.
//
//   const OnnxOp ops[] = {operator_row("Exp", {1, 6, 13}, map<UnaryFunction::Exp>), ...};
#pragma once
#include <initializer_list>
#include <utility>
#include <vector>

#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

inline std::vector<std::pair<int, LowerFunction>> since(std::initializer_list<int> versions, LowerFunction lower) {
  std::vector<std::pair<int, LowerFunction>> result;
  for (int version : versions) result.emplace_back(version, lower);
  return result;
}

inline OnnxOpDef operator_row(const char* name, std::initializer_list<int> versions, LowerFunction lower,
                              OnnxOpDef::Arity inputs = {1, 1}, OnnxOpDef::Arity outputs = {1, 1},
                              Execution execution = Execution::Kernels) {
  return {.name = name, .since = since(versions, lower), .inputs = inputs, .outputs = outputs, .execution = execution};
}

// The same for operators that take sequences, optionals or maps.
inline OnnxOpDef container_row(const char* name, std::initializer_list<int> versions, LowerFunction lower,
                               OnnxOpDef::Arity inputs = {1, 1}, OnnxOpDef::Arity outputs = {1, 1},
                               Execution execution = Execution::Host) {
  OnnxOpDef row = operator_row(name, versions, lower, inputs, outputs, execution);
  row.containers = true;
  return row;
}

}  // namespace sardonyx::ops
