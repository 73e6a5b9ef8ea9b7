// Shared by the primitives.
#pragma once
#include <functional>
#include <optional>

#include "compiler/expr/simplify.h"
#include "compiler/tensor/schedule/schedule.h"

namespace sardonyx::tensor {

// The position in Nest::nests of the statement with that loop; -1 when there is none.
int statement_with(const Nest& nest, const VarPtr& loop);
// All copies of the loop in a statement.
std::vector<Stmt> copies_of(const Stmt& stmt, const VarPtr& loop);
// Rewrites every copy of the loop.
Stmt rewrite_loop(const Stmt& stmt, const VarPtr& loop, const std::function<Stmt(const Stmt&)>& f);
// Applies `f` to the statement with the loop and returns the nest around the result.
Nest with_statement(const Nest& nest, int position, Stmt stmt);
// Every load of `buffer` in a statement (its indices).
std::vector<Index> loads_of(const Stmt& stmt, const BufferPtr& buffer);
std::vector<Index> stores_of(const Stmt& stmt, const BufferPtr& buffer);
// Iterations of the loop are independent: they store to distinct elements and read none that another one stores.
bool independent(const Stmt& loop, std::string* why);
// A store reads its own buffer elsewhere than it writes: iterations must stay in order.
bool is_recurrence(const Stmt& stmt);
// A perfect chain of Serial loops around one unguarded store.
struct Chain {
  std::vector<Axis> axes;
  Stmt store;
};
std::optional<Chain> chain_of(const Stmt& stmt);
// Variables bound by loops inside, with their extents.
std::vector<Axis> loops_in(const Stmt& stmt);
// The box that accesses cover while the variables of `inner` run: base per dim and constant extents.
struct Box {
  Index base;
  std::vector<int64_t> extents;
};
std::optional<Box> box_of(const std::vector<Index>& accesses, const std::vector<Axis>& inner);
BufferPtr local_copy(const BufferPtr& buffer, const char* suffix, const std::vector<int64_t>& extents);
// Loops over a box whose body runs where base + position lies inside the buffer.
Stmt over_box(const Box& box, const BufferPtr& buffer,
              const std::function<Stmt(const Index& at, const Index& local)>& f);

}  // namespace sardonyx::tensor
