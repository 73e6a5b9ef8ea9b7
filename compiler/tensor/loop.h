// Statements: what a kernel does, as an immutable loop nest over expressions.
//
// A schedule rewrites one statement into another and never mutates: handles may be shared between candidates and
// threads. Loops run from 0 to their extent. What the kinds of loop mean:
//   Serial    in order
//   Grid      independent iterations; the launch enumerates them (they are stripped before code generation)
//   Vector    constant extent, becomes vector lanes; iterations are independent
//   Unrolled  constant extent, becomes straight code
//   Lane      constant extent; independent iterations, shared by the work-items of one work-group
//
// Lanes. A grid index may be the work of one work-group of LoweredKernel::lanes work-items; a kernel without Lane loops
// has one lane, and its grid indices are single work-items. The rules that let a device run Lane loops in parallel:
//   - Every Lane loop of a kernel has the extent `lanes`, and one value of its variable is always the same work-item.
//   - What happened before a Lane loop is visible inside it, and what happens inside is visible after it: a device puts
//     a barrier before and after. Inside, no iteration reads what another one writes.
//   - Lane loops lie under Serial and Unrolled loops, Ifs, Lets and Allocates only. What lies around them depends on no
//     lane, so all work-items take the same way; it stores nothing (in a kernel with lanes every Store is in a Lane
//     loop).
//   - Local buffers (constant dims) are shared by the lanes. A Register buffer that is allocated inside a Lane loop
//     belongs to its iteration. One that is allocated outside has the extent `lanes` as its first dim and the Lane
//     variable as first index of every access: a part private to each lane, which lives across Lane loops. After
//     flattening, the private offset is the flat index with 0 for the Lane variable.
//   - A Check that fails inside a Lane loop ends that iteration; the kernel then returns its code and has no other
//     defined effect.
// Where lanes do not exist (LLVM), a Lane loop is a serial loop.
//
// Example, one point of a matrix product with its reduction:
//   store C[i, j] = 0
//   for k < K
//     store C[i, j] = C[i, j] + A[i, k] * B[k, j]
#pragma once
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/expr/expr.h"
#include "compiler/tensor/compute.h"

namespace sardonyx::tensor {

enum class ForKind : uint8_t { Serial, Grid, Vector, Unrolled, Lane };

// Where a prefetch puts its line: what is read once and soon belongs into the first-level cache, what is read later or
// by many into the second.
enum class CacheLevel : uint8_t { First, Second };

enum class StmtKind : uint8_t {
  For,        // for var in [0, extent): body[0]
  Store,      // buffer[index...] = value; a vector value needs one vector index
  Allocate,   // buffer lives inside body[0]; its scope is Scratch (sized memory), Register or Local (constant dims)
  If,         // condition ? body[0] : body[1] (optional); a vector condition masks lanes
  Block,      // body in order
  Let,        // var = value (I64) in body[0]
  Check,      // unless condition holds (in every active lane) the kernel stops with error `code`
  Prefetch,   // hint: buffer[index...] is read soon; never faults
  Transpose,  // the buffer, Register and n x n, n a power of two, is transposed; not inside a Vector loop
};

// Codes of Check statements: runtime::KernelError, which this layer does not see.
inline constexpr int32_t index_out_of_range = 1, division_by_zero = 2;

struct StmtNode;
using Stmt = std::shared_ptr<const StmtNode>;

struct StmtNode {
  StmtKind kind = StmtKind::Block;
  ForKind for_kind = ForKind::Serial;
  VarPtr var{};               // For, Let
  Expr extent{};              // For
  Expr condition{};           // If, Check
  Expr value{};               // Store, Let
  BufferPtr buffer{};         // Store, Allocate, Prefetch, Transpose
  std::vector<Expr> index{};  // Store, Prefetch
  int32_t code = 0;           // Check
  CacheLevel level{};         // Prefetch
  std::vector<Stmt> body{};
};

Stmt make_for(ForKind kind, VarPtr var, Expr extent, Stmt body);
Stmt make_store(BufferPtr buffer, std::vector<Expr> index, Expr value);
Stmt make_allocate(BufferPtr buffer, Stmt body);
Stmt make_if(Expr condition, Stmt then_body, Stmt else_body = nullptr);
Stmt make_block(std::vector<Stmt> body);  // flattens nested blocks; one statement stays itself
Stmt make_let(VarPtr var, Expr value, Stmt body);
Stmt make_check(Expr condition, int32_t code);
Stmt make_prefetch(BufferPtr buffer, std::vector<Expr> index, CacheLevel level);
Stmt make_transpose(BufferPtr buffer);

// Nested loops of one kind around `body`, outermost first.
Stmt make_loops(ForKind kind, const std::vector<Axis>& axes, Stmt body);

// The same node with other children / expressions; returns `stmt` itself when nothing changed.
Stmt with_body(const Stmt& stmt, std::vector<Stmt> body);
// Bottom-up rewrite: `f` gets each statement with already rewritten children and returns it or a replacement.
Stmt mutate(const Stmt& stmt, const std::function<Stmt(const Stmt&)>& f);
// Applies `f` to every expression (extents, indices, values, conditions).
Stmt mutate_exprs(const Stmt& stmt, const std::function<Expr(const Expr&)>& f);
// Parents first; returning false skips the children.
void visit(const Stmt& stmt, const std::function<bool(const Stmt&)>& f);
// Every expression of the statement and its children.
void visit_exprs(const Stmt& stmt, const std::function<void(const Expr&)>& f);
Stmt substitute(const Stmt& stmt, const std::unordered_map<const expr::Variable*, Expr>& substitution);
Expr substitute_shared(const Expr& e, const std::unordered_map<const expr::Variable*, Expr>& substitution);
// Loads and stores of `from` go to `to` at the index that `f` gives.
Stmt redirect(const Stmt& stmt, const BufferPtr& from, const BufferPtr& to,
              const std::function<Index(const Index&)>& f);
Expr redirect(const Expr& e, const BufferPtr& from, const BufferPtr& to, const std::function<Index(const Index&)>& f);
bool loads_from(const Stmt& stmt, const expr::Buffer* buffer);
bool stores_to(const Stmt& stmt, const expr::Buffer* buffer);

// A bottom-up rewrite like expr::mutate that visits shared sub-trees once, so that it stays linear on expressions that
// share much (unrolled tiles, polynomial expansions).
Expr mutate_shared(const Expr& e, const std::function<Expr(const Expr&)>& f);

std::string to_string(const Stmt& stmt);

// Throws Error(InternalError) unless every variable is bound (by a loop, a Let or `free`), every buffer that is not
// Global is used inside its Allocate, indices have the buffer's rank, types agree, Vector/Unrolled/Lane extents and
// Register/Local dims are constant, and the rules of Lane loops hold.
void verify(const Stmt& stmt, const std::vector<VarPtr>& free);

// A program as loops, before and during scheduling.
struct Nest {
  std::vector<BufferPtr> inputs, outputs;
  std::vector<BufferPtr> temporaries;  // intermediate buffers that are not yet allocated inside a kernel
  std::vector<VarPtr> symbols;
  std::vector<Stmt> nests;  // run in order; the unit of compute_at, fuse, reorder ...
};

// One perfect nest per stage in order; a reduction gives two: its initialisation and its accumulation, with the
// reduction loops innermost.
Nest realize(const Program& program);

}  // namespace sardonyx::tensor
