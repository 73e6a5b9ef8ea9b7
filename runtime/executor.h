// Replay of a plan.
//
// Ready commands (everything known at plan time) run in a straight line; the others resolve their operands first:
// bind sizes, allocate results, prepare the kernel. Failures are Error exceptions that name the step.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/trace.h"
#include "runtime/run_state.h"
#include "runtime/team.h"

namespace sardonyx::runtime {

class Executor {
 public:
  // `team` null: everything on the calling thread. `trace` null: no events. `state` was started with `binding`.
  Executor(RunState& state, const Binding& binding, Team* team, std::vector<TraceEvent>* trace);

  // Throws Error. Output buffers are complete afterwards.
  void run();

  // Actual shapes of all outputs, after run().
  std::shared_ptr<const std::map<std::string, Dims>> output_shapes() const;

 private:
  // Where a value that is about to be handed over lies.
  struct Source {
    uint8_t* data = nullptr;
    int64_t bytes = 0;
    Dims dims;           // filled when the receiver needs them
    DynamicBlock owner;  // set for run-time-sized values: handed over without a copy
  };
  // What a scan output of a loop has collected.
  struct Scan {
    DynamicBlock memory;
    uint8_t* data = nullptr;
    int64_t capacity = 0, used = 0, count = 0;
    Dims element;
    bool direct = false;  // `data` is the output itself
  };

  void run_block(int32_t number);
  void run_step(const Command& command);
  void dispatch(const Command& command, const StepInfo& info);
  void launch(const HostInvocation& invocation, void* const* buffers, const int64_t* dims);
  void launch_resolved(const Command& command, const StepInfo& info);
  const HostInvocation& prepared(const Command& command, const StepInfo& info, const int64_t* dims);
  void host_call(const Step& step);
  void bind_dims(const Step& step);
  void check_condition(const Step& step);
  void branch(const StepInfo& info);
  void loop(const StepInfo& info);
  void begin_scan(Scan& scan, ValueId output, const Source& first);
  void append(Scan& scan, ValueId output, const Source& source);
  void end_scan(Scan& scan, ValueId output);
  void finish_outputs();

  int64_t dim(DimId id) const { return dim_value(program_, *state_.dims, id); }
  void bind(DimId slot, int64_t value);
  // Matches an actual shape against the declared dims of `id`: binds Runtime slots, compares the others.
  void bind_shape(ValueId id, std::span<const int64_t> actual);
  Dims shape_of(ValueId id) const;
  int64_t bytes_of(ValueId id) const;
  uint8_t* address(ValueId id) const;
  // The address to write `id` to: allocates run-time-sized values, checks limits of data-dependent outputs.
  uint8_t* writable(ValueId id);
  void check_limit(size_t output, std::span<const int64_t> actual) const;
  bool owns_dynamic_memory(ValueId id) const;
  Source source(ValueId from, ValueId to) const;
  void receive(ValueId to, Source& source);
  void adopt(ValueId to, DynamicBlock block);
  void release(ValueId id);
  void ensure_scratch(const Invocation& invocation);

  RunState& state_;
  const Binding& binding_;
  const Plan& plan_;
  const Analysis& analysis_;
  const Program& program_;
  Team* team_;
  std::vector<TraceEvent>* trace_;
};

}  // namespace sardonyx::runtime
