// The compute half of the example: groups as programs of our own, and an interpreter of them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "onnx/sardonyx_backend.h"

namespace example {

struct Value {
  int32_t dtype = 0;
  std::vector<int32_t> dims;  // numbers of dims of the group
};

struct Step {
  std::string primitive, function;
  std::vector<int32_t> operands;
  int32_t result = 0;
  bool transpose_a = false, transpose_b = false;
};

// A copy of what the interpreter needs of a group, which is gone when compile returns.
struct Program {
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<int32_t> outputs;
  size_t inputs = 0;
};

// Why a node cannot run here, "" when it can.
std::string refusal(const sardonyxGroup& group, const sardonyxNode& node);

// Of a group whose nodes all can run.
Program make_program(const sardonyxGroup& group);

// `dims`: values of the group's dims. `operands`: addresses of inputs, then outputs. Thread-safe.
void run(const Program& program, const int64_t* dims, const std::vector<uint8_t*>& operands);

}  // namespace example
