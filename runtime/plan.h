// A program made ready for concrete input shapes.
//
// Everything that shapes decide is decided here, once per shape vector: dim values, kernel invocations, offsets of the
// temporaries in the arena, and one Command per step. A Plan is immutable and shared by bindings and runs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/analysis.h"
#include "runtime/base/status.h"
#include "runtime/dims.h"
#include "runtime/kernel.h"

namespace sardonyx::runtime {

// One step of the replay. `ready` launches of the host (copies of known size among them) need nothing but this.
struct Command {
  const Invocation* invocation = nullptr;
  const int64_t* dims = nullptr;
  uint32_t first_operand = 0;
  uint32_t step = 0;  // number in Analysis::steps
  int64_t grid = 0;
  uint32_t owner = 0;  // of the invocation, in Plan::invocations
  bool ready = false;
};

// operand table slot, or address of a value, = base of an input or output + offset.
struct Patch {
  uint32_t slot = 0;
  int64_t offset = 0;
};

struct Plan {
  std::shared_ptr<const Analysis> analysis;
  std::vector<Dims> input_shapes, output_shapes;                 // output dims that only a run knows are -1
  std::shared_ptr<const std::map<std::string, Dims>> shape_map;  // by name; null when some dim is unknown
  DimValues dims;
  std::vector<Command> commands;  // parallel to Analysis::steps
  std::vector<std::shared_ptr<const Invocation>> invocations;
  std::vector<int64_t> dim_operands;
  // Why steps of nested blocks cannot run with these shapes; a branch that is not taken may hold nonsense.
  std::map<uint32_t, Error> deferred;
  std::vector<int64_t> bytes;  // per value; -1 when only a run knows
  // Pointer slots: one address per value, then the operand table.
  std::vector<int64_t> arena_offset;  // per value, in the arena of its device; -1: not there
  std::vector<int64_t> view_offset;   // per value: offset from its root, where known
  std::vector<std::vector<Patch>> input_patches, output_patches;
  int64_t arena_bytes = 0;                  // of the host
  std::vector<int64_t> device_arena_bytes;  // by device; [0] is unused
  int64_t scratch_bytes = 0;
  double cost_ns = 0;     // of a run on one core, as far as known
  bool parallel = false;  // some launch is worth splitting
};

// Runs cheaper than this execute on the submitting thread: a hand-over would cost more.
inline constexpr double inline_cost_ns = 30'000;

// Values of the dims that input shapes determine. Throws Error(MismatchingShape) when the shapes contradict the
// program: rank, static dim, one symbol with two values, equalities.
DimValues bind_dims(const Analysis& analysis, std::span<const std::span<const int64_t>> input_shapes);
// Output shapes under `dims`; -1 for dims that only a run knows.
std::vector<Dims> output_shapes(const Analysis& analysis, const DimValues& dims);

// Throws Error(MismatchingShape, UnsupportedShape) and whatever Kernel::prepare throws.
std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Analysis> analysis,
                                      std::span<const std::span<const int64_t>> input_shapes);

// Throws MismatchingShape unless `given` is what the plan computes for output `index` (only the rank counts for an
// output of data-dependent shape).
void check_output_shape(const Plan& plan, size_t index, std::span<const int64_t> given);

// Byte size of a value under `dims`. Throws Error(UnsupportedShape) when unknown, negative or too large.
int64_t value_bytes(const Program& program, const DimValues& dims, ValueId id);

// Throws unless the host can run what the kernel prepared.
void check_on_host(const Kernel& kernel, const Invocation& invocation);

// The launch behind a Copy step of `bytes`: grid indices are pieces of it.
std::shared_ptr<const HostInvocation> make_copy(int64_t bytes);

}  // namespace sardonyx::runtime
