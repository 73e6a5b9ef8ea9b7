// The recurrent part of an LSTM, GRU or simple recurrent layer as one kernel.
//
// A grid index is one direction and a few samples of the batch, from the first step to the last; its state stays in
// scratch. A step is a product of the state with R, panel by panel, and what the gates make of it, on the tile as long
// as it lies in registers. R is constant and packed: per direction and product, panels [units / width][hidden][gates]
// [width], so that a panel is read once, front to back. Odd steps take the panels in reverse order: what the step
// before read last still lies in the cache.
//
// Not a Family: these programs are no tensor expressions. The interpreter's definition is the reference of the
// primitive, graph::RnnAttrs says what the operands are.
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

struct Recurrence {
  // GruLinear: a GRU whose candidate is linear before its reset gate.
  enum class Cell : uint8_t { Lstm, Gru, GruLinear, Simple } cell = Cell::Lstm;
  int64_t hidden = 1, directions = 1;
  bool reverse = false;  // the only direction; of two it is the second that runs backward
  bool input_forget = false;
  // Per direction, or one list for all: in ONNX's order f, g, h, with clipping where it belongs. F32 and F64 to same.
  using Activation = std::function<Expr(const Expr&)>;
  std::vector<std::vector<Activation>> activations;
  // The operands, by identity inputs of the program, and the results, its outputs. Null where the layer has none.
  BufferPtr projected, weights, lengths, initial_h, initial_c, peepholes, candidate_bias;
  BufferPtr y, last_h, last_c;
};

// Nanoseconds on one core at typical sizes.
double recurrence_cost(const Recurrence& layer, const Target& target);
// The kernel. `program` has inputs, outputs and symbols, and no stages; `weights_input` says which input R is.
Lowered lower_recurrence(const Recurrence& layer, const Program& program, int weights_input, const Target& target);

}  // namespace sardonyx::sketch
