// What the schedule families share: cost figures, grid helpers, fresh loop variables.
#pragma once
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/sketch/family.h"
#include "compiler/tensor/loop.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

using expr::BufferPtr;
using expr::Expr;
using expr::VarPtr;
using tensor::Axis;
using tensor::Stage;
using tensor::Stmt;

using Result = std::variant<Lowered, Refusal>;

// Multiply-adds that two units with a latency of four cycles keep going.
inline constexpr int64_t vectors_in_flight = 8;
inline constexpr int64_t cache_line_bytes = 64;
// How far ahead of its use streamed memory is fetched: two pages, for hardware prefetchers stop at the end of one.
inline constexpr int64_t prefetch_bytes = 8192;
// The same in rows of so many bytes, at least one.
inline int64_t rows_ahead(int64_t row_bytes) { return std::max<int64_t>(1, prefetch_bytes / row_bytes); }

// The value of a dim with every symbol at a typical size (its bounds permitting).
int64_t typical(const Expr& e);
int64_t typical_points(const std::vector<Axis>& axes);
// The number of points of a domain.
Expr points_of(const std::vector<Axis>& axes);
// Nanoseconds of one scalar evaluation of `body`, per dtype-independent operation counts.
double scalar_cost_ns(const Expr& body);
// Bytes of a buffer at typical sizes.
double typical_bytes(const expr::Buffer& buffer);

// A loop variable with the bounds of [0, extent).
VarPtr loop_var(const std::string& name, const Expr& extent);
// Constant extent, if known.
std::optional<int64_t> constant(const Expr& extent);
// Whether `e` uses `var`; no variable is used by nothing.
bool mentions(const Expr& e, const VarPtr& var);
bool is_output(const Program& program, const BufferPtr& buffer);
BufferPtr make_buffer(const std::string& name, DType dtype, std::vector<Expr> dims, expr::Buffer::Scope scope);
// The distinct nodes of a kind in `e`.
std::vector<Expr> distinct_nodes(const Expr& e, expr::Kind kind);
// The distinct loads in `e`, of `buffer` if given.
std::vector<Expr> loads_of(const Expr& e, const expr::Buffer* buffer = nullptr);

// The conditions that `e` is the conjunction of.
void split_conjunction(const Expr& e, std::vector<Expr>& parts);
// Whether neighbours along `var` are neighbours in memory within each block of `lanes`: offset (v / 16) * s + v % 16.
bool dense_in_blocks(const Expr& offset, const VarPtr& var, int64_t lanes);

// Sorts proposals by cost, equal ones in their order; keep_cheapest drops those behind the first `most`.
void sort_by_cost(std::vector<Proposal>& proposals);
void keep_cheapest(std::vector<Proposal>& proposals, size_t most);
// The axes that have more than one point, as the grid of a kernel; in `body` the others are at their only one.
std::vector<Axis> grid_of(const std::vector<Axis>& axes, Stmt& body);

// Fills in what follows from the body: buffers in the program's order (inputs and packed ones that are read, then
// those that are written), scratch bytes, symbols. `points` counts the work of the whole grid, which takes `typical_ns`
// on one core when every symbol has its typical value.
tensor::LoweredKernel finish_kernel(const Program& program, std::string name, std::vector<Axis> grid, Stmt body,
                                    const Expr& points, double typical_ns,
                                    const std::vector<BufferPtr>& more_buffers = {});

// Wraps a family's functions: what its builders cannot do (an internal check that fails) is a refusal, never an error
// of the compilation, because "loops" can always run the group.
template <std::vector<Proposal> (*propose)(const Problem&, const Target&, std::string*)>
std::vector<Proposal> guarded_propose(const Problem& problem, const Target& target, std::string* why) {
  try {
    return propose(problem, target, why);
  } catch (const Error& error) {
    if (why) *why = error.text();
    return {};
  }
}

template <Result (*lower)(const Problem&, const Point&, const Target&)>
Result guarded_lower(const Problem& problem, const Point& point, const Target& target) {
  try {
    return lower(problem, point, target);
  } catch (const Error& error) {
    return Refusal{error.text()};
  }
}

}  // namespace sardonyx::sketch
