// Schedule families: ways to run a tensor program, each a function from knob values to kernels.
//
// A family looks at the program (not at ONNX, not at the graph), offers points (the knob values worth trying, best
// guess first) with an estimated cost, and lowers one of them to kernels or refuses with a reason. Refusing is normal.
// The family "loops" accepts every program, so every group has at least one candidate.
//
//   Problem problem{program, constant};
//   for (const Family& family : families(target))
//     for (const Proposal& proposal : family.propose(problem, target)) ...
//   auto result = family.lower(problem, point, target);   // variant<Lowered, Refusal>
//
// Buffers of the program are physical: when the driver wants NCHW16c it hands in a program whose inputs and outputs
// have the physical dims [N, C/16, H, W, 16] and whose bodies index them so; a stage in between may stay logical.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/tensor/kernel.h"
#include "compiler/tensor/target.h"
#include "runtime/base/tensor.h"

namespace sardonyx::sketch {

using tensor::Point;
using tensor::Program;
using tensor::Target;

// A program and what is known about its inputs.
struct Problem {
  Program program;
  std::vector<bool> constant;  // per input: its value is known at compile time, so it may be repacked; empty: none
};

struct Refusal {
  std::string reason;
};

// A constant input that the kernels want in another format. `pack` turns the tensor of Program::inputs[input] into what
// the kernels read through `buffer`. Without `pack` the buffer is the memory of any input, seen as another type.
struct Packed {
  int input = 0;
  expr::BufferPtr buffer;
  std::function<Tensor(const Tensor&)> pack;
};

// What a group compiles to: launches in order. Their LoweredKernel::buffers are, by identity, inputs or outputs of the
// program, `buffer` of a packed input, or temporaries (whose dims are over Program::symbols).
struct Lowered {
  std::vector<tensor::LoweredKernel> launches;
  std::vector<expr::BufferPtr> temporaries;
  std::vector<Packed> packed;
};

struct Proposal {
  Point point;
  double cost_ns = 0;  // all launches on one core; symbolic dims count as a typical value
};

struct Family {
  const char* name;
  int version;
  // Points worth trying, best guess first; empty with *why set when the family does not fit.
  std::vector<Proposal> (*propose)(const Problem& problem, const Target& target, std::string* why);
  std::variant<Lowered, Refusal> (*lower)(const Problem& problem, const Point& point, const Target& target);
  // Whether every sum is over its own products, in some order; else the error is larger by a bounded factor.
  bool exact = true;
};

// The families for this kind of target, most specialised first, "loops" last.
std::span<const Family> families(const Target& target);
// Of any kind of target; null when unknown.
const Family* family_of(std::string_view name);

}  // namespace sardonyx::sketch
