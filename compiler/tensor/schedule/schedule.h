// Schedule primitives: checked rewrites from one nest to another.
//
// Each takes a Nest by value semantics and returns the rewritten one, or a Refusal that says why the rewrite would
// change the meaning or is not expressible. Refusing is a normal outcome of a search. Loops are named by their
// variables; a rewrite applies to every copy of a loop (a peeled loop has two).
//
//   auto split_n = split(nest, n, 16, Tail::Guard);           // n -> n_o, n_i
//   auto vector = vectorize(nest_of(split_n), loops_of(...));
//
// A Nest runs its statements in order; launches() strips the Grid loops and gives one kernel per statement.
#pragma once
#include <variant>

#include "compiler/tensor/kernel.h"
#include "compiler/tensor/loop.h"

namespace sardonyx::tensor {

struct ScheduleRefusal {
  std::string reason;
};

// The new nest and the loops that the rewrite made, outermost first.
struct Rewrite {
  Nest nest;
  std::vector<VarPtr> loops;
};
using Scheduled = std::variant<Rewrite, ScheduleRefusal>;

// What happens when the factor does not divide the extent: a guard around the stores, or a main loop over full tiles
// followed by one guarded tile.
enum class Tail : uint8_t { Guard, Peel };

// loop -> outer (extent / factor, rounded up), inner (factor).
Scheduled split(const Nest& nest, const VarPtr& loop, int64_t factor, Tail tail);
// Two directly nested loops become one.
Scheduled fuse(const Nest& nest, const VarPtr& outer, const VarPtr& inner);
// Permutes directly nested loops into the given order.
Scheduled reorder(const Nest& nest, const std::vector<VarPtr>& order);
// An outermost loop of independent iterations joins the grid.
Scheduled bind(const Nest& nest, const VarPtr& loop);
// A loop of independent iterations and constant extent becomes vector lanes / straight code.
Scheduled vectorize(const Nest& nest, const VarPtr& loop);
Scheduled unroll(const Nest& nest, const VarPtr& loop);
// Substitutes a point-wise temporary into its readers.
Scheduled inline_buffer(const Nest& nest, const BufferPtr& buffer);
// Computes what one iteration of `loop` reads of a temporary inside that iteration, into scratch.
Scheduled compute_at(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop);
// One iteration of `loop` accumulates its part of `buffer` in a local copy and writes it back at the end.
Scheduled cache_write(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop);
// One iteration of `loop` reads `buffer` through a local, dense copy of what it needs (packing).
Scheduled cache_read(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop);
// Factors a reduction loop out: partial results per iteration (so that the loop can become lanes), combined afterwards.
Scheduled rfactor(const Nest& nest, const VarPtr& loop);

// One launch per statement of the nest; `program` gives buffers and symbols.
std::vector<LoweredKernel> launches(const Nest& nest, const std::string& name);

}  // namespace sardonyx::tensor
