// What is true of a program whatever its shapes: the part of planning that is done once per session.
//
// Steps get numbers such that the steps of one block are consecutive (nested blocks follow their parents), operands
// get slots in one flat pointer table, and values get lifetimes on a line of positions:
//
//   position  0: a = launch(x)      position  2: loop(b) begins     position  5: loop ends
//   position  1: b = launch(a)      position  3: ... body ...       position  6: y = launch(b)
//
// A value made before a loop and read inside it lives to the loop's end, because the next iteration reads it again.
// Copies between the host and a device end some time after their step, so host temporaries that they touch live to the
// end of their block, where the run waits.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/device_image.h"
#include "runtime/program.h"

namespace sardonyx::runtime {

// First write and last read, inclusive positions; first > last: never touched.
struct Lifetime {
  int32_t first = INT32_MAX;
  int32_t last = -1;
};

struct StepInfo {
  const Step* step = nullptr;
  uint32_t first_operand = 0;     // slots of inputs, then outputs, in the operand table
  uint32_t first_dim = 0;         // slots of `dims` in the table of dim operands
  std::vector<int32_t> blocks;    // numbers of step->blocks
  int32_t position = 0;           // where operands are read and, without nested blocks, results are written
  bool dynamic = false;           // an operand or dim is known only when the step runs
  bool on_device = false;         // a launch on a device, or a copy from or to one
  bool submits = false;           // the last of consecutive steps on devices
  bool awaits = false;            // reads host values that a device writes
  std::vector<ValueId> releases;  // dynamic values whose last use this step is
};

struct BlockInfo {
  const Block* block = nullptr;
  uint32_t first_step = 0, step_count = 0;
  bool rotates = false;           // Loop: a carried result reads a parameter that another result overwrites
  bool transfers = false;         // has copies between the host and devices
  std::vector<ValueId> releases;  // dynamic values alive up to the end of the block, parameters excluded
};

// Who touches the memory of a value.
struct Access {
  bool host_reads = false, host_writes = false;  // steps of the host, its copies between host values included
  bool arrives = false;                          // a host value that copies from a device write
  int32_t writers = 0;                           // steps
  int32_t last_write = -1;                       // position
};

struct Analysis {
  explicit Analysis(std::shared_ptr<const Program> program);
  explicit Analysis(std::shared_ptr<const DeviceImage> image);

  std::shared_ptr<const Program> program;
  std::shared_ptr<const DeviceImage> image;  // null: a program of the host alone
  // Dims. `dependents[d]`: slots to evaluate again, in order, when Runtime slot d is bound.
  std::vector<uint8_t> runtime_dim;  // depends on a Runtime slot
  std::vector<std::vector<DimId>> dependents;
  bool has_runtime_dims = false;
  // Values, by id.
  std::vector<ValueId> root;           // end of the chain of views
  std::vector<uint8_t> dynamic_value;  // address known only at run time (temporary or view); held ones always
  std::vector<uint8_t> runtime_shape;  // some dim or the byte size depends on a Runtime slot
  std::vector<Lifetime> lifetime;      // of roots
  std::vector<Access> access;          // of roots
  std::vector<int32_t> device;         // whose memory it is
  // Steps and blocks; block 0 is main.
  std::vector<StepInfo> steps;
  std::vector<BlockInfo> blocks;
  std::vector<ValueId> operands;  // the value behind every slot of the operand table
  std::vector<DimId> dim_operands;
  int32_t end = 0;  // position after the last step: copies to host outputs happen here
  // Outputs that need a copy at the end of the run.
  std::vector<int32_t> copied_outputs;
};

}  // namespace sardonyx::runtime
