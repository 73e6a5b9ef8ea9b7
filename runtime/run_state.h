// The private memory of one run in flight: arena, pointer tables, dim table. States are pooled and tied to a plan, so
// that a repeated run only patches the pointers of inputs and outputs.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/binding.h"
#include "runtime/device_work.h"
#include "runtime/memory.h"
#include "runtime/plan.h"

namespace sardonyx::runtime {

class StatePool;

class RunState {
 public:
  // Throws Error(NoSystemMemory, NoDeviceMemory).
  explicit RunState(std::shared_ptr<const Plan> the_plan);

  // Points the tables at the binding's buffers, copies staged inputs, forgets what the run before bound.
  void start(const Binding& binding);
  // Lets go of host memory that copies between devices went through. None is under way any more.
  void clear_crossing();
  // Lets go of the binding's device memory. Nothing is under way any more.
  void finish(const Binding& binding);
  // The same after a failed run, which leaves run-time-sized temporaries behind.
  void clear();

  int64_t bytes() const {
    return arena_.bytes() + scratch.bytes() + staging_.bytes() + cache.idle_bytes() + device_bytes_;
  }
  uint8_t* staging() const { return staging_.data(); }
  void* const* operands(const Command& command) const {
    return reinterpret_cast<void* const*>(slots.data() + plan->analysis->program->values.size() +
                                          command.first_operand);
  }

  std::shared_ptr<const Plan> plan;
  StatePool* pool = nullptr;    // that made it
  std::vector<uint8_t*> slots;  // addresses by value, then the operand table
  DimValues own_dims;           // of programs with Runtime slots
  const DimValues* dims = nullptr;
  Memory scratch;  // of the thread that leads the run
  BlockCache cache;
  std::vector<DynamicBlock> dynamic;  // by value; empty for programs without run-time sizes

  std::vector<Tensor> results;  // by output: what the run hands out; empty before the first

  // Invocations of launches whose dims were bound at run time, by step: the last few.
  struct Prepared {
    std::vector<int64_t> dims;
    std::shared_ptr<const Invocation> invocation;
  };
  std::vector<std::vector<Prepared>> prepared;
  std::vector<int64_t> launch_dims;  // of the launch that runs now

  // Of programs with devices.
  struct Place {
    int32_t device = 0;  // 0: host memory, see `slots`
    DeviceRange range;   // memory is null before a run-time-sized value has any
  };
  std::vector<Place> places;  // of roots
  std::unique_ptr<DeviceWork> work;
  std::vector<DynamicBlock> crossing;  // host memory of copies under way between two devices

 private:
  void allocate_devices();
  Place planned_place(ValueId root) const;
  void point(const std::vector<Patch>& patches, uint8_t* base);
  Memory arena_, staging_;
  std::vector<DeviceMemoryPtr> device_arenas_;
  int64_t device_bytes_ = 0;
  std::vector<uint8_t*> bound_inputs_, bound_outputs_;
};

// Idle states of a session, most recently used last. Bounded by count and bytes. Thread-safe.
class StatePool {
 public:
  // An idle state of the plan, else a new one.
  std::unique_ptr<RunState> take(const std::shared_ptr<const Plan>& plan);
  // A new state. When there is no memory for it, idle states give up theirs. Throws Error(NoSystemMemory,
  // NoDeviceMemory).
  std::unique_ptr<RunState> make(const std::shared_ptr<const Plan>& plan);
  // Memory of a device, in the same way.
  DeviceMemoryPtr allocate(Device& device, int64_t bytes);
  void give(std::unique_ptr<RunState> state);
  // Drops the idle states of a plan that left the cache.
  void forget(const std::shared_ptr<const Plan>& plan);

 private:
  template <class Make>
  auto with_idle_memory(const Make& make_it);
  bool drop_idle();
  std::mutex mutex_;
  std::vector<std::unique_ptr<RunState>> idle_;
  int64_t idle_bytes_ = 0;
};

}  // namespace sardonyx::runtime
