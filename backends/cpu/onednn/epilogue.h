// What a group does to its anchor's result, in oneDNN's terms: a bias, then post-operations.
//
// Point-wise nodes with tensors from outside become a bias (per channel, first) or binary post-ops. Runs of nodes with
// scalar constants only are a function of one variable; it is recognised by evaluating it on a fixed set of points and
// comparing with the element-wise functions that oneDNN has (linear, relu, clip, logistic, tanh, gelu, swish, ...).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace sardonyx::cpu::onednn {

enum class Eltwise { Linear, Relu, Clip, Logistic, Tanh, GeluErf, GeluTanh, Swish, HardSwish, Square, Abs, Sqrt, Exp };

struct PostOp {
  enum class Kind { Eltwise, BinaryAdd, BinaryMul, BinarySub } kind = Kind::Eltwise;
  Eltwise function = Eltwise::Linear;
  float alpha = 0, beta = 0;
  int operand = -1;          // group operand of a binary
  bool per_channel = false;  // the operand varies along the channel axis only
};

struct Epilogue {
  int bias = -1;  // group operand with one value per channel, or -1
  std::vector<PostOp> post;
  bool zero_stays_zero = true;  // f(0) == 0 along the chain with zero operands: padded channels stay zero
};

// Maps everything behind `anchor` (whose channel axis is `channel_axis`) or nothing, with `why` set.
std::optional<Epilogue> match_epilogue(const graph::Node& group, const graph::Node& anchor, int channel_axis,
                                       std::string* why);

// The group operand behind a value of the region (through broadcasts), or -1 when it is computed inside.
int group_operand(const graph::Node& group, const graph::Value* value);

}  // namespace sardonyx::cpu::onednn
