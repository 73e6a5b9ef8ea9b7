// Types of graph values: element type, symbolic dims, and the physical layout.
//
// A layout is part of the type and a change of layout is an explicit `reorder` node, so vendor kernels and our own
// negotiate in one place. A layout first permutes the dims (outer order), then splits blocks off some axes and stores
// them innermost: NCHW16c for rank 4 is order {0,1,2,3}, blocks {{axis 1, factor 16}}; physical dims are
// [N, ceil(C/16), H, W, 16]. Elements of a blocked axis beyond the logical extent are zero.
#pragma once
#include <string>
#include <vector>

#include "compiler/expr/expr.h"
#include "runtime/base/dtype.h"
#include "runtime/base/value.h"

namespace sardonyx::graph {

using expr::Expr;

struct Layout {
  struct Block {
    int axis = 0;
    int factor = 1;
    bool operator==(const Block&) const = default;
  };
  std::vector<int> order;     // empty: identity
  std::vector<Block> blocks;  // innermost, in storage order
  bool row_major() const { return order.empty() && blocks.empty(); }
  bool operator==(const Layout&) const = default;

  static Layout blocked(int axis, int factor) { return {{}, {{axis, factor}}}; }
};

// "" for row-major, else e.g. "abcd16b" (letters are axes in storage order, upper-case is not used).
std::string to_string(const Layout& layout, int rank);
Layout parse_layout(const std::string& text);  // inverse; throws InvalidModel on nonsense

struct TensorType {
  DType dtype = DType::None;
  std::vector<Expr> dims;  // I64 expressions over the graph's symbols, simplified
  Layout layout;
  ValueTypePtr container = nullptr;  // of DType::Object, whose rank is 0: what the value holds

  int rank() const { return int(dims.size()); }
};

// The type of a sequence, optional or map, or of a tensor of unknown rank.
TensorType object_type(ValueTypePtr container);
// Equal dtype, layout and container, and dims provably equal.
bool same_type(const TensorType& a, const TensorType& b);
bool same_dims(const std::vector<Expr>& a, const std::vector<Expr>& b);
// "f32[N,64,56,56]", with ":abcd16b" appended for other layouts.
std::string to_string(const TensorType& type);

// Storage dims: outer dims in order (blocked axes divided, rounding up), then the block factors.
std::vector<Expr> physical_dims(const TensorType& type);
// Storage index (one per physical dim) of a logical index, simplified.
std::vector<Expr> physical_index(const TensorType& type, const std::vector<Expr>& logical);
// Logical index of a storage index.
std::vector<Expr> logical_index(const TensorType& type, const std::vector<Expr>& physical);
// Product of dims / of physical dims.
Expr element_count(const TensorType& type);
Expr physical_count(const TensorType& type);
// All dims as integers, or nothing when one is symbolic.
std::optional<std::vector<int64_t>> static_dims(const TensorType& type);

}  // namespace sardonyx::graph
