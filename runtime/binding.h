// A plan with host buffers: what onnxSetGraphIO leaves behind and a run starts from. Immutable.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/plan.h"
#include "runtime/session.h"

namespace sardonyx::runtime {

struct ByteRange {
  uintptr_t begin = 0, end = 0;
  bool overlaps(const ByteRange& other) const { return begin < other.end && other.begin < end; }
};

class Binding {
 public:
  // Checks the outputs' shapes against the plan. Throws MismatchingShape, NoDeviceMemory.
  Binding(std::shared_ptr<const Plan> the_plan, std::span<const HostTensor> inputs,
          std::span<const HostTensor> outputs);

  // True when a run of one may not overlap in time with a run of the other: one writes what the other touches.
  bool conflicts(const Binding& other) const;

  std::shared_ptr<const Plan> plan;
  // Null for device memory.
  uint8_t* input(size_t i) const { return inputs_[i]; }
  uint8_t* output(size_t i) const { return outputs_[i]; }
  // Outputs that the run hands out as tensors. A String output that is not among them is handed out as well, and its
  // elements, which refer to the result's memory, are stored in the host's buffer.
  std::vector<uint8_t> collected;  // by output; empty when none is
  std::vector<Tensor> owners;      // of inputs and outputs
  std::vector<Tensor> results;     // by output: those that are in place; empty when none is
  // Described shapes of the outputs: upper limits where they are data-dependent. Empty when no output is.
  std::vector<Dims> limits;
  // Inputs that the run copies first: packed elements are unpacked, and a step might read others after the run has
  // begun to write an output over them.
  struct Staged {
    uint32_t input = 0;
    int64_t offset = 0, bytes = 0;
  };
  std::vector<Staged> staged;
  // Outputs of packed elements: written unpacked to the staging memory and packed when all else is done.
  struct PackedOutput {
    uint32_t output = 0;
    int64_t offset = 0;
  };
  std::vector<PackedOutput> packed_outputs;
  int64_t staging_bytes = 0;

  // Device memory in the place of host buffers; all empty without. Values whose memory is the host application's: the
  // inputs and outputs themselves, and temporaries that would only be copied from or to them.
  struct Bound {
    ValueId root = -1;
    int32_t device = 0;
    DeviceMemoryPtr memory;
  };
  std::vector<Bound> bound;
  std::vector<Bound> output_memory;  // by output; device 0: in host memory
  std::vector<uint8_t> in_place;     // by step of the main block: a copy that `bound` has made needless
  // Bound memory that steps of the host need: inputs come down before the first step, outputs go up after the last.
  struct HostCopy {
    uint32_t index = 0;  // of the input or output
    int32_t device = 0;
    DeviceMemoryPtr memory;
    int64_t offset = 0, bytes = 0;  // in the staging memory
  };
  std::vector<HostCopy> downloads, uploads;
  // Inputs in memory that is an output's as well: read from a copy. Runs of one binding never overlap.
  struct DeviceCopy {
    int32_t device = 0;
    DeviceMemoryPtr from, to;
    int64_t bytes = 0;
  };
  std::vector<DeviceCopy> copies;

 private:
  void stage_packed(std::span<const HostTensor> input_tensors, std::span<const HostTensor> output_tensors);
  void stage_overlaps();
  // Answers an offset in the staging memory.
  int64_t reserve(int64_t bytes);
  void bind_inputs(std::span<const HostTensor> tensors);
  void bind_outputs(std::span<const HostTensor> tensors);
  // Whether the steps of the main block that copy between the bound value and a temporary of the device need not run.
  void use_in_place(const Bound& value, bool input);
  bool overlaps_output(const ByteRange& range, size_t except) const;

  std::vector<uint8_t*> inputs_, outputs_;
  std::vector<ByteRange> reads_, writes_;
};

}  // namespace sardonyx::runtime
