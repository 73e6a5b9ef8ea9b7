// The compiled form of a graph: a flat list of steps over numbered values and numbered dims.
//
// * Dims: every extent in the program is a slot of the dim table. A slot is a constant, a symbol bound from the shapes
//   of the inputs, a symbol bound at run time from data (BindDims), or an expression over earlier slots.
// * Values: every tensor is a slot of the value table: graph input, graph output, constant, temporary, or a view
//   (alias) of another value at a byte offset.
// * Steps run in order. A step names its value and dim operands by slot. Control flow nests blocks: If and Loop steps
//   own sub-blocks over the same tables.
//
// Everything is plain data, so that a program can be verified and serialised. runtime/ never includes compiler/.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/tensor.h"
#include "runtime/base/value.h"
#include "runtime/kernel.h"

namespace sardonyx::runtime {

using DimId = int32_t;
using ValueId = int32_t;

// One slot of the dim table. Operands a, b, c are earlier slots.
struct DimExpr {
  enum class Op : uint8_t {
    Constant,  // value
    Input,     // dim `axis` of graph input `a`
    Runtime,   // bound by a BindDims step (or a Loop's trip counter)
    Add,
    Sub,
    Mul,
    FloorDiv,
    FloorMod,
    Min,
    Max,  // FloorDiv/FloorMod by 0 fail the plan
    Eq,
    Lt,
    Le,
    And,
    Or,
    Not,     // 0 or 1
    Select,  // a ? b : c
  };
  Op op = Op::Constant;
  int64_t value = 0;
  int32_t a = -1, b = -1, c = -1;
  int32_t axis = 0;
  std::string name{};  // symbol name for messages ("batch"), else empty
};

struct ValueInfo {
  enum class Kind : uint8_t {
    Input,      // buffer bound by the host; `index` into inputs
    Output,     // buffer bound by the host; `index` into outputs
    Constant,   // `index` into constants
    Temporary,  // arena memory when its dims are known at plan time, else allocated by its producing step
    View,       // the bytes of `base` from byte offset dims[byte_offset] on
  };
  Kind kind = Kind::Temporary;
  int32_t index = -1;
  ValueId base = -1;
  DimId byte_offset = -1;  // View only; -1 is 0
  DType dtype = DType::None;
  std::vector<DimId> dims{};  // logical dims (row-major meaning)
  int32_t device = 0;         // of Temporaries and Constants: whose memory (Program::devices); views are their base's
  DimId bytes = -1;           // physical byte size (padded blocked layouts are larger than the logical product);
                              // -1: product of dims times the element size
  std::string name{};         // provenance for messages and traces
};

struct Block;

// A promise about a launch: it stays correct when outputs[output] occupies the memory of inputs[input].
struct InPlace {
  int32_t input = 0, output = 0;
};

struct Step {
  enum class Op : uint8_t {
    Launch,    // kernel over its grid: buffers = inputs then outputs
    Copy,      // inputs[0] -> outputs[0], same bytes; from and to any device
    HostCall,  // host(inputs) -> outputs; out dims that are Runtime slots are bound from the result's shape
    BindDims,  // reads the integers of inputs[0] (i64, flat) into the Runtime slots `dims`, in order; one below its
               // `least` is an error
    Check,     // dims[0] must be non-zero, else the run fails with `status` and `text`
    If,        // inputs[0]: bool scalar; blocks[0] then, blocks[1] else; outputs receive the block's results
    Loop,      // see Block
  };
  Op op = Op::Launch;
  int32_t device = 0;  // Launch: which device runs it (Program::devices); its operands are that device's
  std::vector<ValueId> inputs{};
  std::vector<ValueId> outputs{};
  std::vector<DimId> dims{};
  KernelPtr kernel{};                          // Launch
  std::vector<InPlace> in_place{};             // Launch; the memory plan uses a pair when the input dies here
  std::vector<int64_t> least{};                // BindDims: smallest value per dim; empty: 0 for all
  std::shared_ptr<const HostFunction> host{};  // HostCall
  std::vector<std::shared_ptr<Block>> blocks{};
  Status status = Status::InternalError;  // Check
  std::string text{};                     // Check
  std::string label{};                    // source node names, for traces and errors
  int32_t report = -1;                    // Program::report: the group or copy that it belongs to; -1: none
};

// A nested list of steps. If: no parameters. Loop: inputs of the step are [trip count i64 scalar or -1, condition bool
// scalar or -1, initial carried values...]; parameters are [iteration i64 scalar, condition bool scalar, carried...];
// results are [condition, carried..., scan values...]; the step's outputs are [final carried..., stacked scans...].
// Values and dims used inside may be defined outside (captures are by slot).
//
// Shapes at run time: whenever a HostCall, If or Loop produces a value, or a Loop enters an iteration, the actual shape
// is matched against ValueInfo::dims of the receiving value (step output or block parameter): Runtime slots are bound,
// any other slot must agree. So a carried value that changes its shape has Runtime slots of its own among the dims of
// its parameter, and the step's output others. A Loop without trip count, condition or their parameters has -1 there;
// a condition result of -1 leaves the condition true.
//
// Several steps may write parts of one value through views of it (concatenation in place); a dynamic value gets its
// memory when the first of them runs.
struct Block {
  std::vector<Step> steps{};
  std::vector<ValueId> parameters{};
  std::vector<ValueId> results{};
};

struct Constant {
  Tensor tensor{};  // logical dtype/dims, or U8 [bytes] for packed weights
  std::string name{};
};

// One graph input or output as the host sees it.
struct IoInfo {
  std::string name{};
  DType dtype = DType::None;
  std::vector<DimId> dims{};             // inputs: Input or Constant slots; outputs: any slot
  std::vector<std::string> dim_names{};  // symbol per dim, "" when static
  bool rank_known = true;                // inputs without declared shape are not supported by the slice's program
  bool data_dependent = false;           // outputs: described shape is an upper limit per dim
  ValueTypePtr container{};              // of DType::Object: what the value is
};

// Two dims that must agree once inputs are bound; a violation is MISMATCHING_SHAPE with `text`.
struct DimEquality {
  DimId left = -1, right = -1;
  std::string text{};
};

// What `sardonyx explain` prints per group and per copy between devices; recorded at compile time.
struct GroupReport {
  std::string name{};                       // "group 12"
  std::vector<std::string> source_nodes{};  // ONNX node names
  std::string primitives{};                 // "conv+add+relu"
  std::string device{};                     // "cpu"; of a copy: where it goes to
  std::string candidate{};                  // "onednn.conv", "codegen.contraction mr=14 nr=2", "library.topk"
  std::string reason{};                     // why it won: estimated costs of the alternatives or their refusals
  std::string layout{};                     // "NCHW16c -> NCHW16c"
  double estimated_ns = 0;
  int64_t transfer_bytes = 0;  // copies: estimated bytes moved
  // The work of one execution, symbolic dims at typical values: operations as the graph says (a multiply-add is two),
  // and the bytes of operands and results, each once. Their slots, of Program::dims or behind them of report_dims; -1
  // where they do not depend on sizes, or not in a way that a slot can hold.
  double flops = 0, bytes = 0;
  DimId flops_dim = -1, bytes_dim = -1;
  int64_t steps = 0;  // that one execution takes
};

// Strings and Objects (is_held) are the host's, live in memory that their producers allocate, and are shared, never
// copied byte by byte; launches and views do not touch them. Where they are outputs the run collects them (Binding).
//
// A program output whose value is not of kind Output (a view of an input, a constant, a temporary that lives on) is
// copied to the host's buffer at the end of the run.
//
// Devices: 0 is the host. Inputs and Outputs are the host's; a host buffer that is memory of a device is bound in
// place where a Copy between it and a Temporary of that device stands in the main block. Control flow, HostCall,
// BindDims and Check touch host values only.
struct Program {
  std::vector<std::string> devices{"cpu"};
  std::vector<DimExpr> dims{};
  std::vector<ValueInfo> values{};
  std::vector<IoInfo> inputs, outputs;
  std::vector<ValueId> input_values, output_values;
  std::vector<DimEquality> equalities{};
  std::vector<Constant> constants{};
  Block main;
  std::vector<GroupReport> report{};
  std::vector<DimExpr> report_dims{};  // slots behind `dims`, which plans do not evaluate; no leaves but Runtime
};

// Throws Error(InternalError) unless every operand is in range and of the device that the step works on, every dim slot
// is defined before its use, every value is written before it is read, and every step's arity fits its opcode.
void verify(const Program& program);

// Human-readable listing, one line per step.
std::string to_string(const Program& program);

}  // namespace sardonyx::runtime
