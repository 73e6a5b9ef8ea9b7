// Programs whose stages share rows: softmax, layer norm, reductions and arg-reductions with the maps around them.
//
// The axes of the first reduction's result are the rows. Every other stage is over the same rows, in any order of axes,
// and over elements of its own: what a map stores per row, or what a reduction reduces. A stage reads of others only
// what belongs to its own row: values per row (results of reductions, maps without elements) and, of maps with
// elements, its own element. Loads of them have the index 0.
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch::gpu {

struct RowStage {
  BufferPtr output;
  bool is_output = false;  // of the program
  tensor::Reduce reduce = tensor::Reduce::None;
  std::vector<Axis> elements;
  tensor::Index index;  // where the output is stored, over rows and elements
  Expr body;            // over rows and elements
  bool per_row() const { return reduce != tensor::Reduce::None || elements.empty(); }
};

struct RowProblem {
  std::vector<Axis> rows;
  std::vector<RowStage> stages;
};

// Cheap maps are inlined into their readers; with `keep_elements`, costly ones that several stages read are not.
std::variant<RowProblem, Refusal> row_problem(const Program& program, bool keep_elements);

}  // namespace sardonyx::sketch::gpu
