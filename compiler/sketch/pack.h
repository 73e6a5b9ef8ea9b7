// Packing of constant operands into panels, ahead of time.
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

// Source offsets of one operand: element (panel, lane, steps...) is at sum of index times stride when every source
// coordinate lies inside its dim, else zero. Axes that were collapsed into one walk through several dims by the
// coordinate of the innermost: such a coordinate is wide, and only the offset has to lie inside the source.
struct PanelPlan {
  struct Coordinate {
    int64_t constant = 0;
    int64_t per_vector = 0;         // times panel * width + lane
    std::vector<int64_t> per_step;  // times the reduction index
    int64_t dim = 1, stride = 1;    // of the source
    bool wide = false;
  };
  DType dtype = DType::F32;
  int64_t panels = 1, width = 1;
  std::vector<int64_t> steps;  // extents of the reduction loops, outermost first
  std::vector<Coordinate> coordinates;
};

// The plan of a load whose indices are affine in `vector` and `steps`, over constant dims; nothing otherwise.
std::optional<PanelPlan> plan_panels(const Expr& load, const Axis& vector, const std::vector<Axis>& steps,
                                     int64_t panels, int64_t width);
// [panels][steps...][width].
std::vector<Expr> panel_dims(const PanelPlan& plan);
// Reads `source` where it lies, lent or not.
Tensor pack_panels(const PanelPlan& plan, const Tensor& source);

}  // namespace sardonyx::sketch
