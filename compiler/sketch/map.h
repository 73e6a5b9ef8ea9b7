// Maps: loops over a domain that store one or more buffers point by point, vectorised along the best axis.
//
// The building block of the pointwise family and of the point-wise stages of other families. A Map has its domain as
// axes and its stores as (buffer, index, value) over the axes' variables. collapse() fuses neighbouring axes where
// every access walks them as one, so that [N, C, H, W] plus a bias [C] becomes [N, C, HW].
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

struct Map {
  struct Output {
    BufferPtr buffer;
    tensor::Index index;
    Expr value;
  };
  std::vector<Axis> axes;
  std::vector<Output> outputs;
};

// The map of a pointwise stage.
Map map_of(const Stage& stage);
// Adds a stage with the same domain to the map (its axes are renamed).
void append(Map& map, const Stage& stage);
Map collapse(const Map& map);

// The flat element offset of an access, simplified.
Expr flat_offset(const expr::Buffer& buffer, const tensor::Index& index);
// How many bytes the address of a load moves with a variable; 0: not by a constant number.
int64_t byte_stride(const Expr& load, const VarPtr& variable);
// Whether neighbours along a variable are neighbours in memory.
bool neighbours_along(const Expr& load, const VarPtr& variable);

// The axis along which vectors cost least, and how many lanes suit the element types that vary along it.
struct VectorChoice {
  int axis = -1;  // -1: the domain is a single point
  int lanes = 1;
  double ns_per_point = 1;
};
VectorChoice choose_vector(const Map& map, const Target& target);

// Vectors that a loop over a map should take at a time: constants of long functions are loaded once for all of them.
int vectors_at_once(const Map& map, const Target& target);

// Statement over `count` consecutive values of `var` from `begin`: full vectors, `unroll` at a time, then a masked or
// scalar remainder. `body` is over `var`.
Stmt vector_range(const VarPtr& var, const Expr& begin, const Expr& count, int lanes, const Target& target,
                  const Stmt& body, int unroll = 1);

// The stores of a map over all its axes, the vector axis innermost, the others serial.
Stmt map_loops(const Map& map, const VectorChoice& choice, const Target& target);

// Program with point-wise stages substituted into their users; `keep` says which stay. Stages nobody uses go.
Program inline_pointwise(const Program& program, const std::function<bool(const Stage&)>& keep);

// The launches of a program of maps alone, collapsed: intermediate stages are inlined, outputs of equal dims share one.
std::variant<std::vector<Map>, Refusal> pointwise_maps(const Program& program);

}  // namespace sardonyx::sketch
