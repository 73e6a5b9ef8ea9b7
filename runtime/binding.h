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
  // Checks the outputs' shapes against the plan. Throws MismatchingShape.
  Binding(std::shared_ptr<const Plan> the_plan, std::span<const HostTensor> inputs,
          std::span<const HostTensor> outputs);

  // True when a run of one may not overlap in time with a run of the other: one writes what the other touches.
  bool conflicts(const Binding& other) const;

  std::shared_ptr<const Plan> plan;
  uint8_t* input(size_t i) const { return reinterpret_cast<uint8_t*>(reads_[i].begin); }
  uint8_t* output(size_t i) const { return reinterpret_cast<uint8_t*>(writes_[i].begin); }
  // Described shapes of the outputs: upper limits where they are data-dependent. Empty when no output is.
  std::vector<Dims> limits;
  // Inputs that a step might read after the run has begun to write an output over them: the run copies them first.
  struct Staged {
    uint32_t input = 0;
    int64_t offset = 0, bytes = 0;
  };
  std::vector<Staged> staged;
  int64_t staging_bytes = 0;

 private:
  void stage_overlaps();
  std::vector<ByteRange> reads_, writes_;
};

}  // namespace sardonyx::runtime
