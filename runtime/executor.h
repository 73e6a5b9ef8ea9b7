// Replay of a plan.
//
// Ready commands (everything known at plan time) run in a straight line; the others resolve their operands first:
// bind sizes, allocate results, prepare the kernel. Failures are Error exceptions that name the step.
//
// Steps on devices only go to a queue. Where the main block needs what a device has yet to do, run() returns and is
// called again later; nested blocks wait on the spot.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/trace.h"
#include "runtime/device_work.h"
#include "runtime/run_state.h"
#include "runtime/team.h"

namespace sardonyx::runtime {

class Executor {
 public:
  // `trace` null: no events. `state` was started with `binding`.
  Executor(RunState& state, const Binding& binding, std::vector<TraceEvent>* trace);

  // Runs as far as it gets and answers what to wait for before it is called again (on any thread); nothing: the run is
  // done and the output buffers are complete. `team` null: everything on the calling thread. Throws Error; devices may
  // still be at work for the run then, see drain.
  DeviceWait run(Team* team);

  // After a failure: what to wait for before the state and the buffers may be touched.
  DeviceWait drain();

  // What the run hands out (Binding::collected, strings, and outputs with an owner), by output; empty without any.
  std::vector<Tensor> take_results();
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
    bool direct = false;                          // `data` is the output itself
    std::vector<std::shared_ptr<uint8_t>> texts;  // what elements of strings refer to
  };

  // The bytes of a value: host memory, or a range of a device.
  struct Place {
    int32_t device = 0;
    uint8_t* host = nullptr;
    DeviceRange range;
  };

  // From `command` on; answers where it stopped to wait, see wait_, else `end`.
  const Command* run_steps(const Command* command, const Command* end);
  // A nested block. Copies between the host and devices are over afterwards.
  void run_block(int32_t number);
  // False: wait_ comes first.
  bool run_step(const Command& command);
  bool dispatch(const Command& command, const StepInfo& info);
  // As the report calls it; empty when the step belongs to none.
  std::string_view group_of(const Step& step) const;
  void launch(const HostInvocation& invocation, void* const* buffers, const int64_t* dims);
  void launch_resolved(const Command& command, const StepInfo& info);
  const std::shared_ptr<const Invocation>& prepared(const Command& command, const StepInfo& info);
  void host_call(const Step& step);
  // The value as host functions see it; it shares the memory of a held one.
  Tensor operand(ValueId id) const;
  // Memory that a held value may be handed over with.
  std::shared_ptr<uint8_t> held_memory(ValueId id) const;
  // The output of a copy that the run hands out; else nothing.
  std::optional<size_t> collected_output(const Step& step) const;
  void collect(const Step& step, size_t output);
  void bind_dims(const Step& step);
  void check_condition(const Step& step);
  void branch(const StepInfo& info);
  void loop(const StepInfo& info);
  void begin_scan(Scan& scan, ValueId output, const Source& first);
  void append(Scan& scan, ValueId output, const Source& source);
  void end_scan(Scan& scan, ValueId output);

  // Steps on devices (device_steps.cpp).
  void begin_devices();
  void launch_on_device(const Command& command, const StepInfo& info);
  bool copy_step(const Command& command, const StepInfo& info);
  // Copies `bytes`; answers what to wait for before it is called again. `filled` as for DeviceWork::add.
  DeviceWait move(const Place& from, const Place& to, int64_t bytes, const std::string& label, ValueId filled,
                  std::string_view group = {});
  DeviceWait finish_outputs();
  DeviceWait finish_output(size_t output);
  uint8_t* output_memory(size_t output) const;  // of the host, unpacked; null when it lies on a device
  void pack_outputs();
  // Waits here inside nested blocks; else false with wait_ set.
  bool await(const DeviceWait& wait);
  bool await_inputs(const StepInfo& info);
  // Waits here until the host value is there.
  void await_value(ValueId id);
  Place place(ValueId id) const;
  DeviceRange range(ValueId id) const;

  int64_t dim(DimId id) const { return dim_value(program_, *state_.dims, id); }
  void bind(DimId slot, int64_t value);
  // Matches an actual shape against the declared dims of `id`: binds Runtime slots, compares the others.
  void bind_shape(ValueId id, std::span<const int64_t> actual);
  Dims shape_of(ValueId id) const;
  int64_t bytes_of(ValueId id) const;
  uint8_t* address(ValueId id) const;
  // Offset of a view from its root when a run-time dim is involved.
  int64_t dynamic_offset(ValueId id) const;
  // Makes `id` ready to be written: allocates run-time-sized values, checks limits of data-dependent outputs.
  void make_writable(ValueId id);
  uint8_t* writable(ValueId id);
  void check_limit(size_t output, std::span<const int64_t> actual) const;
  bool owns_dynamic_memory(ValueId id) const;
  Source source(ValueId from, ValueId to);
  void receive(ValueId to, Source& source);
  void adopt(ValueId to, DynamicBlock block);
  void release(ValueId id);
  void ensure_scratch(const Invocation& invocation);

  RunState& state_;
  const Binding& binding_;
  const Plan& plan_;
  const Analysis& analysis_;
  const Program& program_;
  std::vector<TraceEvent>* const trace_;
  Team* team_ = nullptr;

  // How far the run has come.
  const Command* next_;  // of the main block
  const Command* const end_;
  size_t next_output_ = 0;  // of those that are copied at the end
  bool begun_ = false;
  int nesting_ = 0;
  DeviceWait wait_;
  DynamicBlock crossing_;           // of the copy between two devices that is half done
  const char* transfer_ = nullptr;  // what the last copy was, for the trace
};

}  // namespace sardonyx::runtime
